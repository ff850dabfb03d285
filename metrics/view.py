"""What a test looks at and what it counts: the things that make numbers of one network differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = re.compile(r"step_(\d+)(?:_([a-z0-9_]+))?\.json")


@dataclass(frozen=True)
class View:
    """One kind of test.

    Attributes:
        evaluation: "crop" (the centre of the resized image, as published) or "full" images.
        crop_size: side of the crop in pixels; 0 for full images, which have none.
        protocol: what future classes and void count as, see `dataset.rules.label_table`.
        background: whether pixels of the background are scored.
        weights: checksum of the tested network if it is not the run's own, else "".
        network: with what the network was tested other than trained, such as "pooling 1"; else "".
        val_share: share of the training images that was held out and tested on; 0: the test images.
    """

    evaluation: str
    crop_size: int
    protocol: str
    background: bool = True
    weights: str = ""
    network: str = ""
    val_share: float = 0.0

    def __str__(self) -> str:
        size = f" {self.crop_size}" if self.crop_size else ""
        parts = [f"held-out training images ({100 * self.val_share:g} %)"] if self.val_share else []
        parts += [f"{self.evaluation}{size}"]
        parts += [] if self.background else ["background left out"]
        parts += [f"network {self.weights}"] if self.weights else []
        return ", ".join([*parts, *filter(None, [self.network])])

    def name(self, usual: "View") -> str:
        """What tells this kind of test from the `usual` one, for file names; "" if it is the same."""
        parts = []
        if self.evaluation != usual.evaluation or self.crop_size != usual.crop_size:
            parts.append(f"{self.evaluation}{self.crop_size or ''}")
        if self.protocol != usual.protocol:
            parts.append(self.protocol)
        if self.background != usual.background:
            parts.append("bg" if self.background else "nobg")
        if self.val_share != usual.val_share:
            parts.append(f"val{100 * self.val_share:g}".replace(".", "p") if self.val_share else "test")
        if self.weights:
            parts.append(f"net{self.weights}")
        if self.network:
            parts.append(re.sub("[^a-z0-9]+", "", self.network))
        return "_".join(parts)


def view_of_config(config: Mapping) -> View:
    """The test that a run's own configuration asks for."""
    evaluation = config.get("eval", "crop")
    crop_size = config.get("crop_size", 512) if evaluation == "crop" else 0
    background = not config.get("ignore_test_bg", False)
    share = config.get("val_share", 0.0)
    return View(evaluation, crop_size, config.get("protocol", "plop"), background, val_share=share)


def view_of_result(result: Mapping) -> View:
    """The test that a result file is of; files from before they said so are of their run's configuration."""
    return View(**result["test"]["view"]) if "test" in result else view_of_config(result["config"])


def result_files(folder: Path | str) -> dict[str, list[Path]]:
    """The result files in `folder` by the name of their kind of test ("": the usual one), in step order."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in Path(folder).glob("step_*.json"):
        if match := FILE.fullmatch(path.name):
            found.setdefault(match[2] or "", []).append((int(match[1]), path))
    return {kind: [path for _, path in sorted(files)] for kind, files in sorted(found.items())}
