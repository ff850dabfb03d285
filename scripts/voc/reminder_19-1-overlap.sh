#!/usr/bin/env bash
# REMINDER with resnet101 on voc 19-1, overlap: values of REMINDER (its scripts for VOC)
# expected: old 76.48, new 32.34, all 74.38, average 76.22 (REMINDER images/results.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/reminder_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/reminder_19-1-overlap' "$@"
