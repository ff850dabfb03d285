#!/usr/bin/env bash
# UCD with resnet101 on voc 15-5, disjoint: values of UCD (UCD README and cssegmentation)
# expected: old 73, new 46.2, all 66.3 (UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ucd_15-5-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ucd_15-5-disjoint' "$@"
