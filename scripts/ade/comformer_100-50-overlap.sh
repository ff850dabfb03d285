#!/usr/bin/env bash
# CoMFormer with timm:resnet101 on ade 100-50, overlap: values of CoMFormer (CoMFormer README and scripts)
# expected: old 44.7, new 26.2, all 38.4, average 41.2 (SimCIS paper, table 3; the classes have no background)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/comformer_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/comformer_100-50-overlap' "$@"
