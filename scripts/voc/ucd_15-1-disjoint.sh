#!/usr/bin/env bash
# UCD with resnet101 on voc 15-1, disjoint: values of UCD (UCD README and cssegmentation)
# expected: old 53.3, new 14.4, all 43.5 (UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ucd_15-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ucd_15-1-disjoint' "$@"
