"""Distributed training. Every function also works without a process group, at no cost."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from utils.colours import with_warning

store: dist.Store | None = None  # small messages between processes that do not wait for each other


def init(timeout: float = 1800.0) -> torch.device:
    """Join torchrun's process group, if the environment has one; return this process's device.

    nccl on CUDA, gloo on CPU. Plain `python` starts no group at all. `timeout` in seconds bounds every
    collective.
    """
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        global store
        backend = "nccl" if device.type == "cuda" else "gloo"
        store, number, size = next(dist.rendezvous("env://", timeout=timedelta(seconds=timeout)))
        group = dist.PrefixStore("group", store)
        dist.init_process_group(backend, store=group, rank=number, world_size=size,
                                timeout=timedelta(seconds=timeout))  # fmt: skip
    return device


def is_distributed() -> bool:
    """Whether more than one process trains."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, 0 without a group."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Number of processes, 1 without a group."""
    return dist.get_world_size() if is_distributed() else 1


def is_main() -> bool:
    """Whether this process prints and writes files."""
    return rank() == 0


def say(text: str) -> None:
    """Print on the first process."""
    if is_main():
        print(with_warning(text), flush=True)


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum `tensor` over processes, in place; returns it."""
    if is_distributed():
        dist.all_reduce(tensor)
    return tensor


def of_every_process(tensor: Tensor) -> list[Tensor]:
    """`tensor` of each process, in the order of their numbers; all have one shape.

    A sum that leaves every process its own place: inf and nan arrive as they are, which the maximum over gloo
    does not warrant (torch 2.14: max(1, nan) of two processes can be 1).
    """
    if not is_distributed():
        return [tensor]
    places = tensor.new_zeros(world_size(), *tensor.shape)
    places[rank()] = tensor
    return list(all_reduce_sum(places))


def joint_sum(tensor: Tensor) -> Tensor:
    """`tensor` summed over processes; the gradients by it average to what one process with all of it has."""
    if not is_distributed():
        return tensor
    own = tensor * world_size()
    return own + (all_reduce_sum(tensor.detach().clone()) - own).detach()


def joint_max(tensor: Tensor) -> Tensor:
    """Largest `tensor` of all processes, element by element, with gradients like those of `joint_sum`."""
    return _JointMax.apply(tensor) if is_distributed() else tensor


class _JointMax(torch.autograd.Function):
    """What the losses of all processes owe to the largest goes to the process that has it."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        largest = torch.stack(of_every_process(tensor)).amax(0)
        ctx.save_for_backward(tensor == largest)
        return largest

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, outer: Tensor) -> Tensor:
        (own,) = ctx.saved_tensors
        return all_reduce_sum(outer.clone()) * own


def barrier() -> None:
    """Wait for every process."""
    if is_distributed():
        dist.barrier()


def broadcast_object(value):
    """`value` of rank 0 on every rank."""
    if not is_distributed():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def distribute(net: nn.Module, device: torch.device) -> nn.Module:
    """`net` wrapped for gradient averaging, or `net` itself when one process trains.

    Freeze before wrapping: parameters without gradient are then not communicated at all. Buffers are not
    broadcast, because synchronised norms keep them equal already.
    """
    if not is_distributed():
        return net
    ids = [device.index] if device.type == "cuda" else None
    # Norms of maps that only distillation reads have no gradient in other methods, and DDP would wait for it
    # forever. Their gradients, if there are any, are averaged by a hook of their own.
    spare = {
        f"{path}.{name}": parameter
        for path, module in net.named_modules()
        if getattr(module, "spare", False)
        for name, parameter in module.named_parameters()
    }
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(net, list(spare))
    for parameter in spare.values():
        if parameter.requires_grad:
            parameter.register_hook(lambda grad: all_reduce_sum(grad.clone()) / world_size())
    # Not static_graph, though the graph is static: it only saves a search for unused parameters, which is off
    # here, forbids accumulation in the first iteration, and (torch 2.15) silently averages nothing if a
    # network returns an object instead of tensors.
    wrapped = nn.parallel.DistributedDataParallel(net, device_ids=ids, gradient_as_bucket_view=True)
    wrapped.broadcast_buffers = False  # as an argument it is deprecated; torch 2.11 has no other name for it
    return wrapped


def close() -> None:
    """Leave the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
