#!/usr/bin/env bash
# BalConpas-M with timm:resnet101 on ade 50-50, overlap: values of BalConpas (BalConpas README and scripts)
# expected: all 41.33 (BalConpas README; the classes have no background)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/balconpas-m_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/balconpas-m_50-50-overlap' "$@"
