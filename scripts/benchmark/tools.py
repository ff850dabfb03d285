"""Tools of the benchmark: interleaved measurements of pairs, and their tables."""

import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class Row:
    """One row: the textbook form against ours, interleaved in the same run.

    Attributes:
        name: what is computed. plain, ours: median milliseconds; CPU time on a CPU, else by CUDA events.
        ratio: median of the rounds' plain / ours. spread: least and greatest of them.
        error: greatest relative distance of two results that should be the same. kept: MiB that each form
            keeps for its backward pass. peak: MiB that each form takes at most on the GPU. rate: of ours,
            with its unit. more: anything else, by name.
    """

    name: str
    plain: float = float("nan")
    ours: float = float("nan")
    ratio: float = float("nan")
    spread: tuple[float, float] = (float("nan"), float("nan"))
    error: float = float("nan")
    kept: tuple[float, float] = (float("nan"), float("nan"))
    peak: tuple[float, float] = (float("nan"), float("nan"))
    rate: str = ""
    more: dict[str, float] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """The row as text, a dash for what was not measured."""
        cells = [self.name, number(self.plain), number(self.ours), number(self.ratio)]
        cells += [f"{number(self.spread[0])}..{number(self.spread[1])}", number(self.error)]
        cells += [f"{number(pair[0])} / {number(pair[1])}" for pair in (self.kept, self.peak)]
        return [*cells, self.rate or "-", ", ".join(f"{k} {number(v)}" for k, v in self.more.items()) or "-"]


HEADER = ["", "plain ms", "ours ms", "ratio", "range", "error", "kept MiB", "peak MiB", "ours", "more"]


def number(value: float) -> str:
    """Three digits; a dash for what was not measured."""
    return "-" if value != value else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    """Markdown; columns in which nothing was measured are left out."""
    lines = [HEADER, *(row.cells() for row in rows)]
    shown = [c for c in range(len(HEADER)) if c == 0 or any(set(line[c]) - set("- /.") for line in lines[1:])]
    lines = [[line[c] for c in shown] for line in lines]
    widths = [max(len(line[c]) for line in lines) for c in range(len(shown))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines]  # fmt: skip
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def plain_types(rows: list[Row]) -> list[dict]:
    """The rows in JSON types: None for what was not measured."""

    def clean(value):
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [clean(one) for one in value]
        return None if value != value else value

    return [clean(asdict(row)) for row in rows]


def milliseconds(run: Callable[[], object], device: torch.device) -> float:
    """One call: CPU time of this process, or the GPU's time between two events."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)
    began = time.process_time()
    run()
    return 1000 * (time.process_time() - began)


def in_turns(runs: dict[str, Callable], device: torch.device, *, rounds: int, warm_up: int = 1) -> dict:
    """Milliseconds of every round of every run, {name: [...]}; each round runs all of them."""
    for _ in range(warm_up):
        for run in runs.values():
            run()
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(milliseconds(run, device))
    return times


def compare(
    name: str, plain: Callable, ours: Callable, device: torch.device, *, rounds: int, images: int = 0
) -> Row:
    """Measure both, and how far their results (tensors, or sequences of them) are from each other.

    `images` is how many one call works on; the rate is ours.
    """
    try:
        want = plain()
    except torch.OutOfMemoryError:  # which full-size logits of many classes may well be
        return Row(name, ours=statistics.median(in_turns({"": ours}, device, rounds=rounds)[""]))
    error = distance(want, ours())
    times = in_turns({"plain": plain, "ours": ours}, device, rounds=rounds, warm_up=0)
    ratios = [a / max(b, 1e-6) for a, b in zip(times["plain"], times["ours"], strict=True)]
    middle = {form: statistics.median(values) for form, values in times.items()}
    ratio = statistics.median(ratios)
    row = Row(name, middle["plain"], middle["ours"], ratio, (min(ratios), max(ratios)), error)
    if images:
        row.rate = f"{number(1000 * images / middle['ours'])} images/s"
    if device.type == "cuda":
        row.peak = tuple(peak_bytes(run) / 2**20 for run in (plain, ours))
    return row


def distance(a, b) -> float:
    """Greatest relative distance (2-norms) of two tensors, or of the pairs of two sequences of them."""
    if isinstance(a, Tensor):
        a, b = a.detach().double(), b.detach().double()
        return ((a - b).norm() / a.norm().clamp(min=1e-30)).item()
    return max((distance(x, y) for x, y in zip(a, b, strict=True)), default=float("nan"))


class Kept:
    """Placeholder of a saved tensor in a graph."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor


def kept_bytes(forward: Callable[[], object]) -> float:
    """Bytes that autograd holds for the backward pass of what `forward` returns, each storage once."""
    alive = weakref.WeakSet()

    def note(tensor: Tensor) -> Kept:
        alive.add(kept := Kept(tensor.detach()))  # its graph would hold itself
        return kept

    with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept.tensor):
        _result = forward()  # holds its graph, and that what still counts
    storages = [kept.tensor.untyped_storage() for kept in alive]
    return float(sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))


def peak_bytes(run: Callable[[], object]) -> float:
    """GPU memory that `run` takes at most beyond what was taken before."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


def peak_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of large matrix products on this device, now: the reference of the utilisation.

    On a CPU also of a convolution, which may run twice as fast as the matrix product.
    """
    flops, runs = {}, {}
    for side in (8192,) if device.type == "cuda" else (512, 1024):
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        flops[f"product {side}"], runs[f"product {side}"] = 2 * side**3, partial(torch.matmul, a, b)
    if device.type == "cpu":
        channels, side = 256, 32
        shapes = (1, channels, side, side), (channels, channels, 3, 3)
        x, w = (torch.randn(shape).to(dtype, memory_format=torch.channels_last) for shape in shapes)
        flops["convolution"] = 2 * w.numel() * side**2
        runs["convolution"] = partial(F.conv2d, x, w, padding=1)
    times = in_turns(runs, device, rounds=5, warm_up=2)
    return max(flops[name] / (1e-3 * min(values)) for name, values in times.items())
