"""What STAR keeps of a step's images: how the features of its classes are spread, and how many there were."""

from dataclasses import asdict, astuple
from typing import Annotated

import torch
from torch import Tensor

from dataset.loader import first_epochs
from methods.base import Method
from tasks import Step
from utils.distributed import all_reduce_sum
from utils.labels import BACKGROUND
from utils.losses.cells import Cells
from utils.losses.pixelwise import at_least_float32
from utils.losses.prototype_replay import Gathering, Plan, Statistics, replay_plan, seen_classes


class PrototypeMemory(Method):
    """Mixin: statistics of each class for later steps to draw from, and how often a step has to.

    A step begins with a pass over its images that counts what the teacher sees in them, and ends with one
    that gathers the statistics of its classes. Both use the augmented images of the first epoch.
    """

    published_noise: Annotated[bool, "measure new noise around the first prototypes, as STAR's code does"] = (
        True
    )

    gathers_at_step0 = True

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        self.disjoint = False  # known when the data are
        self.known: Statistics | None = None  # of the classes learnt so far
        self.numbers = torch.zeros(1)  # of cells of background and those classes, for the next step
        self.plan: Plan | None = None
        self._rows: Tensor | None = None  # of `known`, one entry per replayed feature

    def train_set(self, data):
        if data.setting == "sequential":
            raise ValueError("STAR replays what labels hide: --setting sequential hides nothing, use overlap")
        self.disjoint = data.setting == "disjoint"
        return super().train_set(data)

    def start_increment(self, loader) -> None:
        if self.known is None or len(self.numbers) != self.step.num_old:
            raise ValueError("STAR replays what the step before gathered: train that with --method STAR, too")
        super().start_increment(loader)
        if self.plan is None:  # else an interrupted run has made it
            batches = first_epochs(loader, self.device)
            self.plan = self.make_plan(sum(self.count_seen(*batch) for batch in batches), len(loader))

    def count_seen(self, images: Tensor, labels: Tensor) -> Tensor:  # (N, 3, H, W), (N, H, W)
        """Cells labelled background in which the teacher sees nothing, and each old class (C_old,)."""
        old = self.old(images)
        cells = Cells(labels.shape[-2:], old.features.shape[-2:], labels.device)
        seen = seen_classes(cells.centre_logits(at_least_float32(old.logits_small))[:, 1:])
        return seen[cells.centre(labels) == BACKGROUND].bincount(minlength=self.step.num_old)

    def make_plan(self, seen: Tensor, batches: int) -> Plan:
        """What the step replays, after one pass of `count_seen` over the `batches` of an epoch."""
        seen = all_reduce_sum(seen).cpu().to(self.numbers.dtype)
        how = {"num_new": self.step.num_new, "batches": batches, "disjoint": self.disjoint}
        return replay_plan(self.numbers, seen, **how)

    def replayed(self, like: Tensor) -> Tensor:
        """Features (S, D) of old classes, drawn anew."""
        if self._rows is None:
            counts = torch.tensor(self.plan.counts, device=like.device)
            rows = torch.arange(len(counts), device=like.device)
            self._rows = rows.repeat_interleave(counts, output_size=sum(self.plan.counts))
            self.known = Statistics(*(tensor.to(at_least_float32(like)) for tensor in astuple(self.known)))
        return self.known.drawn(self._rows, *self.draws((len(self._rows), like.shape[1]), self.known.noise))

    @staticmethod
    def draws(shape: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
        """Two times `shape` standard normal numbers; the same on all processes, which drew as many before."""
        return tuple(torch.randn(shape, dtype=like.dtype, device=like.device) for _ in range(2))

    @torch.no_grad()
    def end_increment(self, loader) -> None:
        """Gather the statistics of the step's classes in one pass over its images, in evaluation mode."""
        first, was_training = max(self.step.num_old, 1), self.net.training
        self.net.eval()
        gathering, background = None, 0
        for images, labels in first_epochs(loader, self.device):
            features = at_least_float32(self.net(images).features)
            labels = Cells(labels.shape[-2:], features.shape[-2:], labels.device).centre(labels)
            gathering = gathering or Gathering(self.step.num_seen - first, features.shape[1], labels.device)
            gathering.add(features, labels - first)
            background += (labels == BACKGROUND).sum()
        self.net.train(was_training)
        self.known, cells = gathering.finish(self.known, published=self.published_noise)
        self.numbers = self.handed_on(
            torch.cat([all_reduce_sum(background).reshape(1).to(cells), cells]).cpu()
        )

    def handed_on(self, cells: Tensor) -> Tensor:  # (1 + C_new,)
        """Numbers for the next step, given this one's cells of background and new classes."""
        return torch.cat([self.plan.numbers, cells[1:].to(self.plan.numbers)]) if self.plan else cells

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.net.cls[0].weight.device

    def state_dict(self) -> dict:
        known = {} if self.known is None else {name: t.cpu() for name, t in asdict(self.known).items()}
        plan = {} if self.plan is None else asdict(self.plan)
        own = {"step": self.step.index, "known": known, "numbers": self.numbers, "plan": plan}
        return super().state_dict() | own

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        if not state.get("known"):
            return
        self.known, self.numbers, self._rows = Statistics(**state["known"]), state["numbers"], None
        if state["step"] == self.step.index and state["plan"]:
            self.plan = Plan(**state["plan"])
