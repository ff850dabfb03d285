"""REMINDER: class similarity weighted knowledge distillation (Phan et al., CVPR 2022)."""

from typing import Annotated

import torch
from torch import Tensor

from dataset.loader import first_epochs, make_loader
from methods.plop import PLOP, weighted_cross_entropy
from segmentation_module import Output
from utils.distributed import all_reduce_sum, world_size
from utils.losses.class_similarity import class_means, resemblance, resemblance_kd
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import at_least_float32


class REMINDER(PLOP):
    """PLOP, and on pixels of a new class distillation of the old classes that are similar to it.

    A new class is confused with old ones that look like it, so that these are what it makes forgotten. The
    more alike, the stronger the teacher's answer for them is kept.

    Equation: L = PLOP's L + csw sum_k w_k KD_k(z, u) on pixels of new classes,
        w from the cosines of prototypes

    Similarity is the cosine between prototypes: of a new class its mean feature in the batch, of an old one
    its mean over the batches of the step that taught it, through the network of that step.
    """

    csw: Annotated[float, "weight of similarity-weighted distillation (REMINDER)"] = 0.5
    csw_temperature: Annotated[float, "temperature of that distillation (REMINDER)"] = 3.0
    csw_delta: Annotated[float, "leave out resemblance below delta / C_old (scripts: 0 VOC, 1 ADE)"] = 0.0

    needs_new_classes = True
    step0_as = "FT"
    previous_images = ()  # training images of the previous step
    earlier: Tensor | None = None  # prototypes saved by the previous step (its C_old, D)
    prototypes: Tensor | None = None  # of all old classes (C_old, D); known from start_increment on

    def train_set(self, data):
        if self.step.index > 0:
            self.previous_images = data.of(self.step.index - 1).train
        return super().train_set(data)

    def start_increment(self, loader) -> None:
        super().start_increment(loader)
        if self.prototypes is None:  # else they were loaded when resuming
            self.prototypes = self.find_prototypes(loader)

    @torch.no_grad()
    def find_prototypes(self, loader) -> Tensor:
        """Prototypes of all old classes (C_old, D): those of earlier steps, then the previous step's own.

        Differs from REMINDER, which computes a step's prototypes at its end. The teacher is the same network
        on the same images, and this way a step 0 trained by another method will do.
        """
        last, width = self.step.at(self.step.index - 1), self.net.head.out_channels
        classes = range(last.num_old, last.num_seen)
        sums = torch.zeros(len(classes), width + 1, device=next(self.net.parameters()).device)
        for images, labels in self.previous_batches(loader, sums.device):
            means, counts = class_means(at_least_float32(self.old(images).features), labels, classes)
            sums += torch.cat(
                [means, (counts > 0)[:, None]], dim=1
            )  # one vote per batch that shows the class
        all_reduce_sum(sums)
        found = sums[:, :-1] / sums[:, -1:].clamp(min=1)
        earlier = found.new_zeros(last.num_old, width) if self.earlier is None else self.earlier.to(found)
        return torch.cat([earlier, found])

    def previous_batches(self, loader, device: torch.device):
        """One epoch of the previous step's training images, in batches like `loader`'s."""
        most = len(self.previous_images) // world_size()
        if most == 0:
            return ()
        sampler = loader.batch_sampler
        size = min(sampler.batch_size, most)
        previous = make_loader(
            self.previous_images, size, train=True, seed=sampler.seed, num_workers=loader.num_workers
        )
        return first_epochs(previous, device)

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        labels, factor = self.relabel(labels, old)
        new = range(self.step.num_old, self.step.num_seen)
        prototypes, pixels = class_means(at_least_float32(out.features.detach()), labels, new)
        weights = resemblance(prototypes, self.prototypes.to(prototypes), delta=self.csw_delta)

        def loss_maps(
            logits: Tensor, old_logits: Tensor, labels: Tensor, factor: Tensor
        ) -> tuple[Tensor, Tensor]:
            csw = resemblance_kd(logits, old_logits, labels, weights, temperature=self.csw_temperature)
            return weighted_cross_entropy(logits, labels, factor), csw

        ce, csw = pixel_means(loss_maps, [out.logits_small, old.logits_small], [labels, factor])
        # Differs from REMINDER: its mean is over the pixels of new classes, and NaN if there are none.
        csw = csw * labels.numel() / pixels.sum().clamp(min=1)
        return {"ce": ce, "pod": self.pod(old, out), "csw": self.csw * csw}

    def state_dict(self) -> dict:
        own = {} if self.prototypes is None else {"prototypes": self.prototypes}
        return super().state_dict() | {"step": self.step.index} | own

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        if state.get("step") == self.step.index:
            self.prototypes = state.get("prototypes")
        else:
            self.earlier = state.get("prototypes")
