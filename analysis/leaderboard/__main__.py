"""A page of every published number that is known, with one's own runs beside them.

    python -m analysis.leaderboard --out leaderboard             # with the runs in results/, if there are any
    python -m analysis.leaderboard results/voc_15-5s_overlap     # with these

Writes leaderboard.html (nothing else is needed to look at it) and leaderboard.csv (the same numbers). The
page sorts, filters, chooses columns, compares two rows, draws mIoU over the years, and gives what it shows as
CSV, LaTeX and BibTeX. The numbers are those of data/published.csv.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from analysis.commands import Parser, main, write_csv
from analysis.leaderboard.entries import Entry, own_entries, published_entries
from analysis.leaderboard.page import NAMES, page
from config.published import SCORES
from utils.files import write_text

DEFAULT = Path("results")


def work(options: Namespace) -> None:
    """Read, write both files, and say what is on the page."""
    there = DEFAULT.is_dir() and next(DEFAULT.rglob("step_*.json"), None)
    results = options.results or ([DEFAULT] if there else [])
    own, unfinished = own_entries(results) if results else ([], 0)
    published, out = published_entries(), Path(options.out)
    write_text(out / "leaderboard.html", page([*own, *published], unfinished=unfinished))
    write_csv(out / "leaderboard.csv", [line(entry) for entry in [*own, *published]])
    left_out = f", without {unfinished} that did not reach the last step" if unfinished else ""
    print(f"{len(published)} published numbers, {len(own)} of own runs{left_out}: {out / 'leaderboard.html'}")


def line(entry: Entry) -> dict:
    """One line of the CSV; deviations over seeds have columns of their own."""
    values = {name: getattr(entry, name) for name in NAMES if name != "std"}
    return values | {f"{name}_std": entry.std.get(name) for name in SCORES}


def parser() -> Parser:
    """The flags."""
    made = Parser("leaderboard", __doc__.split("\n")[0])
    made.add_argument("results", nargs="*", metavar="RESULTS",
                      help="folders of result files at any depth; without: results/")  # fmt: skip
    made.add_argument("--out", default="leaderboard", help="folder for what is written")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """Command line of this program."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
