#!/usr/bin/env bash
# SDR with timm:resnet101 on ade 50-50, overlap: values of SDR (its commands)
# expected: old 45.66, new 18.76, all 27.85 (REMINDER images/results.png; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/sdr_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/sdr_50-50-overlap' "$@"
