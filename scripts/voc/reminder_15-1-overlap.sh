#!/usr/bin/env bash
# REMINDER with resnet101 on voc 15-1, overlap: values of REMINDER (its scripts for VOC)
# expected: old 68.3, new 27.23, all 58.52, average 68.27 (REMINDER images/results.png; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/reminder_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/reminder_15-1-overlap' "$@"
