"""What of the data sets is there, what is missing, what does not fit together.

python -m data.check DIR                  # VOC, ADE20K, Cityscapes below DIR, else how to describe yours
python -m data.check DIR --out my.yaml    # writes that description, and checks it
python -m data.check my.yaml              # your own data: all masks, all headers, and a picture to look at
"""

import argparse
import re
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from data.own import check_own
from data.propose import proposal
from dataset.ade import ADE
from dataset.base import Sample
from dataset.cityscapes import CITIES, CityscapesClasses
from dataset.files import FileDataset, check
from dataset.voc import AUGMENTED, VOC
from utils.decoding.opening import read_header
from utils.files import write_text

DATASETS: dict[str, type[FileDataset]] = {"voc": VOC, "ade": ADE, "cityscapes": CityscapesClasses}
# Files that no split of a data set counts, with their number.
FOLDERS = {"voc": {"SegmentationClass": 2913, "SegmentationClassAug": 12031}}
NAMED = 3  # culprits in a message
THREADS = 8
YAML = (".yaml", ".yml")
VOC_ID = re.compile(r"\d{4}_\d{6}")


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
    """Findings about one of `DATASETS`.

    Raises:
        FileNotFoundError: if there is nothing of it; the message says what was looked for.
    """
    dataset = DATASETS[name](root)
    findings = []
    for folder, expected in FOLDERS.get(name, {}).items():
        place = dataset.root / folder
        found = sum(mask.stat().st_size > 0 for mask in place.glob("*.png")) if place.is_dir() else 0
        findings.append(Finding(name, folder, found, expected, _state(found, expected)))
    return findings + [_split(name, dataset, split) for split in ("train", "val")]


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
            image, mask = read_header(sample.image).upright, read_header(sample.mask).upright
        except (OSError, ValueError, SyntaxError) as error:
            return " ".join(str(error).split())
        if image == mask:
            return ""
        return f"{sample.mask} is {mask[0]}x{mask[1]} pixels, but its image is {image[0]}x{image[1]}"

    with ThreadPoolExecutor(THREADS) as pool:
        bar = tqdm(pool.map(look, samples), f"{what}: comparing", len(samples), unit="image", disable=None)
        return [complaint for complaint in bar if complaint]


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
    """Print what is there; 0 if something is there and all of it is well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m data.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder, or the YAML file of your own data")
    parser.add_argument("--data_root", default="", help="folder of the data that a YAML file describes")
    parser.add_argument("--out", type=Path, help="YAML file to write for a folder of your own data")
    parser.add_argument("--picture", type=Path, help="where the overlays go; default: check_NAME.png, here")
    options = parser.parse_args(arguments)
    root = options.root.expanduser()
    if root.suffix.lower() in YAML:
        return check_own(root, options.picture or Path(f"check_{root.stem}.png"), options.data_root)
    if options.out or is_own(root):
        return describe(root, options.out, options.picture)
    return published(root)


def published(root: Path) -> int:
    """Print the table of the published data sets in `root`; 0 if there are some, and all is well."""
    findings, absent = [], []
    for name in DATASETS:
        try:
            findings += inspect(name, root)
        except (ValueError, OSError) as error:
            absent.append(f"{name}: {' '.join(str(error).split())}")
    if findings:
        print(table(findings))
    for line in absent:
        print(line)
    return 0 if findings and all(finding.ok for finding in findings) else 1


def is_own(root: Path) -> bool:
    """Whether `root` holds none of the published sets; VOC's layout with other names is one's own."""
    if not root.is_dir():
        return False
    found = []
    for name, kind in DATASETS.items():
        try:
            found.append(TELLING[name](kind(root).root))
        except (ValueError, OSError):
            continue
    return not any(found)


def _has_voc(root: Path) -> bool:
    pictures = (path.stem for path in (root / "JPEGImages").iterdir())
    return (root / AUGMENTED).is_dir() or any(VOC_ID.fullmatch(id) for id in pictures)


def _has_cities(root: Path) -> bool:
    return any(path.name in CITIES for path in (root / "leftImg8bit").glob("*/*"))


TELLING: dict[str, Callable[[Path], bool]] = {  # what other people's data in the same folders lack
    "voc": _has_voc,
    "ade": lambda root: (root / "images/training").is_dir(),
    "cityscapes": _has_cities,
}


def describe(root: Path, out: Path | None, picture: Path | None) -> int:
    """Print a description of the data in `root`, or write it to `out` and check it."""
    try:
        text = proposal(root, out)
    except (ValueError, OSError) as error:
        print(f"{error}" if root.is_dir() else f"there is no folder {root}")
        return 1 if not is_own(root) else published(root)
    print(text)
    if out is None:
        print(f"write it: python -m data.check {shlex.quote(str(root))} --out {root.resolve().name}.yaml")
        return 1
    if out.exists() and out.read_text("utf-8") != text:
        print(f"{out} is there already and says something else: give another name by --out")
        return 1
    write_text(out, text)
    print(f"written to {out}; now the check of it:\n")
    return check_own(out, picture or Path(f"check_{out.stem}.png"))


if __name__ == "__main__":
    sys.exit(main())
