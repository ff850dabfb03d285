"""All steps of a call looked at before the first one trains: what cannot work, and what is odd."""

from collections.abc import Collection, Iterator
from types import SimpleNamespace

from config import build
from dataset.increment import IncrementData
from utils.distributed import world_size


def look_ahead(
    config: SimpleNamespace, steps: list[IncrementData], *, finished: Collection[int] = ()
) -> list[str]:
    """What is odd about the steps of a call, a line each; from the scan that tells their images anyway.

    Args:
        finished: numbers of steps that are not trained any more.

    Raises:
        ValueError: for the first step that cannot be trained, with its number, classes and the cure.
    """
    notes = []
    for data in steps:
        if not config.test and data.step.index not in finished:
            notes += _training(config, data)
        notes += _testing(data)
    return notes


def _training(config: SimpleNamespace, data: IncrementData) -> Iterator[str]:
    images, where = len(data.rows("train")), f"step {data.step.index} ({', '.join(names(data))})"
    if images == 0:
        raise ValueError(
            f"{where}: no training image shows a class of it under --setting {data.setting}; name another "
            "--task, or add images that show them"
        )
    processes, least = world_size(), world_size() * config.accumulate
    if images < least:
        cure = "--accumulate 1" if images >= processes else f"--accumulate 1 and at most {images} processes"
        raise ValueError(
            f"{where} has {images} training images, too few for {processes} processes x --accumulate "
            f"{config.accumulate}: give {cure}"
        )
    if images < config.batch_size:
        size, wanted = build.batch_size(config, images) * least, config.batch_size
        yield f"{where} has {images} training images, so its batches have {size} instead of {wanted}"
    if not data.step.domains:
        pixels = data.pixels()
        missing = ", ".join(data.dataset.class_names[label] for label in pixels if not pixels[label])
        if missing:
            yield f"{where}: its {images} training images have no pixel of {missing}, which cannot be learned"


def _testing(data: IncrementData) -> Iterator[str]:
    if data.step.domains:
        return
    rows, where = data.rows("test"), f"step {data.step.index}"
    if len(rows) == 0:
        yield f"{where}: no test image shows a class that it knows, so its scores are empty"
        return
    shown = data.presence("test").pixels_of(rows)
    absent = [data.dataset.class_names[label] for label in data.step.new if shown[label] == 0]
    if absent:
        yield f"{where}: no pixel of {', '.join(absent)} in its {len(rows)} test images, so no mean counts it"


def names(data: IncrementData) -> list[str]:
    """Classes that a step teaches, without background where there are others."""
    labels = [label for label in data.step.new if label or not data.step.has_background] or data.step.new
    return [data.dataset.class_names[label] for label in labels]
