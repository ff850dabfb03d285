"""Tiny tasks, networks and batches that many tests share."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from methods.build import build_method
from methods.declared import heads_of
from segmentation_module import Parts
from tasks import Step
from train import Training
from utils.labels import IGNORE

MASKS = {"queries": 6, "layers": 2, "points": 32}
GROUPS = ((0, 1, 2), (3,), (4, 5))
PARTS = Parts(backbone="tiny", output_stride=8)
SIZE = 32


def make_method(name: str, index: int, *, seed: int = 0, teacher: bool = True, loader=None, **hyper):
    """A method of a 3-step task at step `index`, with network, teacher and previous weights as run.py gives
    them; `loader(step)` makes what the steps before learned from, a `TinyLoader` by default.

    `name` may end in / and a head; without, it is the first that the method supports.
    """
    name, _, head = name.partition("/")
    head = head or heads_of(name)[0]
    parts = replace(PARTS, head_name=head, head_options=MASKS if head == "mask" else {})
    torch.manual_seed(seed)
    step = Step("test", "2-1", index, GROUPS)
    how = {"hyper": hyper, "training": Training(epochs=1, lr=0.01), "device": torch.device("cpu")}
    previous = None
    for number in range(index):
        before = takes_default_type(build_method(name, step.at(number), parts, previous=previous, **how))
        if number > 0:
            before.start_increment((loader or TinyLoader)(before.step))
        before.fit_step((loader or TinyLoader)(before.step))  # those that do without the trainer
        before.end_increment((loader or TinyLoader)(before.step))
        net = {key: value.clone() for key, value in before.net.state_dict().items()}
        previous = {"step": number, "net": net, "method_state": before.state_dict()}
    method = takes_default_type(build_method(name, step, parts, previous=previous, **how))
    if not teacher:
        method.teacher = None
    method.net.train()
    return method


def takes_default_type(method):
    """`method`, whose networks take float32 images whatever type their weights were built in."""
    if torch.get_default_dtype() == torch.float64:
        for net in (method.net, method.teacher):
            if net is not None:
                net.register_forward_pre_hook(lambda _, args: (args[0].double(),))
    return method


def begun(name: str, index: int, **hyper):
    """A method after `start_increment`, in training mode."""
    method = make_method(name, index, **hyper)
    if index > 0:
        method.start_increment(TinyLoader(method.step))
    method.model = method.net
    method.net.train()
    return method


def make_labels(step: Step, kind: str, n: int = 2) -> Tensor:
    """Labels (n, SIZE, SIZE) such as a batch of `step` may hold."""
    new = torch.tensor([label for label in range(step.num_old, step.num_seen)])
    generator = torch.Generator().manual_seed(1)
    mixed = new[torch.randint(len(new), (n, SIZE, SIZE), generator=generator)]
    mixed[:, : SIZE // 2] = 0
    mixed[:, :2] = IGNORE
    return {
        "mixed": mixed,
        "all ignored": torch.full_like(mixed, IGNORE),
        "only background": torch.zeros_like(mixed),
        "only new classes": new[-1].expand_as(mixed).clone(),
    }[kind]


def make_images(n: int = 2) -> Tensor:
    """Normalised images (n, 3, SIZE, SIZE)."""
    return torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


class TinyLoader:
    """Batches of uint8 images and labels, as the training loader yields them."""

    def __init__(self, step: Step, batches: int = 2, n: int = 2):
        self.batches = [
            (
                torch.randint(
                    256, (n, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
                ),
                make_labels(step, "mixed", n).byte(),
            )
            for seed in range(batches)
        ]
        self.batch_sampler, self.first = self, 0

    def __iter__(self) -> Iterator:
        return iter(self.batches[self.first :])

    def __len__(self) -> int:
        return len(self.batches)

    def seek(self, epoch: int, batch: int = 0, *, complete: bool = False) -> None:
        """From number `batch` on; these batches are the same in every epoch, and complete."""
        self.first = batch


class SilentLog:
    """A log that shows nothing."""

    def __getattr__(self, name):
        return (lambda loader: loader) if name == "evaluation" else lambda *_: None
