"""SDR: sparse and disentangled representations (Michieli and Zanuttigh, CVPR 2021)."""

from typing import Annotated

import torch
from torch import Tensor

from methods.mib import MiB
from segmentation_module import Output
from tasks import Step
from utils.labels import BACKGROUND
from utils.losses import latent
from utils.losses.cells import Cells
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import at_least_float32, cross_entropy


class SDR(MiB):
    """MiB, and four terms on the body's output: it keeps old classes, and gathers, parts and thins out all.

    Classes that lie compact and far from each other leave room for new ones. The terms act on features, and
    MiB's on the outputs.

    Equation: L = MiB's L + matching |f - p_old|^2 + attraction |f - p|^2 + repulsion mean 1 / |m_c - m_d|
        + sparsity mean sum exp(f) / sum f

    Running means of each class's features, over every batch of every step, are what they are measured by.
    Step 0 has plain cross entropy, and starts the means.
    """

    loss_kd: Annotated[float, "weight of unbiased distillation (SDR's preset; README: 1 to 100)"] = 100.0
    init_balanced: Annotated[bool, "start new rows from the background's (SDR's preset does not)"] = False
    matching: Annotated[float, "weight of old classes' distance from their prototypes (SDR)"] = 0.01
    attraction: Annotated[float, "weight of cells' distance from their prototypes (SDR)"] = 0.001
    repulsion: Annotated[float, "weight of 1 / distance between classes of a batch (SDR)"] = 0.001
    sparsity: Annotated[float, "weight of sum exp x / sum x over a cell's scaled features (SDR)"] = 0.001
    attract_background: Annotated[bool, "pull background to its prototype, 0 if overlapped (SDR)"] = True
    published_selection: Annotated[bool, "mix channels with cells as SDR's code does"] = False

    step0_as = "FT"
    gathers_at_step0 = True

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        self.setting = "overlap"  # known when the data are
        self.prototypes: Tensor | None = None  # running means (C, B); None before the first batch
        self.counts = torch.zeros(step.num_seen, dtype=torch.float64)  # cells in each

    def train_set(self, data):
        self.setting = data.setting
        return super().train_set(data)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is not None:
            return super().losses(images, labels)
        out = self.model(images)
        self.record(*self.cells(out, self.grid(out, labels).nearest(labels)))
        (ce,) = pixel_means(cross_entropy, [out.logits_small], [labels])
        return {"ce": ce}

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        grid, num_old = self.grid(out, labels), self.step.num_old
        small, named = grid.nearest(labels), self.named(grid, labels, old.logits_small)
        cells, classes = self.cells(out, small)
        prototypes = self.record(cells, classes).to(cells.dtype)
        own = self.cells(out, named, by_cell=True)
        terms = {
            "matching": latent.matching(*own, prototypes[:num_old]),
            "attraction": latent.attraction(cells, classes, prototypes, background=self.attract_background),
            "repulsion": latent.repulsion(cells, classes, len(prototypes)),
            "sparsity": latent.sparsity(*latent.select(at_least_float32(out.body), small)),
        }
        weighted = {name: getattr(self, name) * term for name, term in terms.items()}
        return super().incremental_losses(out, old, labels) | weighted

    def named(self, grid: Cells, labels: Tensor, old_logits: Tensor) -> Tensor:  # (N, H, W), (N, C_old, h, w)
        """Classes of the cells, the old ones among them: by the teacher, or by labels that show them."""
        small = grid.nearest(labels)
        if self.setting == "sequential":
            return small
        guesses = grid.nearest_logits(at_least_float32(old_logits)).max(1).indices
        return torch.where(small == BACKGROUND, guesses, small)

    @staticmethod
    def grid(out: Output, labels: Tensor) -> Cells:
        """Where the body's cells are in the image."""
        return Cells(labels.shape[-2:], out.body.shape[-2:], labels.device)

    def cells(self, out: Output, classes: Tensor, *, by_cell: bool = False) -> tuple[Tensor, Tensor]:
        """The body's output cell by cell (M, B), and the class of each (M,)."""
        features = at_least_float32(out.body)
        if self.published_selection:
            return latent.published_select(features, classes, by_cell=by_cell)
        return latent.select(features, classes)

    def record(self, cells: Tensor, classes: Tensor) -> Tensor:
        """Bring a batch into the running means (C, B), which it returns."""
        if self.prototypes is None:
            self.prototypes = torch.zeros(len(self.counts), cells.shape[1], dtype=torch.float64)
        state = self.prototypes.to(cells.device), self.counts.to(cells.device)
        first = self.setting == "disjoint" and self.step.index == 0
        # Differs from SDR, which leaves out the smallest label of the batch, whatever it is.
        background = first or self.setting == "sequential"
        self.prototypes, self.counts = latent.update_prototypes(*state, cells, classes, background=background)
        return self.prototypes

    def state_dict(self) -> dict:
        known = {} if self.prototypes is None else {"prototypes": self.prototypes.cpu()}
        return {"counts": self.counts.cpu()} | known

    def load_state_dict(self, state: dict) -> None:
        if "prototypes" not in state:
            return
        more = self.step.num_seen - len(state["counts"])  # classes of this step
        self.counts = torch.cat([state["counts"], torch.zeros(more, dtype=torch.float64)])
        prototypes = state["prototypes"]
        self.prototypes = torch.cat([prototypes, prototypes.new_zeros(more, prototypes.shape[1])])
