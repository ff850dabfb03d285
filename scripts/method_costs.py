"""What a training iteration of each method costs relative to fine-tuning's, for the pages of the methods.

    OMP_NUM_THREADS=1 python -m scripts.method_costs              # about ten minutes on a core
    OMP_NUM_THREADS=1 python -m scripts.method_costs MiB PLOP     # only these, the others keep theirs

Each method takes turns with fine-tuning in one process, at step 1 after a step 0 of one iteration; CPU time
of one thread, so that what else runs on the machine counts little. Left out are methods that train no network
after step 0, those whose memory of images changes what an iteration sees, and those on a head of their own.
Writes scripts/method_costs.yaml, from which `python -m scripts.method_pages` takes the numbers.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from methods import METHODS, method_named
from methods.closed_form import ClosedForm
from methods.declared import heads_of
from methods.replay import Replay
from modules.heads import PUBLISHED
from scripts.benchmark.methods import trained
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import in_turns
from segmentation_module import Parts
from utils.files import write_text

FILE = Path(__file__).with_suffix(".yaml")
BACKBONE, CLASSES, SIZE, IMAGES, ROUNDS = "resnet50", (16, 21), 192, 2, 3
HOW = f"{BACKBONE}, {IMAGES} images of {SIZE} pixels, {CLASSES[0]} old of {CLASSES[1]} classes, fp32"
HEAD = f"""\
# Time of a training iteration over that of fine-tuning: median, least and most of {ROUNDS} rounds.
# {HOW}; CPU time of one thread. Written by python -m scripts.method_costs.
"""


def measurable() -> list[str]:
    """Methods whose iterations are alike in what they see, on the head that most of them have."""
    alike = {name: kind for name, kind in METHODS.items() if not issubclass(kind, (ClosedForm, Replay))}
    return [name for name, kind in alike.items() if name != "FT" and heads_of(name)[0] == PUBLISHED]


def costs(bench: Bench, name: str) -> list[float]:
    """Median, least and most of the method's time over fine-tuning's."""
    runs = {kind: bench.iteration(bench.method(kind, previous=trained(bench, kind))) for kind in ("FT", name)}
    times = in_turns(runs, bench.device, rounds=ROUNDS)
    ratios = [own / base for own, base in zip(times[name], times["FT"], strict=True)]
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def read_costs(path: Path | None = None) -> dict[str, list[float]]:
    """Median, least and most by method; {} without the file."""
    path = path or FILE
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m scripts.method_costs", description=about)
    parser.add_argument("methods", nargs="*", type=method_named, help="without: all that can be measured")
    names = parser.parse_args(arguments).methods or measurable()
    found = read_costs()
    for name in names:
        bench = Bench(Parts(BACKBONE), CLASSES, size=SIZE, images=IMAGES, device=torch.device("cpu"))
        found[name] = costs(bench, name)
        print(name, *found[name], flush=True)
        lines = [f"{key}: {value}\n" for key, value in sorted(found.items())]
        write_text(FILE, HEAD + "".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
