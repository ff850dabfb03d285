#!/usr/bin/env bash
# SDR with timm:resnet101 on ade 100-10, overlap: values of SDR (its commands)
# expected: old 37.26, new 12.13, all 28.94 (REMINDER images/results.png; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/sdr_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/sdr_100-10-overlap' "$@"
