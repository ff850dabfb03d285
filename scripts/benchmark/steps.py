"""Table `step`: whole training iterations, the shares of their parts, and the time before the first one."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dataset.transform import to_device
from methods import METHODS
from methods.build import build_method
from modules.precisions import PRECISIONS
from scripts.benchmark import data as benchmark_data
from scripts.benchmark import textbook
from scripts.benchmark.tools import Row, compare, in_turns, number, peak_rate
from segmentation_module import Parts
from tasks import Step
from train import Training, optimizer_step, start
from utils.compile import compile_network, use_compiled
from utils.losses.pixel_means import plain_means

NAMES = ("FT", "DFT*", "MiB", "PLOP")


class Bench:
    """Methods at step 1 of a task of two steps, and one batch, as a run would have them."""

    def __init__(
        self, parts: Parts, classes: tuple[int, int], *, size: int, images: int, device: torch.device
    ):
        self.parts, self.size, self.images, self.device = parts, size, images, device
        num_old, num_all = classes
        self.step = Step("bench", f"{num_old - 1}-{num_all - num_old}", 1,
                         (tuple(range(num_old)), tuple(range(num_old, num_all))))  # fmt: skip
        torch.manual_seed(0)
        pixels = torch.randint(256, (images, 3, size, size), dtype=torch.uint8)
        labels = torch.randint(num_old - 1, num_all, (images, size // 8, size // 8)).repeat_interleave(8, 1)
        labels = labels.repeat_interleave(8, 2)
        self.batch = pixels, labels.where(labels >= num_old, 0).byte()
        self.batch_sampler = self

    def __iter__(self) -> Iterator:
        yield self.batch

    def __len__(self) -> int:
        return 1

    def seek(self, epoch: int, batch: int, *, complete: bool = False) -> None:
        """There is one batch."""

    def method(
        self, name: str, *, fast: bool = True, channels_last: bool = True, previous: dict | None = None
    ):
        """At the start of step 1; norms of the teacher, and of a frozen network, are folded if `fast`.

        `previous` is the checkpoint of step 0, by default of a network with random weights.
        """
        torch.manual_seed(0)
        if previous is None:
            before = METHODS[name](self.step.at(0)).build_model(self.step.at(0), self.parts)
            previous = {"step": 0, "net": before.state_dict(), "method_state": {}}
        method = build_method(name, self.step, self.parts, hyper={}, training=Training(epochs=1, lr=1e-4),
                              device=self.device, previous=previous)  # fmt: skip
        if method.teacher is not None and not fast:
            teacher = method.build_model(self.step.at(0), self.parts)
            teacher.load_state_dict(previous["net"])
            method.teacher = teacher.eval().requires_grad_(False).to(self.device)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for net in filter(None, (method.net, method.teacher)):
            net.to(memory_format=layout)
        method.start_increment(self)
        method.net._folding &= fast
        method.net.train()
        return method

    def iteration(self, method, *, channels_last: bool = True) -> Callable[[], Tensor]:
        """One iteration of the trainer; returns the loss."""
        progress = start(method, method.training, batches=10**6, device=self.device)

        def run(images: Tensor = self.batch[0], labels: Tensor = self.batch[1]) -> Tensor:
            images, labels = to_device(images, labels, self.device)
            images = images if channels_last else images.contiguous()
            loss = sum(method.losses(images, labels).values())
            loss.backward()
            optimizer_step(method, progress)
            return loss.detach()

        return run


@contextmanager
def textbook_forms() -> Iterator[None]:
    """Inside, methods use the textbook forms of their losses."""

    def unbiased_losses(logits, old_logits, labels, *, alpha: float):
        unce = textbook.unbiased_cross_entropy(logits, labels, old_logits.shape[1])
        return unce, textbook.unbiased_distillation(logits, alpha * old_logits)

    def pod(old, new, factors, *, schedule: float):
        return schedule * textbook.pod(old, new, factors)

    with (
        patch("modules.head.pixel_means", plain_means),
        patch("methods.mib.pixel_means", plain_means),
        patch("methods.plop.pixel_means", plain_means),
        patch("methods.mib.unbiased_losses", unbiased_losses),
        patch("methods.plop.pod", pod),
    ):
        yield


def rows(bench: Bench, *, rounds: int, compiled: bool) -> list[Row]:
    """Every method's iteration against its textbook form, then DFT* against fine-tuning."""
    dtype = PRECISIONS[bench.parts.precision]
    rate = peak_rate(bench.device, dtype)
    classes, options = f"{bench.step.num_seen} classes", {"rounds": rounds, "images": bench.images}
    found, iterations = [], {}
    for name in NAMES:
        method = bench.method(name)
        if compiled:
            use_compiled()
            compile_network(method)
        plain, iterations[name] = bench.iteration(bench.method(name, fast=False)), bench.iteration(method)

        def in_textbook_form(plain=plain):
            with textbook_forms():
                return plain()

        row = compare(f"{name}, {classes}", in_textbook_form, iterations[name], bench.device, **options)
        with FlopCounterMode(display=False) as counter:
            iterations[name]()
        row.more |= shares(bench, method, rounds=rounds)
        row.more["utilisation"] = counter.get_total_flops() / (1e-3 * row.ours) / rate
        found.append(row)
    pair = iterations["FT"], iterations["DFT*"]
    row = compare(f"FT / DFT*, both ours, {classes}", *pair, bench.device, **options)
    row.error = float("nan")  # two methods, two losses
    use_compiled("")
    return [*found, row]


