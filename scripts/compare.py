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

from methods import METHODS, method_named
from metrics.results import read_results
from tasks import Step
from utils.commands import answer

ROOT = Path(__file__).resolve().parent.parent
JOINT = "joint"
COLUMNS = {
    "all": lambda results: 100 * results[-1]["scores"]["miou_all"],
    "old": lambda results: 100 * results[-1]["scores"]["miou_old"],
    "new": lambda results: 100 * (results[-1]["scores"]["miou_new"] or 0),
    "forgetting": lambda results: 100 * (results[-1]["over_steps"]["mean_forgetting"] or 0),
    "s / step": lambda results: mean(result["cost"]["seconds"] for result in results[1:] or results),
    "peak MB": lambda results: max(result["cost"]["peak_memory_bytes"] for result in results) / 1e6,
}


def shares_step0(name: str) -> bool:
    """Whether the method trains its step 0 as fine-tuning does."""
    method = METHODS[name](Step("", "", 0, ((0, 1), (2,))))
    return method.shared_step0 == METHODS["FT"].shared_step0


def run_folders(out: Path, name: str, seed: int) -> tuple[Path, Path]:
    """Roots of checkpoints and results of one run."""
    place = out / name.replace("*", "_STAR") / f"seed{seed}"
    return place / "checkpoints", place / "results"


def train(out: Path, name: str, seed: int, words: Sequence[str]) -> list[dict]:
    """Run one method with one seed, from fine-tuning's step 0 where it may; the results of its steps."""
    checkpoints, results = run_folders(out, name, seed)
    joint = name == JOINT
    command = [sys.executable, str(ROOT / "run.py"), *words, "--seed", str(seed)]
    command += ["--method", "FT", "--task", "offline"] if joint else ["--method", name]
    command += [
        "--checkpoint",
        str(checkpoints),
        "--results_dir",
        str(results),
        "--logdir",
        str(out / "logs"),
    ]
    base = next(run_folders(out, "FT", seed)[0].rglob("step_0.pt"), None)
    if not joint and name != "FT" and base and shares_step0(name):
        command += ["--step_ckpt", str(base)]
    print(f"== {name}, seed {seed}", flush=True)
    if subprocess.run(command).returncode:
        raise ValueError(f"{name} with seed {seed} did not finish: see above")
    return read_results(next(results.rglob("step_0.json")).parent)


def table(runs: dict[str, list[list[dict]]]) -> str:
    """Methods by numbers: mean over seeds, and standard deviation where there are several."""
    rows = [["method", *COLUMNS]]
    for name, seeds in runs.items():
        cells = []
        for column in COLUMNS.values():
            values = [column(results) for results in seeds]
            spread = f" +- {stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.1f}{spread}")
        rows.append([name, *cells])
    rows.insert(1, ["---"] * len(rows[0]))
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
        names.sort(key=lambda name: name != "FT")  # its step 0 serves others
        runs = {}
        for name in names:
            runs[name] = [train(options.out, name, seed, words[split + 1 :]) for seed in options.seeds]
        text = table(runs)
        (options.out / "table.md").write_text(text + "\n", encoding="utf-8")
        print(text)

    return answer("compare", work)


if __name__ == "__main__":
    sys.exit(main())
