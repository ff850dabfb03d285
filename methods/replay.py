"""REPLAY: fine-tuning that keeps some old images; a baseline with the memory of EIR (arXiv 2503.22136)."""

from pathlib import Path
from typing import Annotated, ClassVar

from dataset.memory.replay import WithMemory
from dataset.memory.store import Memory
from methods.base import Method
from utils.distributed import is_main


class Replay(Method):
    """Cross entropy on the images of the step and on stored old ones, with the labels of their own steps.

    Nothing corrects that an old image shows new classes as background, and a new image old ones. It is the
    baseline that says what a memory is worth alone.

    Equation: L = CE(z, y) over both

    The memory is class-balanced, has a fixed total budget, and is refilled at the start of a step from the
    images of the previous step and from its entries. It takes images of single instances, as EIR's does; of
    whole images any that shows a class, where a class would have none.
    """

    mem_size: Annotated[int, "entries of the memory, all old classes together (EIR: 100 VOC, 300 ADE)"] = 100
    mem_folder: Annotated[str, "folder to write each step's memory to, as PNG files, if given"] = ""

    needs_background = True
    needs_new_classes = True
    step0_as = "FT"
    whole_images: ClassVar[bool] = True  # what the memory keeps: images, or crops around instances

    def __init__(self, step, **hyper):
        super().__init__(step, **hyper)
        if self.mem_size < 0:
            raise ValueError(f"--mem_size {self.mem_size}: give 0 (no memory) or more")
        self.memory = Memory()
        self.seed = 0  # of the run; set by `train_set`

    def train_set(self, data):
        images = super().train_set(data)
        if self.step.index == 0:
            return images
        self.seed = data.seed
        self.choose(data.of(self.step.index - 1).train)
        if self.mem_folder and is_main():
            self.memory.save(Path(self.mem_folder) / f"step_{self.step.index}")
        return self.recall(images)

    def choose(self, before, **rule) -> None:
        """Fill the memory for this step from what it held and from the images of the step `before`."""
        self.memory.refill(
            before,
            step=self.step.index,
            num_old=self.step.num_old,
            budget=self.mem_size,
            whole=self.whole_images,
            seed=self.seed,
            **rule,
        )

    def recall(self, images):
        """The training set: `images` of the step, and the memory."""
        return WithMemory(images, self.memory.records, alone=False)

    def state_dict(self) -> dict:
        return super().state_dict() | {"memory": self.memory.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        if "memory" in state:
            self.memory.load_state_dict(state["memory"])
