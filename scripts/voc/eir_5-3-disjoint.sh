#!/usr/bin/env bash
# EIR with resnet101 on voc 5-3, disjoint: values of EIR (EIR config and README)
# expected: no verified number
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/eir_5-3-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/eir_5-3-disjoint' "$@"
