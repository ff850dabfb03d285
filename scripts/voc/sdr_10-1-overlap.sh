#!/usr/bin/env bash
# SDR with timm:resnet101 on voc 10-1, overlap: values of SDR (its commands)
# expected: all 25.1 (RCIL README; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/sdr_10-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/sdr_10-1-overlap' "$@"
