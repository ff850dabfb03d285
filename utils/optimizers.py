"""The optimizers by name: values of `--optimizer`."""

from utils.registry import Registry

OPTIMIZERS = Registry({"sgd": "utils.optimizer:FusedSGD", "adamw": "utils.optimizer:NamedAdamW"})
