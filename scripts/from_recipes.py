"""Writes what repeats the recipes: the script of every published row, and the table in REPRODUCING.md.

python -m scripts.from_recipes             after a change of scripts/recipes.yaml or scripts/measured.yaml
python -m scripts.from_recipes --check     says what is out of date, and has exit status 1 then
"""

import argparse
import sys
from itertools import groupby
from pathlib import Path

import yaml

from config.published import CONVENTIONS
from config.published_command_lines import num_steps
from config.published_numbers import band
from config.recipes import Row, rows

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "scripts" / "measured.yaml"
MEASURED_FIELDS = {"old", "new", "all", "avg", "seeds", "gpus", "hours", "version", "by"}
START = "<!-- written by scripts.from_recipes: start -->"
END = "<!-- written by scripts.from_recipes: end -->"


def script(row: Row) -> str:
    """The text of scripts/<row.name>.sh."""
    setting = f"{row.method} with {row.backbone} on {row.dataset} {row.task}, {row.setting}"
    if numbers(row.published):
        words = CONVENTIONS[row.published["convention"]]
        expected = f"{numbers(row.published)} ({row.published['source']}; {words})"
    else:
        expected = "no verified number"
    gpus = f"{row.gpus} there" if row.gpus else "not said there"
    if row.dataset == "cityscapes_domain":
        expected += "; EXTRA=--leaky_split for its split"
    return f"""#!/usr/bin/env bash
# {setting}: values of {row.system} ({row.source})
# expected: {expected}
# GPUs: {gpus}. Usage: DATA_ROOT=DIR bash ./scripts/{row.name}.sh GPU_IDS NB_GPU
exec bash "$(dirname "${{BASH_SOURCE[0]}}")/../run_steps.sh" '{row.name}' "$@"
"""


def numbers(found: dict) -> str:
    """Old / new / all / average of those that are there, "" if none is."""
    names = {"old": "old", "new": "new", "all": "all", "avg": "average"}
    return ", ".join(f"{word} {found[name]:g}" for name, word in names.items() if name in found)


def table(measured: dict[str, dict]) -> str:
    """The Markdown tables of REPRODUCING.md, one per folder of scripts and dataset."""
    lines = [START]
    places = sorted(rows(), key=place)  # within a place, as in the file
    for (folder, dataset), group in groupby(places, key=place):
        lines += [
            "",
            f"### scripts/{folder}, {dataset}",
            "",
            "| recipe and script | what | published | source | step 0 | band | ours | GPUs x hours |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [table_row(row, measured.get(row.name, {})) for row in group]
    return "\n".join([*lines, "", END])


def place(row: Row) -> tuple[str, str]:
    """Folder of the row's script, and data set."""
    return str(Path(row.name).parent), row.dataset


def table_row(row: Row, measured: dict) -> str:
    """One line of the table; a dash where nothing is known."""
    what = f"{row.method}, {row.task}, {row.setting}, {row.backbone}"
    published = numbers(row.published) or "-"
    source = "{source} ({convention})".format(**row.published) if "source" in row.published else "-"
    step0 = "{:g} +- {:g}".format(*row.published["step0"]) if "step0" in row.published else "-"
    width = f"{band(row, num_steps(row.dataset, row.task)):g}" if "all" in row.published else "-"
    ours = f"{numbers(measured)} ({measured['seeds']} seeds)" if measured else "-"
    cost = f"{measured['gpus']} x {measured['hours']}" if measured else "-"
    cells = [f"`{Path(row.name).name}`", what, published, source, step0, width, ours, cost]
    return "| " + " | ".join(cells) + " |"


def read_measured(path: Path = MEASURED) -> dict[str, dict]:
    """Measured rows by recipe.

    Raises:
        ValueError: for a recipe that does not exist, or a row that lacks a field.
    """
    found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for name, row in found.items():
        if name not in {row.name for row in rows()}:
            raise ValueError(f"{path}: there is no recipe {name}")
        needed = MEASURED_FIELDS - {"old", "new", "avg"}
        if wrong := needed - row.keys() or row.keys() - MEASURED_FIELDS:
            raise ValueError(f"{path}: {name} lacks or does not know {', '.join(sorted(wrong))}")
    return found


def wanted(root: Path = ROOT) -> dict[Path, str]:
    """Every file that depends on the recipes, with the text it should have."""
    files = {root / "scripts" / f"{row.name}.sh": script(row) for row in rows()}
    document = root / "REPRODUCING.md"
    before, _, rest = document.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    return files | {document: before + table(read_measured()) + after}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m scripts.from_recipes", description=about)
    parser.add_argument("--check", action="store_true", help="change nothing, only say what is out of date")
    return write_stale(wanted(), check=parser.parse_args(arguments).check)


def write_stale(files: dict[Path, str], *, check: bool) -> int:
    """Write those of `files` that have another text, or only name them; 1 if there are any to `check`."""
    stale = {
        path: text for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }  # fmt: skip
    for path, text in stale.items():
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