def shares(bench: Bench, method, *, rounds: int) -> dict[str, float]:
    """Shares of network, losses and optimizer in an iteration."""
    images, labels = to_device(*bench.batch, bench.device)
    progress = start(method, method.training, batches=10**6, device=bench.device)
    gradients = torch.randn_like(method.net(images).logits_small)

    def network():
        method.net(images).logits_small.backward(gradients)
        if method.teacher is not None:
            method.old(images)

    def whole():
        sum(method.losses(images, labels).values()).backward()

    network()
    runs = {"whole": whole, "network": network, "optimizer": lambda: move(method, progress)}
    times = {name: sorted(values)[len(values) // 2]
             for name, values in in_turns(runs, bench.device, rounds=rounds).items()}  # fmt: skip
    total = times["whole"] + times["optimizer"]
    return {
        "network": times["network"] / total,
        "loss": max(0.0, times["whole"] - times["network"]) / total,
        "optimizer": times["optimizer"] / total,
    }


def move(method, progress) -> None:
    """An optimizer step that keeps the gradients."""
    progress.optimizer.step()


def ladder(bench: Bench, *, rounds: int, compiled: bool) -> list[Row]:
    """Gains of layout, precision and compilation: iterations of fine-tuning against plain float32."""
    low = "bf16"
    variants = [("channels last", "fp32", True, False), (f"channels last, {low}", low, True, False)]
    if compiled:
        variants.append((f"channels last, {low}, compiled", low, True, True))
    found = []
    for name, precision, channels_last, fused in variants:
        pair = []
        for kind, last, compile_it in (("fp32", False, False), (precision, channels_last, fused)):
            other = Bench(
                Parts(bench.parts.backbone, bench.parts.output_stride, precision=kind),
                (bench.step.num_old, bench.step.num_seen), size=bench.size, images=bench.images,
                device=bench.device,
            )  # fmt: skip
            method = other.method("FT", channels_last=last)
            if compile_it:
                use_compiled()
                compile_network(method)
                use_compiled("")
            pair.append(other.iteration(method, channels_last=last))
        found.append(compare(f"FT, {name}", *pair, bench.device, rounds=rounds, images=bench.images))
    return found


def waiting(bench: Bench, *, workers: int) -> Row:
    """How long fine-tuning waits for its loader; the loss is read, as on a CPU, after every iteration."""
    iteration = bench.iteration(bench.method("FT"))
    return benchmark_data.waiting(
        lambda *batch: iteration(*batch).item(), size=bench.size, images=bench.images, workers=workers
    )


def start_up(bench: Bench) -> Row:
    """Time before the first batch of a step: imports in a process of their own, then building the network."""
    root = Path(__file__).resolve().parents[2]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import increments"], cwd=root, check=True)
    imported = time.perf_counter()
    bench.method("PLOP")
    built = time.perf_counter()
    seconds = {"imports s": imported - began, "networks s": built - imported}
    return Row("start-up of a step (wall time)", rate=f"{number(built - began)} s", more=seconds)
