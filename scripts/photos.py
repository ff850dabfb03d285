"""Methods on real photographs: a network pre-trained on ImageNet learns the streets of CamVid in steps.

    python -m scripts.photos --data_root DIR            # every row of the table: 2 h on two cores
    python -m scripts.photos --data_root DIR --short    # fewer methods and epochs, smaller crops

`scripts/photos.sh` calls this after it has got weights and data. Runs that are finished are not made again,
one that was interrupted continues. The table grows with every run that ends.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import argparser
from config import build
from metrics.results import read_results
from metrics.scores import average
from scripts.compare import Comparison, safe
from scripts.comparison_table import JOINT, spread
from scripts.side_by_side import run_jobs
from utils.commands import answer
from utils.files import write_text

BACKBONE = "timm:tf_efficientnet_lite0"
PHOTOS = 367
# Optimizer and rates: the best on a fifth of the training photos that was held out; see REPRODUCING.md.
RATE, ROWS_RATE = "0.0005", "0.02"
WORDS = {  # of methods with more; DFT* without rows for later classes shares step 0 with the others
    "DFT*": ["--lr", RATE, ROWS_RATE, "--no_pre_allocate"],
    "RIDGE": ["--no_sgd", "--balance"],
}
STEP_0 = {"RIDGE": "RIDGE", JOINT: JOINT}  # whose step 0 it is, if not FT's
MORE = (
    "LWF",
    "ILT",
    "MiB+NeST",
    "PLOP+NeST",
    "MiB+EWF",
    "PLOP+EWF",
    "UCD",
    "REMINDER",
    "REPLAY",
    "EIR-softmax",
    "ALIFE",
)  # that share FT's step 0
# CPU seconds of one training image of fine-tuning at crop 192, as measured, and of others by that.
SECONDS, SHARE = 0.125, {"MiB": 1.4, "PLOP": 1.5, "DFT*": 0.4}
TEST_SECONDS = 0.05  # of one test image at crop 192
HEADS = ("method", "old -bg", "new", "all -bg", "all +bg", "forgetting", "CPU min later", "trainable %")


@dataclass(frozen=True)
class Series:
    """Runs that stand in one table: the same task and start. `seeds` are of each of the `methods`."""

    task: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    scratch: bool = False

    @property
    def title(self) -> str:
        """Its heading."""
        return f"CamVid {self.task}, {'from scratch' if self.scratch else 'pre-trained on ImageNet'}"


@dataclass(frozen=True)
class Plan:
    """What is run, in this order: side of the crops, epochs of step 0 and of later steps, and the series."""

    crop: int
    epochs: tuple[int, int]
    series: tuple[Series, ...]


SHORT = Plan(192, (2, 1), (Series("6-5", ("FT", "DFT*", "MiB"), (42,)),))
LONG = Plan(256, (8, 2), (
    Series("6-5", ("FT", "DFT*", "MiB", "RIDGE", "PLOP"), (42, 1, 2)),
    Series("6-5", (JOINT,), (42,)),
    Series("6-5", ("FT", "DFT*", "MiB", "PLOP"), (42, 1, 2), scratch=True),
    Series("6-1", ("FT", "DFT*", "RIDGE", "MiB"), (42,)),
    Series("6-5", MORE, (42,)),
))  # fmt: skip


def minutes(plan: Plan, series: Series, name: str, *, step_0: bool) -> float:
    """CPU minutes that a run takes; `step_0`: whether it trains its own."""
    area, (first, later) = (plan.crop / 192) ** 2, plan.epochs
    steps = 1 if series.task == "6-5" else 5
    trained = first * step_0 if name != JOINT else first
    trained += 0 if name == JOINT else later * steps * SHARE.get(name, 1.0)
    if name == "RIDGE":
        trained = 0.3 * (1 + steps)
    return area * (trained * PHOTOS * SECONDS + 233 * TEST_SECONDS * (1 + steps)) / 60


def planned(plan: Plan, out: Path, common: Sequence[str]) -> list[tuple[Series, Comparison]]:
    """Every run of the plan, in its order, with the series that it belongs to."""
    roots = {"checkpoint": "checkpoints", "results_dir": "results", "logdir": "logs", "cache_dir": "cache"}
    places = [word for flag, folder in roots.items() for word in (f"--{flag}", str(out / folder))]
    jobs: list[tuple[Series, Comparison]] = []
    for series in plan.series:
        start = ["--no_pretrained", "--name", "scratch"] if series.scratch else []
        for seed in series.seeds:
            for name in series.methods:
                task = ["FT", "--task", "offline"] if name == JOINT else [name, "--task", series.task]
                words = [*common, "--method", *task, "--seed", str(seed), *start, *places]
                words += WORDS.get(name, ["--lr", RATE])
                epochs = plan.epochs[:1] if name == JOINT else plan.epochs
                words += ["--crop_size", str(plan.crop), "--epochs", *map(str, epochs)]
                owner = f"{STEP_0.get(name, 'FT')}{'-scratch' * series.scratch}", seed
                first = next((job for _, job in jobs if job.step0 == owner), None)
                about = minutes(plan, series, name, step_0=first is None)
                title = f"{series.title}, {name}, seed {seed}: about {max(1, round(about))} CPU minutes"
                log = f"{series.task}_{safe(name)}_{'scratch_' * series.scratch}{seed}.log"
                made = Comparison(title, words, out / "output" / log, row=(name, ()), step0=owner,
                                  files=build.run_files(argparser.parse(words)), after=first)  # fmt: skip
                if first:
                    made.there = first.files.checkpoint(0).is_file
                jobs.append((series, made))
    return jobs


# -- the table -----------------------------------------------------------------------------------------
def numbers(results: list[dict], taught: dict[str, int]) -> list[float | None]:
    """Values of HEADS after the method's name; `taught` is the step that teaches each class, background 0.

    mIoU in % after the last step; old -bg: classes of step 0 without background; CPU minutes of later steps.
    """
    last, later = results[-1], results[1:]
    iou = {entry["name"]: entry["iou"] for entry in last["classes"]}
    background, *names = iou
    groups = [
        [name for name in names if taught[name] == 0],
        [name for name in names if taught[name] > 0],
        names,
        [background, *names],
    ]
    shares = [average([iou[name] for name in group]) for group in groups]
    spent = [one["cost"].get("cpu_seconds") for one in later]
    over = last["over_steps"]
    return [
        *(None if share is None else 100 * share for share in shares),
        None if over["mean_forgetting"] is None else 100 * over["mean_forgetting"],
        sum(spent) / 60 if spent and None not in spent else None,
        over["trainable_percent"],
    ]


def tables(jobs: Sequence[tuple[Series, Comparison]]) -> str:
    """A table per task and start of the runs that are finished."""
    found: dict[Series, dict[str, list[list[dict]]]] = {}
    for series, job in jobs:
        results = read_results(job.files.results) if job.files.results.is_dir() else []
        if results and len(results) == results[-1]["num_steps"]:
            found.setdefault(replace(series, methods=(), seeds=()), {}).setdefault(job.row[0], []).append(
                results
            )
    parts = []
    for series, runs in found.items():
        example = next((seeds[0][-1] for name, seeds in runs.items() if name != JOINT), None)
        if example is None:
            continue
        taught = {entry["name"]: entry["step"] for entry in example["classes"]}
        rows = [HEADS, ["---"] * len(HEADS)]
        for name, seeds in runs.items():
            values = zip(*(numbers(results, taught) for results in seeds), strict=True)
            several = f" ({len(seeds)} seeds)" if len(seeds) > 1 else ""
            rows.append(
                [
                    name + several,
                    *(spread(value, 3 if k == 6 else 1) for k, value in enumerate(values)),
                ]
            )
        parts.append("\n".join([f"{series.title}\n", *(f"| {' | '.join(row)} |" for row in rows)]))
    return "\n\n".join(parts)


def run_all(plan: Plan, out: Path, common: Sequence[str], at_once: int) -> None:
    """Make every run that is not finished, and print and write the table after each.

    Raises:
        ValueError: if a run did not finish, after all others have.
    """
    jobs = planned(plan, out, common)
    failed = []
    for one in run_jobs(
        [job for _, job in jobs], at_once=at_once, say=lambda words: print(words, flush=True)
    ):
        if one.process.exitcode:
            failed.append(one)
            print(f"== {one.name} did not finish: see {one.log}", flush=True)
            continue
        text = tables(jobs)
        write_text(out / "table.md", text + "\n")
        print(f"\n{text}\n", flush=True)
    if failed:
        raise ValueError(f"{failed[0].name} did not finish: see {failed[0].log}; the same command continues")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.photos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_root", required=True, help="folder of CamVid, see python -m data.prepare camvid"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/photos"), help="folder (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs beside each other (default: 2)")
    parser.add_argument("--short", action="store_true", help="the small version")
    parser.add_argument("--plan", action="store_true", help="print what would be run, with minutes, and stop")
    options = parser.parse_args(argv)
    common = ["--dataset", "data/camvid.yaml", "--data_root", options.data_root, "--backbone", BACKBONE,
              "--batch_size", "4", "--num_workers", "0", "--recipe", "none",
              "--optimizer", "adamw"]  # fmt: skip

    def work() -> None:
        if options.jobs < 1:
            raise ValueError("--jobs must be at least 1")
        plan = SHORT if options.short else LONG
        if options.plan:
            return print("\n".join(job.name for _, job in planned(plan, options.out, common)))
        run_all(plan, options.out, common, options.jobs)

    return answer("photos", work)


if __name__ == "__main__":
    sys.exit(main())
