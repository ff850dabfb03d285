"""Table `methods`: memory and time of an iteration of every method, beside fine-tuning's.

Each method runs in a process of its own, whose peak of memory is then the method's: networks, gradients,
optimizer and what the loss keeps, without the libraries. Fine-tuning takes turns with it there once the peak
is known, so that both times are of the same minutes. Closed-form methods have no iterations: theirs is the
pass over the same images that gathers the statistics of a later step.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from methods import METHODS
from methods.build import build_method
from methods.closed_form import ClosedForm
from methods.declared import heads_of
from modules.precisions import PRECISIONS
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import Row, in_turns, number
from segmentation_module import Parts
from train import Training

ROOT = Path(__file__).resolve().parents[2]
STATUS = Path("/proc/self/status")  # of Linux; its peak begins with this program, that of getrusage does not
REFERENCE = "FT"


def rows(parts: Parts, classes: tuple[int, int], *, size: int, images: int, rounds: int) -> list[Row]:
    """One row per method: milliseconds, peak MiB, and both as multiples of fine-tuning's.

    `scripts.method_pages` reads the column `more` of the table that stands in REPRODUCING.md.
    """
    found = []
    bench = Bench(parts, classes, size=size, images=images, device=torch.device("cpu"))
    for name in METHODS:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "step_0.pt"
            torch.save(trained(bench, name), file)
            words = [file, parts.backbone, parts.precision, *classes, size, images, rounds]
            command = [sys.executable, "-m", "scripts.benchmark.methods", name, *map(str, words)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
        values = json.loads(done.stdout.splitlines()[-1])
        row = Row(name, ours=values["ms"], peak=(float("nan"), values["MiB"]))
        row.rate = f"{number(1000 * images / values['ms'])} images/s"
        reference = found[0] if found else row
        row.more = values["times"] | {"memory": row.peak[1] / reference.peak[1]}
        found.append(row)
    return found


def trained(bench: Bench, name: str) -> dict:
    """The checkpoint of step 0 after one iteration of the method `name`: what its step 1 continues from."""
    first = on_its_head(bench, name)
    first.step = bench.step.at(0)
    first.batch = bench.batch[0], bench.batch[1] % first.step.num_seen
    method = build_method(name, first.step, first.parts, hyper={}, device=bench.device,
                          training=Training(epochs=1, lr=1e-4))  # fmt: skip
    method.net.train()
    if not method.fit_step(first):
        bench.iteration(method)(*first.batch)
    method.end_increment(first)
    return {"step": 0, "net": method.net.state_dict(), "method_state": method.state_dict()}


def on_its_head(bench: Bench, name: str) -> Bench:
    """The same for networks with the head that the method `name` takes unasked."""
    made = copy(bench)
    made.parts = replace(bench.parts, head_name=heads_of(name)[0])
    return made


def measure(bench: Bench, name: str, previous: dict, *, rounds: int) -> dict:
    """Peak MiB of the method `name`, milliseconds of its iteration, both as multiples of fine-tuning's."""
    before = peak_mib(bench.device)
    own = work(bench, name, previous)
    for _ in range(2):  # the first makes the optimizer's buffers
        own()
    peak = peak_mib(bench.device) - before
    times = in_turns({"own": own, "reference": work(bench, REFERENCE)}, bench.device, rounds=rounds)
    ratios = [one / reference for one, reference in zip(times["own"], times["reference"], strict=True)]
    times_of = {"time": median(ratios), "least": min(ratios), "most": max(ratios)}
    return {"ms": median(times["own"]), "times": times_of, "MiB": peak}


def work(bench: Bench, name: str, previous: dict | None = None) -> Callable[[], object]:
    """What is measured: an iteration of step 1, or the pass that gathers statistics."""
    bench = on_its_head(bench, name)
    method = bench.method(name, previous=previous)
    if isinstance(method, ClosedForm):
        return lambda: method.gather(bench)
    return bench.iteration(method)


def peak_mib(device: torch.device) -> float:
    """The most memory that this process has held, in MiB: on a GPU its tensors, else all of it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    if not STATUS.exists():
        return float("nan")
    fields = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
    return int(fields["VmHWM"].split()[0]) / 2**10


def main(argv: list[str] | None = None) -> None:
    """One method, for `rows`: prints what was measured as JSON."""
    parser = argparse.ArgumentParser(description="One row of the table `methods`.")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("previous", type=Path)
    parser.add_argument("backbone")
    parser.add_argument("precision", choices=PRECISIONS)
    for name in ("old", "classes", "size", "images", "rounds"):
        parser.add_argument(name, type=int)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = Parts(options.backbone, precision=options.precision)
    pair = options.old, options.classes
    bench = Bench(parts, pair, size=options.size, images=options.images, device=device)
    previous = torch.load(options.previous, weights_only=True)
    print(json.dumps(measure(bench, options.method, previous, rounds=options.rounds)))


if __name__ == "__main__":
    main()
