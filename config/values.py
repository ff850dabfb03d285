"""What a resolved configuration says by itself, without any part of the framework built."""

import re
from pathlib import Path
from types import SimpleNamespace

from config.flags import DEFAULTS
from experiment.files import RunFiles

CACHES = re.compile(r"none|ram|disk|features(:[1-9]\d*)?(:exact)?")
VIEWS = 4  # of an image whose features are kept, if nothing else is said
PER_STEP = ("lr", "epochs")  # flags with a value for each step of the task


def flat(config: SimpleNamespace) -> dict:
    """All resolved values, the method's own among them, in plain types."""
    return {name: getattr(config, name) for name in DEFAULTS} | config.hyper


def of_step(config: SimpleNamespace, name: str, index: int):
    """Value of the per-step flag `name` at step `index`; the last value stands for all that follow."""
    values = getattr(config, name)
    return values[min(index, len(values) - 1)]


def check_cache(cache: str, limit: float) -> None:
    """Refuse what `--cache` cannot be, and a `--cache_limit` of nothing.

    Raises:
        ValueError: saying what helps.
    """
    if not CACHES.fullmatch(cache):
        known = "none, ram, disk, features, or features:V with V views of an image (and features:V:exact)"
        raise ValueError(f"--cache {cache}: it is {known}")
    if limit and cache in ("none", "ram"):
        raise ValueError("--cache_limit is of --cache disk and --cache features: give one, or leave it out")


def kept_features(cache: str) -> tuple[int, bool]:
    """Views of an image whose features `--cache` wants kept, and whether exactly; none for other caches."""
    place, *words = cache.split(":")
    views = next((int(word) for word in words if word.isdigit()), VIEWS)
    return (views if place == "features" else 0), "exact" in words


def run_files(config: SimpleNamespace) -> RunFiles:
    """The files of the run; another head, a seed other than the published 42, and other data, are part of its
    name.
    """
    other_data = ["leaky"] * config.leaky_split + [config.masking] * (config.masking != DEFAULTS["masking"])
    other_data += [f"val{config.val_share:g}"] * (config.val_share > 0)
    seed = "" if config.seed == DEFAULTS["seed"] else f"seed{config.seed}"
    backbone = config.backbone.replace(":", "_").replace("/", "_")
    head = config.head if config.head != DEFAULTS["head"] else ""
    words = [config.method.replace("*", "_STAR"), backbone, head, config.name, *other_data, seed]
    setting = f"{Path(config.dataset).stem}_{config.task}_{config.setting}"
    run = "_".join(word for word in words if word)
    roots = Path(config.checkpoint), Path(config.results_dir), Path(config.logdir)
    return RunFiles(*roots, setting=setting, run=run, kin=run.removeprefix(words[0]) if config.name else "")
