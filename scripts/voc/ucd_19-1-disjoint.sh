#!/usr/bin/env bash
# UCD with resnet101 on voc 19-1, disjoint: values of UCD (UCD README and cssegmentation)
# expected: old 74.3, new 28.4, all 72 (UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ucd_19-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ucd_19-1-disjoint' "$@"
