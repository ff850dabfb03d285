"""Whether the weights in this folder are whole and fit: `python -m pretrained.check [FOLDER]`.

For each file: its size, its SHA-256, and whether every entry fits the backbone that reads it. The hash is
compared with what is known of it: the first digits that torchvision and torch hub put into file names
(`resnet50-0676ba61.pth`), and a file SHA256SUMS beside the weights, as `sha256sum * > SHA256SUMS` writes it.
The exit status is 1 if a file that is there is bad.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from models import WEIGHTS, build_backbone
from models.pretrained import read_file
from models.variant import reader
from pretrained.catalogue import OFFERS, original
from pretrained.get import sha256

SUFFIXES = (".pth", ".tar", ".pt", ".bin", ".safetensors", ".npz")


def readers() -> dict[str, list[str]]:
    """File name -> backbones that read it by default."""
    found: dict[str, list[str]] = {}
    for backbone, file in WEIGHTS.items():
        found.setdefault(file, []).append(backbone)
    return found


def backbone_for(path: Path) -> str:
    """The backbone whose weights `path` holds: as the file says, else judging by its name, else timm's."""
    try:
        said = reader(read_file(path))
    except (ValueError, OSError):
        said = ""
    stem = path.name
    while Path(stem).suffix in SUFFIXES:
        stem = Path(stem).stem
    return said or readers().get(path.name, [f"timm:{re.sub('-[0-9a-f]{8}$', '', stem)}"])[0]


def known_hash(path: Path) -> str:
    """SHA-256 of `path`, or its first digits, as its name or SHA256SUMS beside it tell; "" if not."""
    sums = path.parent / "SHA256SUMS"
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8").splitlines():
            value, _, name = line.partition(" ")
            if name.strip().lstrip("*") == path.name:
                return value
    named = re.search(r"-([0-9a-f]{8})\.[a-z.]+$", path.name)
    return named[1] if named else ""


def fault(path: Path) -> str:
    """What is wrong with the file, in one line; "" if it is whole and fits."""
    want, got = known_hash(path), sha256(path)
    if not got.startswith(want):
        return f"its SHA-256 is {got[:16]}..., not {want[:16]}...: download it again"
    if name := original(path.name):
        place = shlex.quote(str(path.parent))
        return (
            f"its entries have other names than {OFFERS[name].backbone} gives them: "
            f"python -m pretrained.get {name} --archives {place} writes a file that fits"
        )
    try:
        build_backbone(backbone_for(path)).load_pretrained(str(path))
    except (ValueError, OSError) as error:
        return " ".join(str(error).split())
    return ""


def report(folder: Path) -> tuple[list[str], int]:
    """One line per file, expected or found, and the number of bad ones."""
    present = {path.name: path for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES}
    lines, bad = [], 0
    for file in [*(file for file in readers() if file not in present), *present]:
        if file not in present:
            lines.append(f"missing  {file}, which --backbone {' or '.join(readers()[file])} reads")
            continue
        path = present[file]
        facts = f"{file}  {path.stat().st_size / 1e6:.1f} MB  sha256 {sha256(path)}"
        wrong = fault(path)
        bad += bool(wrong)
        checked = "hash as expected" if known_hash(path) else "nothing known to compare the hash with"
        verdict = wrong or f"fits --backbone {backbone_for(path)}; {checked}"
        lines.append(f"{'BAD' if wrong else 'ok':8} {facts}\n         {verdict}")
    return lines, bad


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pretrained.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).resolve().parent)
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        print(f"no folder {folder}", file=sys.stderr)
        return 2
    lines, bad = report(folder)
    print("\n".join(lines))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
