#!/usr/bin/env bash
# MiB with resnet101 on voc 15-1, overlap: values of MiB (MiB README and presets; weight 100 from its author (github.com/fcdl94/MiB/issues/22))
# expected: old 35.1, new 13.5, all 29.7 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/mib_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/mib_15-1-overlap' "$@"
