"""Compare methods: train each for every seed, share step 0 where methods train it alike, print one table.

    python -m scripts.compare --methods FT MiB PLOP --seeds 42 1 2 --out outputs/compare -- --dataset shapes

What follows `--` goes to every call of run.py. `--jobs 2` makes two runs at a time. The table grows with
every run that ends; what a run says is in OUT/output. Runs that are finished are not made again, so that an
interrupted comparison continues, and a method can be added later.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import argparser
from config import build
from experiment.files import RunFiles
from methods import METHODS, method_named
from methods.build import step0_as
from metrics.filed import read_results
from metrics.numbers import average
from scripts.side_by_side import Job, run_jobs
from utils.commands import answer
from utils.files import write_text

JOINT = "joint"
COLUMNS = ("all+bg", "old+bg", "new", "forgetting", "s / step", "peak MB")


def numbers(results: list[dict], taught: dict[int, int]) -> list[float | None]:
    """The values of COLUMNS for one run; `taught` says at which step a class (by label) is taught in the
    task, and is empty while nobody knows.

    mIoU in % after the last step, background, if there is one, among the old classes; forgetting is the mean
    over classes of the best earlier IoU minus the last, None after one step; seconds are the mean over the
    incremental steps; peak memory of the whole run.
    """
    last = results[-1]
    iou = {entry["label"]: entry["iou"] for entry in last["classes"]}
    groups = [list(iou), [k for k in iou if taught.get(k) == 0], [k for k in iou if taught.get(k, 0) > 0]]
    shares = [average([iou[label] for label in group]) for group in groups]
    shares.append(last["over_steps"]["mean_forgetting"])
    seconds = mean(result["cost"]["seconds"] for result in results[1:] or results)
    peak = max(result["cost"]["peak_memory_bytes"] for result in results)
    return [*(None if share is None else 100 * share for share in shares), seconds, peak / 1e6]


def job(out: Path, name: str, seed: int, words: Sequence[str], others: Sequence[Job]) -> Job:
    """The run of one method with one seed; it waits for the step 0 of an other one that it may take over."""
    task = ["--method", "FT", "--task", "offline"] if name == JOINT else ["--method", name]
    roots = {"checkpoint": "checkpoints", "results_dir": "results", "logdir": "logs", "cache_dir": "cache"}
    places = [word for flag, folder in roots.items() for word in (f"--{flag}", str(out / folder))]
    arguments = [*words, *task, "--seed", str(seed), *places]
    owner = JOINT if name == JOINT else step0_as(METHODS[name])
    made = Comparison(f"{name}, seed {seed}", arguments, out / "output" / f"{safe(name)}_{seed}.log",
                      method=name, step0=(owner, seed), files=build.run_files(argparser.parse(arguments)))
    made.after = next((other for other in others if other.step0 == made.step0), None)
    if made.after:
        made.there = made.after.files.checkpoint(0).is_file
    return made


def safe(name: str) -> str:
    """A method's name as part of a file's."""
    return name.replace("*", "_STAR")


@dataclass
class Comparison(Job):
    """A run of the comparison: its method, whose step 0 it trains with which seed, and its files."""

    method: str = ""
    step0: tuple[str, int] = ("", 0)
    files: RunFiles | None = None


def compare(out: Path, names: Sequence[str], seeds: Sequence[int], words: Sequence[str], jobs: int) -> str:
    """Train every method with every seed and return the table; `out`/table.md grows with every run.

    Raises:
        ValueError: if a run did not finish, after all others have.
    """
    planned: list[Comparison] = []
    for name in names:
        planned += [job(out, name, seed, words, planned) for seed in seeds]
    done: dict[str, list[list[dict]]] = {name: [] for name in names}
    failed, text = [], ""
    for one in run_jobs(planned, at_once=jobs, say=lambda words: print(words, flush=True)):
        if one.process.exitcode:
            failed.append(one)
            print(f"== {one.name} did not finish: see {one.log}", flush=True)
            continue
        done[one.method].append(read_results(one.files.results))
        text = table({name: runs for name, runs in done.items() if runs})
        write_text(out / "table.md", text + "\n")
        left = len(planned) - sum(map(len, done.values())) - len(failed)
        print(f"\n{text}\n{left} of {len(planned)} runs left\n", flush=True)
    if failed:
        raise ValueError(
            f"{', '.join(one.name for one in failed)} did not finish: see {failed[0].log}; the same command "
            "continues, and repeats nothing that is done"
        )
    return text


def table(runs: dict[str, list[list[dict]]]) -> str:
    """Methods by numbers (+bg: background counts): mean over seeds and, of several, standard deviation; "-"
    where there is none.
    """
    example = next((seeds[0][-1] for name, seeds in runs.items() if name != JOINT), None)
    taught = {entry["label"]: entry["step"] for entry in example["classes"]} if example else {}
    last = next(iter(runs.values()))[0][-1]
    heads = [head if last["has_background"] else head.removesuffix("+bg") for head in COLUMNS]
    rows = [["method", *heads], ["---"] * (1 + len(COLUMNS))]
    for name, seeds in runs.items():
        cells = []
        for values in zip(*(numbers(results, taught) for results in seeds), strict=True):
            spread = f" +- {stdev(values):.1f}" if len(values) > 1 and None not in values else ""
            cells.append("-" if None in values else f"{mean(values):.1f}{spread}")
        rows.append([name, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


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
    options = parser.parse_args(words[:split])

    def work() -> None:
        if options.jobs < 1:
            raise ValueError("--jobs must be at least 1")
        names = [JOINT if name.lower() == JOINT else method_named(name) for name in options.methods]
        compare(options.out, names, options.seeds, words[split + 1 :], options.jobs)

    return answer("compare", work)


if __name__ == "__main__":
    sys.exit(main())
