#!/usr/bin/env bash
# ALIFE-M with timm:resnet101 on ade 100-50, overlap: values of ALIFE (its configurations)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/alife-m_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/alife-m_100-50-overlap' "$@"
