"""Compare methods: train each for every seed, share step 0 where methods train it alike, print one table.

    python -m scripts.compare --methods FT MiB PLOP --seeds 42 1 2 --out outputs/compare -- --dataset shapes
    python -m scripts.compare --methods FT MiB --grid loss_kd=1,10,100 lr=0.01,0.001 --val_share 0.2 -- ...

What follows `--` goes to every call of run.py. `--jobs 2` makes two runs at a time. The table grows with
every run that ends; what a run says is in OUT/output. Runs that are finished are not made again, so that an
interrupted comparison continues, and a method can be added later.

With `--grid` every method first runs with each combination of those flags that it knows, without the share
`--val_share` of the training images, and is tested on these (OUT/search). The values with the best mean over
seeds are then run on all training images, and tested on the test images. Values of several words, one per
step, are quoted: --grid lr="0.01 0.001,0.1 0.01".
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import argparser
from config import build
from config.flags import DEFAULTS
from config.parser import peek
from experiment.files import RunFiles
from methods import METHODS, method_named
from methods.build import step0_as
from metrics.filed import read_results
from scripts import search
from scripts.comparison_table import JOINT, Runs, differences, table
from scripts.side_by_side import Job, run_jobs
from utils.commands import answer
from utils.files import write_text


@dataclass
class Comparison(Job):
    """A run of the comparison: the row of the table that it is for, whose step 0 it trains, and its files."""

    row: tuple[str, search.Values] = ("", ())
    step0: tuple = ()
    files: RunFiles | None = None


def job(
    out: Path, name: str, seed: int, words: Sequence[str], others: Sequence[Job], values: search.Values = ()
) -> Job:
    """The run of one method with one seed; it waits for the step 0 of an other one that it may take over.

    Args:
        values: flags chosen for the method; they are part of the run's name.
    """
    task = ["--method", "FT", "--task", "offline"] if name == JOINT else ["--method", name]
    roots = {"checkpoint": "checkpoints", "results_dir": "results", "logdir": "logs", "cache_dir": "cache"}
    places = [word for flag, folder in roots.items() for word in (f"--{flag}", str(out / folder))]
    arguments = [*words, *task, "--seed", str(seed), *places, *search.words_of(values)]
    if values:
        given = peek([*words], "name").get("name", "")
        arguments += ["--name", "_".join(filter(None, [given, search.folder_name(values)]))]
    owner = JOINT if name == JOINT else step0_as(METHODS[name])
    matters = tuple(pair for pair in values if pair[0] in DEFAULTS or owner != "FT")
    log = "_".join(filter(None, [safe(name), search.folder_name(values), str(seed)]))
    title = ", ".join([name, *[search.in_words(values)] * bool(values), f"seed {seed}"])
    files = build.run_files(argparser.parse(arguments))
    made = Comparison(title, arguments, out / "output" / f"{log}.log", row=(name, values),
                      step0=(owner, seed, matters), files=files)  # fmt: skip
    made.after = next((other for other in others if other.step0 == made.step0), None)
    if made.after:
        made.there = made.after.files.checkpoint(0).is_file
    return made


def safe(name: str) -> str:
    """A method's name as part of a file's."""
    return name.replace("*", "_STAR")


def plan(out: Path, rows: Sequence[tuple[str, search.Values]], seeds: Sequence[int], words: Sequence[str]):
    """The jobs of every row with every seed; `out` is the folder of all."""
    planned: list[Comparison] = []
    for name, values in rows:
        planned += [job(out, name, seed, words, planned, values) for seed in seeds]
    return planned


def carry_out(planned: Sequence[Comparison], jobs: int, file: Path, *, note: str = "") -> dict:
    """Make the runs, print and write the table with each that ends; the results of every seed by row.

    Args:
        file: of the table. note: what stands under it.

    Raises:
        ValueError: if a run did not finish, after all others have.
    """
    done: dict[tuple[str, search.Values], list[list[dict]]] = {one.row: [] for one in planned}
    failed = []
    for one in run_jobs(planned, at_once=jobs, say=lambda words: print(words, flush=True)):
        if one.process.exitcode:
            failed.append(one)
            print(f"== {one.name} did not finish: see {one.log}", flush=True)
            continue
        done[one.row].append(read_results(one.files.results))
        text = table_of(done, note)
        write_text(file, text + "\n")
        left = len(planned) - sum(map(len, done.values())) - len(failed)
        print(f"\n{text}\n{left} of {len(planned)} runs left\n", flush=True)
    if failed:
        raise ValueError(
            f"{', '.join(one.name for one in failed)} did not finish: see {failed[0].log}; the same command "
            "continues, and repeats nothing that is done"
        )
    return done


def table_of(done: Mapping[tuple[str, search.Values], list[list[dict]]], note: str = "") -> str:
    """The tables of the runs that have ended, and the note under them."""
    several = len({name for name, _ in done}) < len(done)
    found: Runs = {
        f"{name}, {search.in_words(values)}" if several else name: seeds
        for (name, values), seeds in done.items()
        if seeds
    }
    return "\n\n".join(filter(None, [table(found), differences(found), note]))


def compare(out: Path, names: Sequence[str], seeds: Sequence[int], words: Sequence[str], jobs: int,
            grid: Mapping[str, Sequence[str]] | None = None, share: float = 0.0) -> None:  # fmt: skip
    """Choose the values of `grid` for every method, if there is one; then train all methods with every seed.

    Raises:
        ValueError: if a run did not finish, after all others have.
    """
    rows, note = [(name, ()) for name in names], ""
    if grid:
        tried = [(name, values) for name in names for values in search.combinations(grid, name)]
        held = [*words, "--val_share", str(share)]
        found = carry_out(plan(out / "search", tried, seeds, held), jobs, out / "search.md")
        chosen = search.choose(found)
        rows, note = [*chosen.items()], search.chosen_lines(found, chosen)
    carry_out(plan(out, rows, seeds, words), jobs, out / "table.md", note=note)


def main(argv: Sequence[str] | None = None) -> int:
    """The comparison on the command line; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--methods", nargs="+", default=[*METHODS, JOINT], help="default: all, and joint training"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[42], help="default: 42")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/compare"), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs beside each other, which divide the cores (default: 1)"
    )
    parser.add_argument(
        "--grid", nargs="+", default=[], metavar="FLAG=VALUE,VALUE", help="flags and values to choose from"
    )
    parser.add_argument(
        "--val_share", type=float, default=0.0, help="with --grid: share of the training images to choose on"
    )
    options = parser.parse_args(words[:split])

    def work() -> None:
        if options.jobs < 1:
            raise ValueError("--jobs must be at least 1")
        if options.grid and not 0 < options.val_share < 1:
            raise ValueError(
                "--grid needs a share of the training images to choose on, such as --val_share 0.2: the test "
                "images are for the values that were chosen"
            )
        if options.val_share and not options.grid:
            raise ValueError("--val_share is for --grid; runs without their share of images have it after --")
        names = [JOINT if name.lower() == JOINT else method_named(name) for name in options.methods]
        grid = search.read_grid(options.grid, names)
        compare(options.out, names, options.seeds, words[split + 1 :], options.jobs, grid, options.val_share)

    return answer("compare", work)


if __name__ == "__main__":
    sys.exit(main())
