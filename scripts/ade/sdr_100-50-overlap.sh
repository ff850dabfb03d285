#!/usr/bin/env bash
# SDR with timm:resnet101 on ade 100-50, overlap: values of SDR (its commands)
# expected: old 40.52, new 17.17, all 32.79 (REMINDER images/results.png; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/sdr_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/sdr_100-50-overlap' "$@"
