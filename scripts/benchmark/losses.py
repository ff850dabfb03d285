"""Table `loss`: losses, pseudo-labels, POD, NeST's selection; forward and backward from small logits."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.benchmark import textbook
from scripts.benchmark.tools import Row, compare, in_turns, kept_bytes
from utils.compile import use_compiled
from utils.labels import IGNORE
from utils.losses import pixelwise as losses
from utils.losses.pixel_means import pixel_means
from utils.losses.pod import pod
from utils.losses.pseudo_labels import entropy_scores_of_small, pseudo_labels
from utils.losses.weight_transfer import count_votes

STRIDE = 16
WIDTHS = ((256, 4), (512, 8), (1024, 16), (2048, 16), (256, 16))  # ResNet-101's maps: channels, stride


class Graded:
    """A call returns the value of `loss` and its gradients by `inputs`; `forward` the value with a graph."""

    def __init__(self, loss: Callable[..., Tensor], inputs: list[Tensor]):
        self.loss, self.inputs = loss, inputs

    def forward(self) -> Tensor:
        """The value alone."""
        return self.loss(*(tensor.detach().requires_grad_() for tensor in self.inputs))

    def __call__(self) -> tuple[Tensor, ...]:
        inputs = [tensor.detach().requires_grad_() for tensor in self.inputs]
        value = self.loss(*inputs)
        return value.detach(), *torch.autograd.grad(value, inputs)


class Batch:
    """Small logits of student and teacher, labels; the same numbers on every call."""

    def __init__(self, num_old: int, num_all: int, *, size: int, images: int, device: torch.device):
        self.num_old, self.num_all = num_old, num_all
        self.size, self.images, self.device = size, images, device
        torch.manual_seed(0)
        side = -(-size // STRIDE)
        self.logits = 3 * torch.randn(images, num_all, side, side, device=device)
        self.old_logits = 3 * torch.randn(images, num_old, side, side, device=device)
        self.labels = torch.randint(num_old - 1, num_all, (images, size, size), device=device)
        self.labels.masked_fill_(self.labels < num_old, 0)[:, : size // 8] = IGNORE

    def pair(self, plain_maps: Callable, maps: Callable, *, teacher: bool = True) -> tuple[Graded, Graded]:
        """The summed terms and their gradient by the small logits, in the textbook form and in ours."""
        others = [self.old_logits] if teacher else []

        def by(means: Callable, maps: Callable) -> Graded:
            return Graded(lambda small: sum(means(maps, [small, *others], [self.labels])), [self.logits])

        return by(self.at_once, plain_maps), by(pixel_means, maps)

    def at_once(self, maps: Callable, small: list[Tensor], others: list[Tensor]) -> list[Tensor]:
        """Means of all terms, from logits of full size."""
        terms = maps(*(self.full(x) for x in small), *others)
        return [term.mean() for term in (terms if isinstance(terms, tuple) else (terms,))]

    def full(self, logits: Tensor) -> Tensor:
        """Up-sampled to the images' size."""
        return F.interpolate(logits, size=(self.size, self.size), mode="bilinear", align_corners=False)


def rows(classes: tuple[int, int], *, size: int, images: int, device: torch.device, rounds: int,
         compiled: bool) -> list[Row]:  # fmt: skip
    """All losses with `classes` = (old, all)."""
    batch = Batch(*classes, size=size, images=images, device=device)
    pairs = {
        "CE": batch.pair(textbook.cross_entropy, losses.cross_entropy, teacher=False),
        "UNCE + UNKD (MiB)": batch.pair(*unbiased(batch.num_old)),
        "CE + KD (LwF)": batch.pair(*with_distillation()),
        "BCE (LwF-MC, EIR)": batch.pair(
            textbook.binary_cross_entropy, losses.binary_cross_entropy, teacher=False
        ),
        "pseudo-labels (PLOP)": pseudo(batch),
        "local POD (PLOP)": maps_pair(batch),
        "selection (NeST)": selection(batch),
    }
    found = []
    for name, (plain, ours) in pairs.items():
        row = compare(f"{name}, {batch.num_all} classes", plain, ours, device, rounds=rounds, images=images)
        if isinstance(ours, Graded):
            row.kept = tuple(kept_bytes(form.forward) / 2**20 for form in (plain, ours))
        if compiled and "NeST" not in name:
            use_compiled()
            ours()
            times = in_turns({"plain": plain, "ours": ours}, device, rounds=rounds, warm_up=0)
            use_compiled("")
            ratios = sorted(a / b for a, b in zip(times["plain"], times["ours"], strict=True))
            row.more["compiled ratio"] = ratios[len(ratios) // 2]
        found.append(row)
    return found


def unbiased(num_old: int) -> tuple[Callable, Callable]:
    """MiB's two terms, summed."""

    def plain(logits, old_logits, labels):
        unce = textbook.unbiased_cross_entropy(logits, labels, num_old)
        return unce, textbook.unbiased_distillation(logits, old_logits)

    return plain, losses.unbiased_losses


def with_distillation() -> tuple[Callable, Callable]:
    """LwF's two terms, summed."""

    def plain(logits, old_logits, labels):
        return textbook.cross_entropy(logits, labels), textbook.distillation(logits, old_logits)

    def ours(logits, old_logits, labels):
        return losses.cross_entropy(logits, labels), losses.knowledge_distillation(logits, old_logits)

    return plain, ours


def pseudo(batch: Batch) -> tuple[Callable, Callable]:
    """Relabelled background, from the teacher's small logits."""
    thresholds = torch.full((batch.num_all,), 0.3 / batch.num_old, device=batch.device)

    def plain():
        full = batch.full(batch.old_logits)
        return textbook.pseudo_labels(full, batch.labels, thresholds, batch.num_all)

    def ours():
        scores = entropy_scores_of_small(batch.old_logits, (batch.size, batch.size), batch.num_all)
        return pseudo_labels(batch.labels, *scores, thresholds=thresholds, num_old=batch.num_old)[0]

    return plain, ours


def maps_pair(batch: Batch) -> tuple[Graded, Graded]:
    """POD over all maps of a ResNet-101, and its gradients."""
    sides = [(channels, -(-batch.size // stride)) for channels, stride in WIDTHS]
    old = [torch.randn(batch.images, c, side, side, device=batch.device) for c, side in sides]
    new = [maps + 0.1 * torch.randn_like(maps) for maps in old]
    old, new = [*old, batch.old_logits], [*new, batch.logits]
    factors = [0.01] * len(sides) + [0.0005]
    return (
        Graded(lambda *new: textbook.pod(old, new, factors), new),
        Graded(lambda *new: pod(old, new, factors), new),
    )


def selection(batch: Batch) -> tuple[Callable, Callable]:
    """Votes of one new class's pixels for weights; as many pixels as the textbook form has memory for."""
    channels = 256
    points = min(128 * 128, 2**26 // (channels * batch.num_old))
    weight = torch.randn(batch.num_old, channels, device=batch.device)
    features = torch.randn(channels, points, device=batch.device)
    p = torch.randn(batch.num_old, points, device=batch.device).softmax(0)
    new = torch.zeros(points, dtype=torch.int64, device=batch.device)

    def ours():
        sums, counts = torch.zeros(1, *weight.shape, device=batch.device), new.new_zeros(1)
        count_votes(p, features, new, weight, sums=sums, counts=counts)
        return sums[0]

    return lambda: textbook.votes(p, features, weight), ours
