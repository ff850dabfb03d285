"""Worker: nan on the last process alone, wherever processes look for it; every rank writes what it saw.

torchrun --nproc_per_node N -m tests.nonfinite_processes FOLDER
"""

import json
import math
import sys
from pathlib import Path

import torch

from metrics.confusion import ConfusionMatrix
from tests.builders import SilentLog, TinyLoader, make_method
from train import Training, evaluate, fit
from utils import distributed
from utils.loss_values import NonFiniteLoss
from utils.losses.weight_transfer import WeightTransfer, pretune

CPU = torch.device("cpu")


def last() -> bool:
    """Whether this is the process with the fault."""
    return distributed.rank() == distributed.world_size() - 1


def message(kind: type[Exception], work, *arguments, **options) -> str:
    """What `work` complains about, or ""."""
    try:
        work(*arguments, **options)
    except kind as error:
        return str(error)
    return ""


def training() -> str:
    """The second batch's loss is nan."""
    method = make_method("FT", 0)
    real, calls = method.losses, [0]

    def losses(images, labels):
        calls[0] += 1
        found = real(images, labels)
        return found | {"extra": found["ce"] * (math.nan if last() and calls[0] == 2 else 0.5)}

    method.losses = losses
    method.model = distributed.distribute(method.net, CPU)
    loader, training = TinyLoader(method.step, 3), Training(epochs=1, lr=0.01)
    return message(NonFiniteLoss, fit, method, loader, training, device=CPU, log=SilentLog())


def testing() -> str:
    """A weight is nan, so that every logit is."""
    method = make_method("FT", 0)
    if last():
        method.net.cls[0].bias.data[0] = math.nan
    return message(FloatingPointError, evaluate, method, TinyLoader(method.step), device=CPU, log=SilentLog())


def pretuning() -> str:
    """The features of the only batch of NeST's pre-tuning are nan."""
    transfer = WeightTransfer(torch.ones(2, 3, 4), torch.ones(2, 3), torch.zeros(2))
    features = torch.full((1, 4, 2, 2), math.nan if last() else 1.0)
    batches = [(features, torch.zeros(1, 8, 8, dtype=torch.int64))]
    weights = torch.ones(3, 4), torch.zeros(3)
    return message(FloatingPointError, pretune, transfer, batches, *weights, lr=0.1, iterations=1)


def main(folder: str) -> None:
    """Look everywhere, and write."""
    torch.set_num_threads(1)
    distributed.init(60)
    values = torch.tensor([1.0, math.nan if last() else 2.0])
    matrix = ConfusionMatrix(2)
    matrix.note_broken(values.view(1, 2, 1, 1))
    found = {
        "gathered": [row.tolist() for row in distributed.of_every_process(values)],
        "matrix": message(FloatingPointError, matrix.reduce),
        "training": training(),
        "testing": testing(),
        "pretuning": pretuning(),
    }
    (Path(folder) / f"{distributed.rank()}.json").write_text(json.dumps(found))
    distributed.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
