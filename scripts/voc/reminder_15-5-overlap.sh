#!/usr/bin/env bash
# REMINDER with resnet101 on voc 15-5, overlap: values of REMINDER (its scripts for VOC)
# expected: old 76.11, new 50.74, all 70.07, average 75.36 (REMINDER images/results.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/reminder_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/reminder_15-5-overlap' "$@"
