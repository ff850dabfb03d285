#!/usr/bin/env bash
# ECLIPSE with timm:resnet101 on ade 100-50, overlap: values of ECLIPSE (ECLIPSE README and scripts)
# expected: old 45, new 21.7, all 37.1 (SimCIS paper, table 3; the classes have no background)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/eclipse_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/eclipse_100-50-overlap' "$@"
