#!/usr/bin/env bash
# CoMFormer with timm:resnet101 on ade 100-10, overlap: values of CoMFormer (CoMFormer README and scripts)
# expected: old 40.6, new 15.6, all 32.3, average 37.4 (SimCIS paper, table 3; the classes have no background)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/comformer_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/comformer_100-10-overlap' "$@"
