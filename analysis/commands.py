"""What the analyses share on the command line: flags, one-line errors, progress, tables."""

import argparse
import csv
import io
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from utils.commands import answer
from utils.files import write_text

PATIENCE = 5.0  # seconds that a program runs before it shows progress bars
BEGAN = time.monotonic()


class Parser(argparse.ArgumentParser):
    """Flags of an analysis; a mistake raises ValueError, which `main` prints as one line."""

    def __init__(self, program: str, description: str):
        super().__init__(
            prog=f"python -m analysis.{program}",
            description=description,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str):
        """Raise what `main` prints."""
        raise ValueError(f"{message}; see {self.prog} --help")

    def add_run_flags(self, out: str, what: str) -> None:
        """Flags for the runs, for the data (of analyses that read images again) and for the output `what`."""
        self.add_argument("runs", nargs="+", help="folders of runs (all their steps), or checkpoints")
        self.add_argument("--out", default=out, help=f"folder for {what}")
        self.add_argument(
            "--data_root", default="", help="folder of the dataset, if not where training found it"
        )
        self.add_argument(
            "--dataset", default="", help="its name or YAML file, if not where training found it"
        )
        self.add_argument(
            "--cache_dir", default="cache", help="folder for the scan of which image shows which class"
        )


def main(parser: Parser, work: Callable[[argparse.Namespace], None], argv: Sequence[str] | None) -> int:
    """Parse `argv` and do `work`; 0 on success, 2 after a mistake, which is explained in one line."""
    return answer(parser.prog, lambda: work(parser.parse_args(argv)))


def at_least(lowest: int) -> Callable[[str], int]:
    """An argparse type: integers from `lowest` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"must be at least {lowest}")
        return value

    number.__name__ = "whole number"
    return number


def progress(items: Iterable, title: str, **options) -> Iterable:
    """`items` with a progress bar, shown in a terminal once the program has run for PATIENCE seconds."""
    delay = max(0.0, BEGAN + PATIENCE - time.monotonic())
    bar = {"leave": False, "dynamic_ncols": True, "disable": None, "delay": delay}
    return tqdm(items, desc=title, **bar | options)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns for the terminal; the first `left` of them are aligned left, the others right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_csv(path: Path, rows: Sequence[dict]) -> None:
    """Tidy CSV: one line per entry of `rows`, which share their keys; None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def percent(share: float | None) -> str:
    """A share in [0, 1] as per cent with one digit, "-" for None."""
    return "-" if share is None else f"{100 * share:.1f}"
