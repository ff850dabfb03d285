"""A linear probe: a new classifier of all classes on frozen features."""

from collections.abc import Callable

from torch import Tensor

from analysis.commands import progress
from analysis.features import Features
from methods.base import Method
from segmentation_module import Output, SegmentationModel
from tasks import Step
from train import Training, optimizer_step, start
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import cross_entropy


class Probe(Method):
    """Fine-tuning of one classifier of all classes on a frozen body and head (arXiv 2508.04267,
    run_probing.py).

    Args:
        step: one that teaches all classes at once. net: the network to probe; its classifiers are not used.
    """

    def __init__(self, step: Step, net: SegmentationModel):
        super().__init__(step)
        self.net = SegmentationModel(net.body, net.head, [step.num_total]).to(next(net.parameters()).device)
        self.net.freeze(self.net.body, self.net.head)  # at every step, the first one included
        self.net.to(dtype=net.cls[0].weight.dtype)

    def output(self, features: Tensor, size: tuple[int, int]) -> Output:  # (N, D, h, w)
        """The probe's output for `features`; its logits are (N, C, *size)."""
        features = features.to(self.net.cls[0].weight.dtype)
        return Output(self.net.classify(features), features, features, {}, size)

    def losses(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:  # (N, D, h, w), (N, H, W)
        small = self.net.classify(features.to(self.net.cls[0].weight.dtype))
        (ce,) = pixel_means(cross_entropy, [small], [labels])
        return {"ce": ce}


def fit_probe(
    probe: Probe,
    batches: Callable[[int], Features],
    training: Training,
    *,
    num_batches: int,
    title: str = "probe",
) -> list[Tensor]:
    """Train `probe` on the `num_batches` batches of each `batches(epoch)`; returns the losses."""
    progression = start(probe, training, batches=num_batches, device=next(probe.net.parameters()).device)
    found = []
    with progress(range(training.epochs * num_batches), title) as bar:
        for epoch in range(training.epochs):
            for features, labels in batches(epoch):
                loss = sum(probe.losses(features, labels.long()).values())
                loss.backward()
                optimizer_step(probe, progression)
                found.append(loss.detach())
                bar.update()
    return found
