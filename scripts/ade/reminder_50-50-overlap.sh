#!/usr/bin/env bash
# REMINDER with resnet101 on ade 50-50, overlap: values of REMINDER (its scripts for ADE20K)
# expected: old 47.11, new 20.35, all 29.39 (REMINDER images/results.png; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/reminder_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/reminder_50-50-overlap' "$@"
