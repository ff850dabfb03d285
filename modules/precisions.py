"""Values of `--precision`: what a network computes in."""

from utils.registry import Registry

PRECISIONS = Registry({"fp32": "torch:float32", "bf16": "torch:bfloat16", "fp16": "torch:float16"})
