#!/usr/bin/env bash
# DFT* with resnet101 on ade 50-50, overlap: values of RevisitingCSS (RevisitingCSS scripts/RevisitingCSS)
# expected: no verified number
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/RevisitingCSS/ft_resnet101_50-50-FixBC-P.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'RevisitingCSS/ft_resnet101_50-50-FixBC-P' "$@"
