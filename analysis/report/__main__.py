"""One page from one run or a hundred: tables, curves, class maps, confusion matrices, trade-offs.

    python -m analysis.report results --out report

RESULTS are folders of result files (`step_<k>.json`) at any depth. Runs that differ by their seed alone are
one row, with mean and standard deviation; runs of different settings never share a column. A run of the task
"offline" among them is joint training: it stands beside the settings it fits, and intransigence is measured
against it. Writes report.html (nothing else is needed to look at it), results.md, results.tex, and the tidy
results.csv (per setting, method and number), runs.csv and classes.csv (per run, step and class).
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from analysis.commands import Parser, main, text_table, write_csv
from analysis.report.page import page
from analysis.report.runs import read_runs
from analysis.report.settings import CONVENTIONS, Setting, make_settings
from analysis.report.tables import Table, latex, letter, markdown, number_tables, overview, score_table
from analysis.report.tidy_csv import class_lines, result_lines, run_lines
from utils.files import write_text


def work(options: Namespace) -> None:
    """Read, write everything, and print the tables."""
    settings = make_settings(read_runs(options.results))
    out = Path(options.out)
    write_text(out / "results.md", all_markdown(settings))
    write_text(out / "results.tex", all_latex(settings))
    write_csv(out / "results.csv", result_lines(settings))
    write_csv(out / "runs.csv", run_lines(settings))
    write_csv(out / "classes.csv", class_lines(settings))
    write_text(out / "report.html", page(settings, out))
    for setting in settings:
        print(f"\n{setting.title}, {setting.detail}")
        for table in number_tables(setting):
            print(f"\n{plain(table)}")
    print(f"\n{out / 'report.html'}, and the tables as .md, .tex and .csv beside it")


def plain(table: Table) -> str:
    """For the terminal; an asterisk is the best."""
    rows = [[f"{'*' * cell.best}{cell.text}{f' [{cell.mark}]' * bool(cell.mark)}" for cell in cells]
            for cells in table.rows]  # fmt: skip
    notes = [f"[{letter(number)}] {note}" for number, note in enumerate(table.notes)]
    notes += [table.key] * bool(table.key)
    title = f"{table.title} (* ahead by more than the spread)"
    return "\n".join([title, text_table(table.heads, rows), *notes])


def overviews(settings: Sequence[Setting]) -> list[tuple[str, Table]]:
    """Methods by settings in each convention that has numbers, if there are several settings."""
    used = [name for name in CONVENTIONS if any(name in setting.conventions for setting in settings)]
    return [(name, overview(settings, name)) for name in used] if len(settings) > 1 else []


def all_markdown(settings: Sequence[Setting]) -> str:
    """All tables, under the settings' names."""
    parts = [markdown(table) for _, table in overviews(settings)]
    for setting in settings:
        parts.append(f"## {setting.title}\n\n{setting.detail}\n")
        parts += [markdown(table) for table in number_tables(setting)]
    return "\n".join(parts)


def all_latex(settings: Sequence[Setting]) -> str:
    r"""All tables; they need \usepackage{booktabs}."""
    parts = ["% needs \\usepackage{booktabs}"]
    parts += [latex(table, name=f"overview-{name}") for name, table in overviews(settings)]
    for setting in settings:
        for name in setting.conventions:
            table = score_table(setting, name)
            table.title = f"{setting.title} ({setting.detail}): {table.title}"
            parts.append(latex(table, name=f"{setting.key}-{name}"))
    return "\n".join(parts)


def parser() -> Parser:
    """The flags."""
    made = Parser("report", __doc__.split("\n")[0])
    made.add_argument("results", nargs="+", metavar="RESULTS", help="folders of result files, at any depth")
    made.add_argument("--out", default="report", help="folder for what is written")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """Command line of this program."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
