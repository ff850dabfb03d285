"""Summary of results tables: `python average_csv.py results.csv [...]`.

The first five lines are those of the published script, where an absent or unlearned class counts as 0. The
lines below them are means over the classes that have an IoU.
"""

import argparse
import sys
from pathlib import Path

from metrics.published_csv import honest_summary, published_summary, read_rows


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", type=Path, nargs="+", help="results.csv of a run, ours or a published one")
    for table in parser.parse_args(arguments).tables:
        try:
            rows = read_rows(table.read_text().splitlines())
        except (OSError, ValueError) as error:
            print(f"average_csv.py: error: {table}: {error}", file=sys.stderr)
            return 2
        print("\n".join(published_summary(rows) + honest_summary(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
