#!/usr/bin/env bash
# UCD with resnet101 on voc 19-1, overlap: values of UCD (UCD README and cssegmentation)
# expected: old 73.7, new 34, all 71.7 (UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ucd_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ucd_19-1-overlap' "$@"
