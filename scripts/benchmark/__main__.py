"""Speed and memory of this framework's implementations against textbook forms of the same mathematics.

    python -m scripts.benchmark all                            # a few minutes on a CPU
    python -m scripts.benchmark loss --classes 21 151 --compile
    python -m scripts.benchmark step --backbone resnet101 --size 512 --batch 24 --precision bf16 --compile
    python -m scripts.benchmark all --json figures.json
    python -m scripts.benchmark methods --classes 21           # each in a process of its own: half an hour
    python -m scripts.benchmark heads                          # masks beside pixels, at 128 and 512 pixels
    python -m scripts.benchmark runs --against ../older        # whole commands: ten minutes

On a GPU (the first one that PyTorch sees) sizes default to 512 pixels and 24 images in bf16. Both forms take
turns in one process; a row has the medians over the rounds, the median of the rounds' ratios, and how far the
two results are from each other. CPU rows count the CPU time of one thread.
"""

import argparse
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")
import torch

from models import BACKBONES
from modules.precisions import PRECISIONS
from scripts.benchmark import data as benchmark_data
from scripts.benchmark import eval as benchmark_eval
from scripts.benchmark import files as benchmark_files
from scripts.benchmark import heads as benchmark_heads
from scripts.benchmark import losses as benchmark_losses
from scripts.benchmark import methods as benchmark_methods
from scripts.benchmark import norm as benchmark_norm
from scripts.benchmark import products as benchmark_products
from scripts.benchmark import runs as benchmark_runs
from scripts.benchmark import steps as benchmark_steps
from scripts.benchmark.tools import Row, plain_types, table
from segmentation_module import Parts

SECTIONS = ("data", "files", "loss", "step", "eval", "norm")
LONG = ("heads", "methods", "runs")  # which `all` leaves out
OLD = {21: 16, 151: 101}  # old classes of the published tasks 15-1 and 100-10


def parse(argv: list[str] | None) -> argparse.Namespace:
    """What to measure; sizes that were not given depend on the device."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = f"all: but {', '.join(LONG)}"
    parser.add_argument("section", choices=(*SECTIONS, *LONG, "all"), help=words)
    parser.add_argument("--backbone", default="resnet101", choices=tuple(BACKBONES))
    parser.add_argument("--classes", type=int, nargs="+", default=(21, 151), help="all classes, old and new")
    parser.add_argument("--size", type=int, help="side of the images (CPU: 512, and 128 in whole iterations)")
    parser.add_argument("--batch", type=int, help="images (CPU: 1, and 2 in whole iterations)")
    parser.add_argument("--rounds", type=int, help="(CPU: 3, GPU: 20)")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), help="of the network (CPU: fp32)")
    parser.add_argument("--compile", action="store_true", help="compile losses and networks")
    parser.add_argument("--against", default="", help="`runs`: another checkout whose commands take turns")
    parser.add_argument("--json", default="", help="also write the rows to this file")
    return parser.parse_args(argv)


def measure(section: str, options: argparse.Namespace, device: torch.device) -> list[Row]:
    """Rows of one table."""
    cuda = device.type == "cuda"
    rounds = options.rounds or (20 if cuda else 3)
    size, images = options.size or 512, options.batch or (24 if cuda else 1)
    iteration = options.size or (512 if cuda else 128), options.batch or (24 if cuda else 2)
    classes = [(OLD.get(number, max(1, number * 3 // 4)), number) for number in options.classes]
    if section == "runs":
        return benchmark_runs.rows(rounds=rounds, against=options.against)
    if section == "data":
        return benchmark_data.rows(size=size, rounds=rounds)
    if section == "files":
        return benchmark_files.rows(rounds=rounds)
    if section == "loss":
        return [
            row
            for pair in classes
            for row in benchmark_losses.rows(pair, size=size, images=images, device=device,
                                             rounds=rounds, compiled=options.compile)
        ]  # fmt: skip
    parts = Parts(options.backbone, precision=options.precision or ("bf16" if cuda else "fp32"))
    found = []
    if section == "methods":
        sizes = {"size": iteration[0], "images": iteration[1], "rounds": rounds}
        return [row for pair in classes for row in benchmark_methods.rows(parts, pair, **sizes)]
    if section == "heads":
        bench = benchmark_steps.Bench(parts, classes[0], size=size, images=iteration[1], device=device)
        return benchmark_heads.rows(bench, options.size, rounds=rounds)
    for pair in classes:
        bench = benchmark_steps.Bench(parts, pair, size=iteration[0], images=iteration[1], device=device)
        if section == "eval":
            found += benchmark_eval.rows(bench, rounds=rounds)
        elif section == "step":
            found += benchmark_steps.rows(bench, rounds=rounds, compiled=options.compile)
            found += [] if cuda else benchmark_products.rows(bench, rounds=rounds)
    if section == "step":
        found += benchmark_steps.ladder(bench, rounds=rounds, compiled=options.compile)
        workers = min(2 if not cuda else 8, os.cpu_count() or 1)
        found += [benchmark_steps.waiting(bench, workers=workers), benchmark_steps.start_up(bench)]
    if section == "norm":
        found = benchmark_norm.rows(options.backbone, size=iteration[0], images=iteration[1], device=device,
                                    precision=parts.precision, rounds=rounds)  # fmt: skip
    return found


def main(argv: list[str] | None = None) -> None:
    """The command line: measure, print, and write the JSON file."""
    options = parse(argv)
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
    about = {"machine": machine, "torch": torch.__version__, "options": vars(options)}
    print(f"{machine}, torch {torch.__version__}, one thread")
    results = {}
    for section in SECTIONS if options.section == "all" else (options.section,):
        results[section] = measure(section, options, device)
        print(f"\n## {section}\n{table(results[section])}", flush=True)
    if options.json:
        content = about | {"tables": {name: plain_types(rows) for name, rows in results.items()}}
        Path(options.json).write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
