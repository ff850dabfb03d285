#!/usr/bin/env bash
# EIR with resnet101 on voc 15-1, overlap: values of EIR (EIR config and README)
# expected: no verified number
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/eir_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/eir_15-1-overlap' "$@"
