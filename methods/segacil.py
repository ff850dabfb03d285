"""SegACIL: a closed-form classifier on a network frozen after step 0 (arXiv 2412.10834)."""

from typing import Annotated

from torch import Tensor

from methods.closed_form import ClosedForm
from segmentation_module import Output
from tasks import Step
from utils.labels import IGNORE
from utils.losses.closed_form import ridge, sure_labels
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import binary_cross_entropy


class SegACIL(ClosedForm):
    """Step 0 is trained by SGD; from then on the network is frozen, and no gradient is computed.

    A step is one pass over its images, which adds up products of random features and sums over classes. The
    classifier of all classes is their ridge regression, the same as if all steps had come at once.

    Equation: W = (sum phi phi^T + gamma I)^-1 sum phi y^T, phi = relu(R f) of every labelled cell

    Differs from SegACIL, which updates the inverse of the products batch by batch and starts new columns at
    noise: products and sums are kept and solved once per step, which gives the same without the noise.
    """

    num_random: Annotated[int, "random features, 0: the network's own (SegACIL 8196, 8192 meant)"] = 2048
    gamma: Annotated[float, "weight of the ridge (SegACIL 1)"] = 1.0
    balance: Annotated[bool, "let every class count once instead of every cell (SegACIL: off)"] = False
    relabel: Annotated[bool, "let sure old classes replace the background (SegACIL: an option)"] = False
    threshold: Annotated[float, "least sigmoid of a pseudo-label (SegACIL 0.7)"] = 0.7
    sgd: Annotated[bool, "train the network at step 0; off: take the backbone's own features, no head"] = True
    head_lr: Annotated[float, "learning rate of all but the body over the body's (SegACIL 10)"] = 10.0

    sigmoid = True

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        if self.gamma <= 0:
            raise ValueError(f"--gamma {self.gamma} must be above 0, else there may be no solution; try 1")
        if self.num_random < 0:
            raise ValueError(f"--num_random {self.num_random} must be 0 or more")

    def head_options(self) -> dict:
        return {"num_random": self.num_random}

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        body, others = [], []
        for name, parameter in self.net.named_parameters():
            if parameter.requires_grad:
                (body if name.startswith("body.") else others).append(parameter)
        rates = (body, lr), (others, self.head_lr * lr)
        return [{"params": some, "lr": rate, "weight_decay": weight_decay} for some, rate in rates]

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        (bce,) = pixel_means(binary_cross_entropy, [self.model(images).logits_small], [labels])
        return {"bce": bce * labels.numel() / (labels != IGNORE).sum().clamp(min=1)}

    def targets(self, labels: Tensor, out: Output) -> Tensor:
        # Differs from SegACIL, which begins with pseudo-labels at step 2 only.
        if not self.relabel or self.step.index == 0 or not self.step.has_background:
            return labels
        return sure_labels(out.logits[:, : self.step.num_old], labels, threshold=self.threshold)

    def solve(self) -> tuple[Tensor, Tensor]:
        weight = ridge(self.moments, gamma=self.gamma)
        return weight, weight.new_zeros(len(weight))


class RIDGE(SegACIL):
    """Ridge regression as in SegACIL, on the network's own features instead of random ones.

    With `sgd` off it is on those of any frozen foundation model, and nothing is trained at all. A step is one
    pass over its images.

    Equation: W = (sum f f^T + gamma I)^-1 sum f y^T
    """

    num_random: Annotated[int, "random features, 0: the network's own (RIDGE)"] = 0

    step0_as = "RIDGE"
