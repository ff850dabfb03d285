"""ALIFE-M: ALIFE (Oh et al., NeurIPS 2022) with a memory of features, and two more stages in each step."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from dataset.loader import first_epochs
from methods.alife import ALIFE
from tasks import Step
from utils.distributed import all_reduce_sum, world_size
from utils.labels import BACKGROUND
from utils.losses.adaptive_logits import refining_losses
from utils.losses.examples import class_examples
from utils.losses.pixel_means import mean_within, pixel_means
from utils.losses.pixelwise import at_least_float32
from utils.losses.rotation import alignment_losses, gathered, rotate, rotations
from utils.schedule import poly


class ALIFEM(ALIFE):
    """ALIFE; then remembered features are turned to where the new network has theirs, a rotation per class.

    Then the classifiers alone train on them and on the images. A step ends by remembering mean features.

    Equation: a_k := R_k a_k by share (1 - cos) + (1 - share) CE; then L = focal CE(z, y) + refine_ali ALI
        + refine_memory CE(a, k)
    """

    memory_size: Annotated[int, "features kept of each class (ALIFE-M)"] = 1000
    memory_epochs: Annotated[int, "passes to gather them in, at most; a class with fewer repeats them"] = 10
    rotation_epochs: Annotated[int, "epochs that train the rotations (ALIFE-M)"] = 10
    rotation_lr: Annotated[float, "learning rate of the rotations, by Adam (ALIFE-M)"] = 0.01
    temperature: Annotated[float, "times the similarities that weigh cells (ALIFE-M)"] = 10.0
    share: Annotated[float, "weight of the cosine (ALIFE-M: 0.95 VOC 19-1 and 15-5, else 0.99)"] = 0.95
    refine_epochs: Annotated[int, "epochs that train the classifiers alone (ALIFE-M)"] = 1
    refine_ali: Annotated[float, "weight of the regulariser in them (ALIFE-M's configs: 0 to 5)"] = 1.0
    refine_memory: Annotated[float, "weight of the memory in them (ALIFE-M's configs: 0.1 to 20)"] = 1.0
    gamma: Annotated[float, "focusing of the cross entropy in them, 0: none (ALIFE-M)"] = 2.0

    step0_as = "FT"
    gathers_at_step0 = True

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        self.memory: dict[int, Tensor] = {}  # features (M, D) of each class

    def end_increment(self, loader) -> None:
        was_training = self.net.training
        self.net.eval()
        if self.step.index > 0 and self.memory:
            device = self.net.cls[0].weight.device
            owners = torch.tensor([*self.memory], device=device)
            memory = torch.stack([*self.memory.values()]).to(device)  # (K, M, D)
            memory = self.rotated(memory, owners, loader)
            self.refine_classifiers(memory, owners, loader)
            self.memory = dict(zip(self.memory, memory, strict=True))
        self.remember(loader)
        self.net.train(was_training)

    def batches(self, loader, num_epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (N, 3, H, W) and labels (N, H, W) as training sees them, beside the network."""
        return first_epochs(loader, self.net.cls[0].weight.device, num_epochs)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:  # (N, 3, H, W) -> (N, D, h, w)
        """What the classifiers see."""
        return at_least_float32(self.net(images).features)

    # -- second stage --------------------------------------------------------------------------------------
    def rotated(self, memory: Tensor, owners: Tensor, loader) -> Tensor:  # (K, M, D), (K,)
        """Train a rotation per remembered class, and turn its features by it."""
        channels = memory.shape[2]
        pairs = channels * (channels - 1) // 2
        generator = torch.Generator().manual_seed(self.step.index)
        start = torch.rand(len(owners), pairs, generator=generator)
        free = ((2 * start - 1) * pairs**-0.5).to(memory).requires_grad_()
        weight, bias = self.classifier()

        def loss(images: Tensor, labels: Tensor) -> Tensor:
            old = at_least_float32(self.old(images).features)
            with torch.no_grad():
                found = gathered(memory, old, self.features(images), temperature=self.temperature)
            turned = rotations(free, channels)
            return sum(alignment_losses(*found, turned, weight, bias, owners=owners, share=self.share))

        make = partial(torch.optim.Adam, lr=self.rotation_lr)
        self.optimise([free], make, loss, loader, self.rotation_epochs)
        return rotate(rotations(free.detach(), channels), memory)

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) of all classes, as constants."""
        rows = [torch.cat([getattr(c, kind).detach() for c in self.net.cls]) for kind in ("weight", "bias")]
        return rows[0].flatten(1), rows[1]

    # -- third stage ---------------------------------------------------------------------------------------
    def refine_classifiers(self, memory: Tensor, owners: Tensor, loader) -> None:  # (K, M, D), (K,)
        """Train the classifiers alone, on the step's images and on all that is remembered."""
        examples = memory.flatten(0, 1)[:, :, None, None]  # (K M, D, 1, 1)
        owners = owners.repeat_interleave(memory.shape[1])

        def loss(images: Tensor, labels: Tensor) -> Tensor:
            small = self.net.classify(self.features(images)), self.old(images).logits_small
            remembered = self.net.classify(examples).flatten(1)
            return sum(self.refining_losses(*small, labels, remembered, owners).values())

        make = partial(torch.optim.SGD, lr=self.training.lr, momentum=0.9, nesterov=True)
        self.optimise([*self.net.cls.parameters()], make, loss, loader, self.refine_epochs)

    def refining_losses(
        self, small: Tensor, old_small: Tensor, labels: Tensor, remembered: Tensor, owners: Tensor
    ) -> dict[str, Tensor]:  # (N, C, h, w), (N, C_old, h, w), (N, H, W), (K M, C), (K M,)
        """Named scalars of a batch: focal cross entropy, ALI, and cross entropy of the memory."""
        maps = partial(refining_losses, gamma=self.gamma)
        ce, ali = pixel_means(maps, [small, old_small], [labels])
        ali = self.refine_ali * mean_within(ali, labels == BACKGROUND)
        return {"ce": ce, "ali": ali, "memory": self.refine_memory * F.cross_entropy(remembered, owners)}

    def optimise(self, parameters: list[Tensor], make: Callable, loss: Callable, loader, epochs: int) -> None:
        """Move `parameters` along `loss(images, labels)`, with the poly schedule and averaged gradients."""
        assert epochs > 0, "a stage needs an epoch"
        optimizer = make(parameters, weight_decay=self.training.weight_decay)
        factor = poly(epochs * len(loader), self.training.lr_power)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        for images, labels in self.batches(loader, epochs):
            gradients = torch.autograd.grad(loss(images, labels), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = all_reduce_sum(gradient.contiguous()).div_(world_size())
            optimizer.step()
            schedule.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def remember(self, loader) -> None:
        """Add features of the step's classes to the memory."""
        batches = self.batches(loader, self.memory_epochs)
        seen = ((self.features(images), labels) for images, labels in batches)
        classes = range(self.step.num_old, self.step.num_seen)
        self.memory |= class_examples(seen, classes, size=self.memory_size)

    def state_dict(self) -> dict:
        memory = {label: examples.cpu() for label, examples in self.memory.items()}
        return super().state_dict() | {"memory": memory}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.memory = dict(state.get("memory", {}))
