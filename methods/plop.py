"""PLOP: learning without forgetting for continual semantic segmentation (Douillard et al., CVPR 2021)."""

from typing import Annotated

import torch
from torch import Tensor

from dataset.loader import first_epochs
from methods.with_teacher import WithTeacher
from modules.classifiers import init_from_background
from segmentation_module import Output
from tasks import Step
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import cross_entropy
from utils.losses.pod import pod, pod_schedule
from utils.losses.pseudo_labels import (
    adaptive_factor,
    entropy_scores_of_small,
    largest_score,
    pseudo_labels,
    score_histogram,
    thresholds_from,
)


class PLOP(WithTeacher):
    """Background pixels take the class that the teacher sees there, where its entropy says that it is sure.

    Sure is below the median entropy of the class, found in one pass over the step's images. Every stage is
    held to the teacher's by local POD: means over strips of the squared feature maps, at several scales.

    Equation: L = nu CE(z, pseudo y) + lambda sum over stages of |POD(h) - POD(h_old)|_2,
        lambda = pod_factor sqrt(seen / new classes), nu = share of old pixels that the teacher is sure of

    Where steps bring no classes (Cityscapes by domain) there is nothing to relabel: plain cross entropy and
    POD. Crops must be at least 4 pixels wide at the coarsest map, e.g. 64 at stride 16, and square.
    """

    pod_factor: Annotated[float, "POD of stage maps and features (PLOP scripts: 0.01 VOC, 0.001 ADE)"] = 0.01
    pod_logits_factor: Annotated[float, "POD of logits (PLOP scripts: 0.0005 VOC, 0.00001 ADE)"] = 0.0005
    threshold: Annotated[float, "lowest entropy threshold of a class (PLOP scripts)"] = 0.001
    true_median: Annotated[bool, "the median that PLOP meant, not the one its code computes"] = False
    num_bins: Annotated[int, "bins of the entropy histogram (PLOP --pseudo_nb_bins)"] = 100
    adaptive_min: Annotated[
        float, "least factor of an image's CE, 1: none (PLOP classif_adaptive_min_factor)"
    ] = 0.0
    init_balanced: Annotated[bool, "start new rows from the background's (PLOP scripts; MiB eq. 10)"] = True

    thresholds: Tensor | None = None  # per class, (C,); known from start_increment on

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        if step.grows and not step.has_background:
            raise ValueError(f"PLOP relabels background, which {step.dataset} has not")

    def start_increment(self, loader) -> None:
        if not self.step.grows:
            return
        if self.thresholds is None:  # else they were loaded when resuming
            self.thresholds = self.find_thresholds(loader)
        if self.init_balanced:
            init_from_background(self.net.cls)

    @torch.no_grad()
    def find_thresholds(self, loader) -> Tensor:
        """Median score of every class (C,) over one pass through the training images, as augmented."""
        num_old, num_seen = self.step.num_old, self.step.num_seen
        device = next(self.net.parameters()).device
        # PLOP's histogram covers [0, 1], far above the largest score; the corrected one covers its range.
        top = (largest_score(num_old, num_seen) or 1.0) if self.true_median else 1.0
        counts = torch.zeros(num_seen, self.num_bins, dtype=torch.int64, device=device)
        for images, labels in first_epochs(loader, device):
            classes, scores = self.scores(self.old(images))
            counts += score_histogram(
                classes, scores, labels, num_seen=num_seen, num_bins=self.num_bins, top=top
            )
        return thresholds_from(counts, self.threshold, true_median=self.true_median, top=top)

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        if self.step.grows:
            # As published, the mean is over all pixels: rejected ones lower it besides the factor.
            (ce,) = pixel_means(weighted_cross_entropy, [out.logits_small], [*self.relabel(labels, old)])
        else:
            (ce,) = pixel_means(cross_entropy, [out.logits_small], [labels])
        return {"ce": ce, "pod": self.pod(old, out)}

    @torch.no_grad()
    def relabel(self, labels: Tensor, old: Output) -> tuple[Tensor, Tensor]:  # (N, H, W)
        """Pseudo-labels (N, H, W), and the factor (N, 1, 1) of each image's cross entropy."""
        classes, scores = self.scores(old)
        self.thresholds = self.thresholds.to(labels.device)  # a checkpoint's are on the CPU
        num_old = self.step.num_old
        after, believed = pseudo_labels(labels, classes, scores, thresholds=self.thresholds, num_old=num_old)
        return after, adaptive_factor(
            labels, believed, num_old=num_old, minimum=self.adaptive_min, dtype=scores.dtype
        )

    def scores(self, old: Output) -> tuple[Tensor, Tensor]:
        """Class and normalised entropy of the teacher's prediction, both (N, H, W)."""
        return entropy_scores_of_small(old.logits_small, old.size, self.step.num_seen)

    def pod(self, old: Output, out: Output) -> Tensor:
        """Distillation over the body's stages, the classifiers' input and the logits before up-sampling."""
        old_maps, maps = ([*o.attentions.values(), o.features, o.logits_small] for o in (old, out))
        factors = [self.pod_factor] * (len(maps) - 1) + [self.pod_logits_factor]
        return pod(old_maps, maps, factors, schedule=pod_schedule(self.step.num_seen, self.step.num_new))

    def state_dict(self) -> dict:
        return {} if self.thresholds is None else {"step": self.step.index, "thresholds": self.thresholds}

    def load_state_dict(self, state: dict) -> None:
        # The previous step's state has thresholds, too, those of its own teacher.
        if state.get("step") == self.step.index:
            self.thresholds = state.get("thresholds")


def weighted_cross_entropy(logits: Tensor, labels: Tensor, factor: Tensor) -> Tensor:  # (N, 1, 1)
    """Cross entropy of each pixel times its image's factor, (N, H, W)."""
    return cross_entropy(logits, labels) * factor
