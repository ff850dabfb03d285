"""A trained step as one function from images to classes, as it is exported, and what travels with it."""

import copy
import json
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from analysis.trained import Trained
from modules.any_size import take_any_size
from modules.folding import fold_norms

INPUT, OUTPUTS = "images", ("logits", "classes")
ANY = "any"  # height and width of exported networks, unless they are fixed


class Deployed(nn.Module):
    """Normalised images (N, 3, H, W) -> logits (N, C, H, W), and the method's decision, int64 (N, H, W)."""

    def __init__(self, net: nn.Module, decide: Callable[[Tensor], Tensor]):
        super().__init__()
        self.net, self.decide = net, decide

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(images).logits
        return logits, self.decide(logits)


def on_cpu(trained: Trained) -> Deployed:
    """The step as it is tested, in fp32 on the CPU."""
    net = trained.method.net.cpu().eval()
    net.precision = torch.float32
    return Deployed(net, trained.method.predict)


def for_export(deployed: Deployed) -> Deployed:
    """A copy with folded norms whose graph holds for every size."""
    net = take_any_size(fold_norms(copy.deepcopy(deployed.net)))
    for tensor in [*net.parameters(), *net.buffers()]:  # no parts of larger ones, of which torch.export warns
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    return Deployed(net, deployed.decide)


def exported(deployed: Deployed, size: tuple[int, int], *, fixed: bool) -> ExportedProgram:
    """The graph of `deployed` for any number of images of any size, or of this `size` alone if it is `fixed`.

    A network of a fixed size that cannot be one for any number of images is one for a single image.

    Raises:
        ValueError: if the network cannot be one for all sizes, with torch's reason and what helps.
    """
    prepare_torch()
    tries = [(2, {0: Dim.DYNAMIC}), (1, {})] if fixed else [(2, dict.fromkeys((0, 2, 3), Dim.DYNAMIC))]
    for count, free in tries:
        images = torch.zeros(count, 3, *size)
        try:
            return torch.export.export(deployed, (images,), dynamic_shapes={"images": free}, strict=False)
        except Exception as error:  # torch raises errors of many kinds, of which users need the first line
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
    what = "" if fixed else " for any size"
    cure = "" if fixed else f"; for one size alone: --size {size[0]} {size[1]}"
    raise ValueError(f"this network cannot be exported{what}: {reason}{cure}")


def prepare_torch() -> None:
    """Say by its old name that cuDNN uses no TF32: torch.export asks for it so, and PyTorch 2.14 raises where
    a run in this process has said it by the new names.
    """
    torch.backends.cudnn.allow_tf32 = False


def takes_one_image(program: ExportedProgram) -> bool:
    """Whether the graph is for a single image."""
    return not program.range_constraints


def metadata(trained: Trained, size: Sequence[int]) -> dict[str, str]:
    """What a user of the exported network has to know, as words: names, normalisation, origin."""
    card, seen = trained.card, trained.step.order
    return {
        "class_names": json.dumps(trained.class_names, ensure_ascii=False),  # by the index in `classes`
        "class_values": json.dumps([card["values"][label] for label in seen]),  # in mask files
        "num_seen": str(trained.step.num_seen),  # classes after these are of later steps
        "mean": json.dumps(card["mean"]),
        "std": json.dumps(card["std"]),
        "input": "RGB in 0..1, minus mean, over std; float32 (N, 3, H, W)",
        "scale": f"trained with a shorter side of {trained.data.crop_size} pixels",
        "size": " ".join(map(str, size)) or ANY,
        "outputs": "logits float32 (N, C, H, W); classes int64 (N, H, W), the decision of the method; "
        "H = W = 1 where it is about the whole image",
        "method": trained.method_name,
        "dataset": trained.step.dataset,
        "task": trained.step.task,
        "step": str(trained.step.index),
        "checkpoint": f"{trained.checksum:08x}",
    }
