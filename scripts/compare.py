"""Compare methods: train each for every seed, share step 0 where methods train it alike, print one table.

    python -m scripts.compare --methods FT MiB PLOP --seeds 42 1 2 --out outputs/compare -- --dataset shapes

What follows `--` goes to every call of run.py. Runs that are finished are not made again, so that an
interrupted comparison continues, and a method can be added later.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import argparser
from config import build
from methods import METHODS, method_named
from metrics.results import read_results
from metrics.scores import average
from utils.commands import answer

ROOT = Path(__file__).resolve().parent.parent
JOINT = "joint"
COLUMNS = ("all", "old", "new", "forgetting", "s / step", "peak MB")


def numbers(results: list[dict], taught: dict[int, int]) -> list[float | None]:
    """The values of COLUMNS for one run; `taught` says at which step a class (by label) is taught in the
    task.

    mIoU in % after the last step, background among the old classes; forgetting is the mean over classes of
    the best earlier IoU minus the last, None after one step; seconds are the mean over the incremental steps;
    peak memory of the whole run.
    """
    last = results[-1]
    iou = {entry["label"]: entry["iou"] for entry in last["classes"]}
    groups = [list(iou), [k for k in iou if taught[k] == 0], [k for k in iou if taught[k] > 0]]
    shares = [average([iou[label] for label in group]) for group in groups]
    shares.append(last["over_steps"]["mean_forgetting"])
    seconds = mean(result["cost"]["seconds"] for result in results[1:] or results)
    peak = max(result["cost"]["peak_memory_bytes"] for result in results)
    return [*(None if share is None else 100 * share for share in shares), seconds, peak / 1e6]


def train(out: Path, name: str, seed: int, words: Sequence[str]) -> list[dict]:
    """Run one method with one seed; the results of its steps. `run.py` shares step 0 where methods train it
    alike.
    """
    task = ["--method", "FT", "--task", "offline"] if name == JOINT else ["--method", name]
    roots = {"checkpoint": "checkpoints", "results_dir": "results", "logdir": "logs", "cache_dir": "cache"}
    places = [word for flag, folder in roots.items() for word in (f"--{flag}", str(out / folder))]
    arguments = [*words, *task, "--seed", str(seed), *places]
    print(f"== {name}, seed {seed}", flush=True)
    if subprocess.run([sys.executable, str(ROOT / "run.py"), *arguments]).returncode:
        raise ValueError(f"{name} with seed {seed} did not finish: see above")
    return read_results(build.run_files(argparser.parse(arguments)).results)


def table(runs: dict[str, list[list[dict]]]) -> str:
    """Methods by numbers: mean over seeds and, of several, standard deviation; a dash where there is none."""
    example = next(seeds[0] for name, seeds in runs.items() if name != JOINT or len(runs) == 1)
    taught = {entry["label"]: entry["step"] for entry in example[-1]["classes"]}
    rows = [["method", *COLUMNS], ["---"] * (1 + len(COLUMNS))]
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
    options = parser.parse_args(words[:split])

    def work() -> None:
        names = [JOINT if name.lower() == JOINT else method_named(name) for name in options.methods]
        runs = {}
        for name in names:
            runs[name] = [train(options.out, name, seed, words[split + 1 :]) for seed in options.seeds]
        text = table(runs)
        (options.out / "table.md").write_text(text + "\n", encoding="utf-8")
        print(text)

    return answer("compare", work)


if __name__ == "__main__":
    sys.exit(main())
