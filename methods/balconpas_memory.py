"""BalConpas-M: BalConpas (Chen et al., ECCV 2024) with its class-proportional memory."""

from typing import Annotated

import numpy as np

from dataset.memory.record import Record, record
from methods.balconpas import BalConpas
from methods.replay import Replay
from utils.labels import BACKGROUND, IGNORE
from utils.proportional import choose_by_shares


class BalConpasM(Replay, BalConpas):
    """BalConpas, and old images, chosen so that their classes come as often as in all steps so far.

    An image stands for the classes that its own step labelled; all else in it is ignored.

    Equation: L of BalConpas; images are added one by one, each the one that brings
        sum over old classes of |share of the chosen - share in all steps| lowest
    """

    step0_as = "FT"

    mem_size: Annotated[int, "images of the memory, all old classes together (BalConpas: 300)"] = 300

    def __init__(self, step, **hyper):
        super().__init__(step, **hyper)
        self.totals: list[float] = []  # images that show each class, in the step that taught it
        self.shown = np.zeros((0, 0))  # which image of the step before shows which old class

    def train_set(self, data):
        if self.step.index:
            before, classes = data.of(self.step.index - 1), list(data.step.order[1 : self.step.num_old])
            self.shown = before.presence("train").shown[before.rows("train")][:, classes].astype(float)
        return super().train_set(data)

    def choose(self, before, **rule) -> None:
        """Old entries in the proportion of old classes, then images of the step `before`."""
        if self.memory.step == self.step.index:
            return
        num_older = max(self.step.at(self.step.index - 1).num_old - 1, 0)
        num_old = self.step.num_old - 1  # background left out, as in all of this
        taught = np.where(np.arange(num_old) >= num_older, self.shown, 0.0)  # by the step `before`
        self.totals = [*self.totals[:num_older], *taught.sum(0)[num_older:].tolist()]
        target = np.array(self.totals) / max(sum(self.totals), 1)
        classes = range(1, num_old + 1)
        entries = {one.id: [float(c in one.classes) for c in classes] for one in self.memory.records}
        kept, counts = choose_by_shares(entries, target, self.mem_size * num_older // num_old)
        images = {number: row for number, row in enumerate(taught) if row.any()}
        chosen, _ = choose_by_shares(images, target, self.mem_size - len(kept), start=counts)
        stored = {one.id: one for one in self.memory.records}
        shows = {number: (np.flatnonzero(taught[number]) + 1).tolist() for number in chosen}
        fresh = [self.entry(before, number, classes) for number, classes in shows.items()]
        self.memory.records, self.memory.step = [stored[name] for name in kept] + fresh, self.step.index

    def entry(self, before, number: int, classes: list[int]) -> Record:
        """Image `number` of the step `before`, of whose labels the `classes` are kept."""
        image, labels = before.read(number)
        labels = labels.masked_fill(labels == BACKGROUND, IGNORE)
        facts = {"step": self.step.index - 1, "label": classes[0], "classes": tuple(classes)}
        return record(image, labels, whole=True, source=before.samples[number].id, **facts)

    def state_dict(self) -> dict:
        return super().state_dict() | {"totals": self.totals}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.totals = list(state.get("totals", self.totals))
