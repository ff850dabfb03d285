"""A loss that is not finite: the batch is written to a file, and a command looks at it again."""

from pathlib import Path

import torch

from dataset.transform import to_device
from experiment import checkpoint
from utils.distributed import barrier, rank
from utils.loss_values import NonFiniteLoss


def write_failure(path: Path, error: NonFiniteLoss, method, loader, about: dict) -> Path:
    """Write the images, labels and ids of the batch that `error` names, and the weights as they are, beside
    `path`; of several processes the one that `error` names does. Returns the file, on every process.

    A batch is a pure function of epoch and number, so nothing has to be kept while training goes well.
    """
    path = path.with_name(f"{path.stem}.failed_rank{error.process}.pt")
    if rank() == error.process:
        write_batch(path, error, method, loader, about)
    barrier()  # a process that ends now would take the writing one with it
    return path


def write_batch(path: Path, error: NonFiniteLoss, method, loader, about: dict) -> None:
    """Write this process's batch that `error` names."""
    loader.batch_sampler.seek(error.epoch, error.batch)
    keys = next(iter(loader.batch_sampler))
    images, labels = (
        torch.stack(list(column)) for column in zip(*(loader.dataset[key] for key in keys), strict=True)
    )
    content = {
        "images": images,
        "labels": labels,
        "ids": [loader.dataset.ids[index] for _, index in keys],
        "message": str(error),
        "epoch": error.epoch,
        "batch": error.batch,
        "weights": method.net.state_dict(),
        "method_state": method.state_dict(),
    }
    checkpoint.save(about | content, path)


def replay(path: Path | str, method, device: torch.device) -> str:
    """Run the batch in `path` through `method` again; says what every loss term is and where numbers break
    first.
    """
    content = checkpoint.load(path)
    method.net.load_state_dict(content["weights"])
    method.load_state_dict(content["method_state"])
    method.net.train()
    first: list[str] = []

    def look(name: str):
        def hook(module, _, output):
            if isinstance(output, torch.Tensor) and not first and not torch.isfinite(output).all():
                first.append(f"{name} ({type(module).__name__})")

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in method.net.named_modules()]
    losses = method.losses(*to_device(content["images"], content["labels"], device))
    for handle in handles:
        handle.remove()
    broken = [
        name
        for name, value in content["weights"].items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    return "\n".join(
        [
            f"{content['message']}; images: {', '.join(content['ids'])}",
            *(f"  {name}: {value.item()}" for name, value in losses.items()),
            f"  weights that are not finite: {', '.join(broken[:5]) or 'none'}",
            f"  first output of the network that is not finite: {first[0] if first else 'none'}",
        ]
    )
