"""Fine-tuning, and the hooks by which every other method differs from it."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from methods.decision import competing, decide
from segmentation_module import Output, Parts, SegmentationModel, make_model
from tasks import Step
from train import Training
from utils.ranges import named


class Method:
    """Fine-tuning: the whole network trains by its head's own losses on the labels of the step (lower bound).

    Old classes are background there, so that each step unlearns what earlier ones taught. Nothing is done
    against it: what a method keeps is measured from here.

    Equation: L = CE(z, y), or what the head minimises

    Hyper-parameters are class attributes annotated as `name: Annotated[type, "help with source"] = default`;
    each becomes a flag of `run.py`. `methods.build.build_method` makes a complete method; one made from step
    and hyper-parameters alone can tell `heads` and build networks. A hyper-parameter given as a list has one
    value per step, the last of which stands for all that follow.

    Attributes:
        step: the increment. net: the network. model: the same, wrapped for several processes; call this one.
        teacher: the previous step's network, frozen, its norms folded into its convolutions, so its weights
            have other names than `net`'s (to read old weights by name, override `load_previous`); None if
            not needed.
        training: numbers of the step's optimisation.
    """

    registered: ClassVar[str]  # the value of --method, set by the registry
    needs_teacher: ClassVar[bool] = False
    # Heads it can be run on: keys of `modules.heads.HEADS`, or what they answer for ("pixels": all such). ():
    # derived, see `methods.declared.heads_of`.
    heads_supported: ClassVar[tuple[str, ...]] = ()
    needs_background: ClassVar[bool] = False  # refuse datasets whose class 0 is a real class
    needs_new_classes: ClassVar[bool] = False  # refuse tasks whose steps bring no class (domain-incremental)
    # The method whose step 0 has the same weights, bit for bit; "": derived, see `methods.build.step0_as`.
    step0_as: ClassVar[str] = ""
    gathers_at_step0: ClassVar[bool] = False  # step 0 saves state that other methods' step 0 does not have

    net: SegmentationModel
    model: Callable
    teacher: SegmentationModel | None = None
    training: Training
    kept: Callable | None = None  # with `--cache features`, see `fit_step`

    def __init__(self, step: Step, **hyper):
        self.step = step
        for name, value in hyper.items():
            assert hasattr(type(self), name), f"{type(self).__name__} has no hyper-parameter {name}"
            setattr(self, name, of_step(value, step.index))
        kind = vars(type(self)).get("registered", type(self).__name__)
        if self.needs_background and not step.has_background:
            raise ValueError(f"{kind} needs a background class, which {step.dataset} has not")
        if self.needs_new_classes and not step.grows:
            raise ValueError(f"{kind} needs steps that bring new classes; {step.task} brings none")

    # -- building
    def heads(self, step: Step) -> list[int]:
        """Rows of each classifier of the network of `step`."""
        return step.sizes

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        """The network of `step`, with random classifiers; the teacher is built by the same call."""
        return make_model(parts, self.heads(step))

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of the previous step into `net`."""
        self.net.load_previous(state, new=self.step.index if self.step.grows else len(self.net.cls))

    # -- one increment, in the order of the calls
    def train_set(self, data):
        """Images to train on: those of the step (an `IncrementData`), or these and more."""
        return data.train

    def start_increment(self, loader) -> None:
        """Step > 0, previous weights loaded, no DDP or optimizer yet: initialise, freeze, read the data."""

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        """Groups for the optimizer; frozen parameters are left out.

        A group may name a `min_lr`, which its learning rate does not fall below.
        """
        return self.net.head.param_groups(self.net, lr, weight_decay)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:  # (N, 3, H, W), (N, H, W)
        """Named scalars of one batch; the trainer minimises their sum."""
        return self.net.head.losses(self.model(images), labels)

    def from_features(self) -> bool:
        """Whether `losses` asks the network, as `start_increment` left it, for nothing but what follows from
        its features; these are then those of a frozen network, and `--cache features` can keep them.
        """
        return False

    def after_backward(self) -> None:
        """Called between the unscaled gradients and `optimizer.step()`."""

    def fit_step(self, loader) -> bool:
        """Learn the step without the epochs of the trainer, e.g. in closed form; False if it did not.

        `self.kept(answer, *parts)`, if `kept` is there, is `answer`, which frozen `parts` of the network give
        to images, asked only where no run has kept what it says.
        """
        return False

    def end_increment(self, loader) -> None:
        """After the last epoch, before the checkpoint is written; `loader` is that of the training images."""

    @competing()
    def predict(self, logits: Tensor) -> Tensor:  # (N, C, H, W) -> (N, H, W)
        """Model index of every pixel's class."""
        return logits.max(1).indices  # the same as argmax, in half the time on CPUs

    def decide(self, out: Output) -> Tensor:  # (N, H, W)
        """`predict(out.logits)`; where the logits need not all be held for that, they are not."""
        return decide(self.predict, out)

    # -- what a checkpoint keeps besides the network
    def state_dict(self) -> dict:
        """Own state, in tensors and plain types."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Load what the previous step saved; {} if another method trained it.

        When an interrupted step is resumed, it is called twice more with that step's own state: before
        `start_increment`, which can skip what is done, and after it, to overwrite what it has set up.
        """

    @torch.no_grad()
    def old(self, images: Tensor):
        """The teacher's `Output` for `images`, without a graph."""
        with named("teacher"):
            return self.teacher(images)


def of_step(value, index: int):
    """Value at step `index` of a hyper-parameter that may differ from step to step."""
    return value[min(index, len(value) - 1)] if isinstance(value, list | tuple) else value
