#!/usr/bin/env bash
# REMINDER with resnet101 on ade 100-10, overlap: values of REMINDER (its scripts for ADE20K)
# expected: old 38.96, new 21.28, all 33.11 (REMINDER images/results.png; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/reminder_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/reminder_100-10-overlap' "$@"
