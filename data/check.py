"""What of the data sets is there, what is missing, what does not fit together.

python -m data.check DIR             # VOC, ADE20K and Cityscapes in or below DIR
python -m data.check camvid.yaml     # your own data
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from dataset.ade import ADE
from dataset.base import Sample
from dataset.cityscapes import CityscapesClasses
from dataset.headers import ORIENTATION as EXIF_ORIENTATION
from dataset.files import FileDataset, check
from dataset.folder import Folder
from dataset.voc import VOC

DATASETS: dict[str, type[FileDataset]] = {"voc": VOC, "ade": ADE, "cityscapes": CityscapesClasses}
# Files that no split of a data set counts, with their number.
FOLDERS = {"voc": {"SegmentationClass": 2913, "SegmentationClassAug": 12031}}
NAMED = 3  # culprits in a message
THREADS = 8


@dataclass(frozen=True)
class Finding:
    """One line of the table: what was looked for, how much of it is there, and whether that is well."""

    dataset: str
    what: str
    found: int
    expected: int
    state: str  # "ok", or what is wrong

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.state == "ok"


def inspect(name: str, root: Path) -> list[Finding]:
    """Findings about one of `DATASETS`, or about the data that the YAML file `root` describes.

    Raises:
        FileNotFoundError: if there is nothing of it; the message says what was looked for.
    """
    described = root.suffix.lower() in (".yaml", ".yml")
    dataset = Folder("", root) if described else DATASETS[name](root)
    findings = []
    for folder, expected in FOLDERS.get(name, {}).items():
        place = dataset.root / folder
        found = sum(mask.stat().st_size > 0 for mask in place.glob("*.png")) if place.is_dir() else 0
        findings.append(Finding(name, folder, found, expected, _state(found, expected)))
    splits = dataset.places if described else ("train", "val")
    return findings + [_split(name, dataset, split) for split in splits]


def _split(name: str, dataset: FileDataset, split: str) -> Finding:
    expected = dataset.expected.get(split, 0)
    samples: list[Sample] = []
    try:
        samples = dataset.list_samples(split)
        check(samples, f"{dataset.name} {split}")
    except (ValueError, OSError) as error:
        return Finding(name, split, len(samples), expected, str(error))
    state = _state(len(samples), expected or len(samples))
    bad = bad_pairs(samples, f"{dataset.name} {split}")
    if bad:
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        state = "; ".join(bad[:NAMED]) + more
    return Finding(name, split, len(samples), expected or len(samples), state)


def _state(found: int, expected: int) -> str:
    if found == 0:
        return "missing"
    return (
        "ok"
        if found == expected
        else f"{abs(expected - found):,} {'missing' if found < expected else 'too many'}"
    )


def bad_pairs(samples: list[Sample], what: str) -> list[str]:
    """What is wrong with files of `samples` that can be told without decoding them."""

    def look(sample: Sample) -> str:
        try:
            image, mask = _size(sample.image), _size(sample.mask)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return " ".join(str(error).split())
        if image == mask:
            return ""
        return f"{sample.mask} is {mask[0]}x{mask[1]} pixels, but its image is {image[0]}x{image[1]}"

    with ThreadPoolExecutor(THREADS) as pool:
        bar = tqdm(pool.map(look, samples), f"{what}: comparing", len(samples), unit="image", disable=None)
        return [complaint for complaint in bar if complaint]


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            return image.size[::-1] if turned else image.size
    except Image.UnidentifiedImageError:
        raise ValueError(f"{path} is no picture") from None


def table(findings: list[Finding]) -> str:
    """The findings as plain text."""
    rows = [("data set", "what", "found", "expected", "state")]
    rows += [(f.dataset, f.what, f"{f.found:,}", f"{f.expected:,}", f.state) for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join([*cells, row[4]]))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 if something is there and all of it is well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m data.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder, or the YAML file of your own data")
    root = parser.parse_args(arguments).root.expanduser()
    described = root.suffix.lower() in (".yaml", ".yml")
    findings, absent = [], []
    for name in [root.stem] if described else DATASETS:
        try:
            findings += inspect(name, root)
        except (ValueError, OSError) as error:
            absent.append(f"{name}: {' '.join(str(error).split())}")
    if findings:
        print(table(findings))
    for line in absent:
        print(line)
    return 0 if findings and all(finding.ok for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
