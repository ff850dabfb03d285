#!/usr/bin/env bash
# CoMFormer with timm:resnet101 on ade 50-50, overlap: values of CoMFormer (CoMFormer README and scripts)
# expected: old 49.2, new 26.6 (CoMFormer paper; the classes have no background)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/comformer_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/comformer_50-50-overlap' "$@"
