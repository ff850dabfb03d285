#!/usr/bin/env bash
# CoMFormer with timm:resnet101 on ade 100-5, overlap: values of CoMFormer (CoMFormer README and scripts)
# expected: old 39.5, new 13.6, all 30.9, average 36.5 (SimCIS paper, table 3; the classes have no background)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/comformer_100-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/comformer_100-5-overlap' "$@"
