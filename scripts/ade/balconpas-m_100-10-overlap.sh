#!/usr/bin/env bash
# BalConpas-M with timm:resnet101 on ade 100-10, overlap: values of BalConpas (BalConpas README and scripts)
# expected: all 40.43 (BalConpas README; the classes have no background)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/balconpas-m_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/balconpas-m_100-10-overlap' "$@"
