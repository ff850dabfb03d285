#!/usr/bin/env bash
# UCD with resnet101 on voc 15-5, overlap: values of UCD (UCD README and cssegmentation)
# expected: old 78.5, new 50.7, all 71.5 (UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ucd_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ucd_15-5-overlap' "$@"
