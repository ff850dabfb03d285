"""Whether the weights in this folder are whole and fit: `python -m pretrained.check [FOLDER]`.

For each file: its size, its SHA-256, and whether every entry fits the backbone that reads it. The hash is
compared with what is known of it: the first digits that torchvision and torch hub put into file names
(`resnet50-0676ba61.pth`), and a file SHA256SUMS beside the weights, as `sha256sum * > SHA256SUMS` writes it.
The exit status is 1 if a file that is there is bad.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

from models import WEIGHTS, build_backbone

SUFFIXES = (".pth", ".tar", ".pt", ".bin", ".safetensors", ".npz")


def readers() -> dict[str, list[str]]:
    """File name -> backbones that read it by default."""
    found: dict[str, list[str]] = {}
    for backbone, file in WEIGHTS.items():
        found.setdefault(file, []).append(backbone)
    return found


def backbone_for(file: str) -> str:
    """The backbone whose weights `file` holds, judging by its name; other files are taken for timm's."""
    stem = file
    while Path(stem).suffix in SUFFIXES:
        stem = Path(stem).stem
    return readers().get(file, [f"timm:{re.sub('-[0-9a-f]{8}$', '', stem)}"])[0]


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


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fault(path: Path) -> str:
    """What is wrong with the file, in one line; "" if it is whole and fits."""
    want, got = known_hash(path), sha256(path)
    if not got.startswith(want):
        return f"its SHA-256 is {got[:16]}..., not {want[:16]}...: download it again"
    try:
        build_backbone(backbone_for(path.name)).load_pretrained(str(path))
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
        verdict = wrong or f"fits --backbone {backbone_for(file)}; {checked}"
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
