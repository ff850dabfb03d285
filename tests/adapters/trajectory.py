"""Whole trajectories: five iterations of the project's own loop, from weights and images of a formula.

The formula is that of `goldens/trajectory/README.md`, as are the names of what is returned.
"""

import zlib
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch

from methods import METHODS
from methods.build import build_method
from segmentation_module import Parts
from tasks import Step
from tests.adapters import adapter
from tests.builders import SilentLog, TinyLoader
from train import Training, start, train_one_epoch

CPU = torch.device("cpu")


# -- the formula of the inputs
def uniform(seed, name, shape):
    """In [-1, 1): the upper 53 bits of raw words of PCG64."""
    words = np.random.PCG64(zlib.crc32(f"{seed}/{name}".encode())).random_raw(int(np.prod(shape)))
    return ((words >> np.uint64(11)) * 2.0**-52 - 1.0).reshape(shape)


def value(seed, name, shape):
    """A parameter or running statistic."""
    u = uniform(seed, name, shape)
    if name.endswith(("bias", "running_mean")):
        return 0.2 * u
    if name.endswith("running_var"):
        return 1.0 + 0.25 * u
    if len(shape) == 1:
        return 1.0 + 0.3 * u
    if shape[1] % 2 == 0:
        u[:, 1::2] = -u[:, ::2]
    return np.sqrt(6.0 / np.prod(shape[1:])) * u


def weights(seed, net):
    """The state dict of `net` by the formula."""
    return {name: torch.from_numpy(value(seed, name, old.shape)) for name, old in net.state_dict().items()}


def fisher(seed, net):
    """The Fisher matrix of the step before."""
    return {
        name: torch.from_numpy(np.square(np.square(uniform(seed, f"fisher/{name}", p.shape))))
        for name, p in net.named_parameters()
    }


def batch(seed, number, size, crop, classes, shown):
    """Images (size, 3, crop, crop), as networks see them, and labels (size, crop, crop)."""
    drawn = np.floor((uniform(seed, f"labels/{number}", (size, 8, 8)) + 1) / 2 * (classes + 1)).astype(int)
    truth = drawn.repeat(crop // 8, 1).repeat(crop // 8, 2)
    colour = uniform(seed, "colours", (classes + 1, 3))[truth].transpose(0, 3, 1, 2)
    images = np.round(64 * (1.5 * colour + 0.5 * uniform(seed, f"images/{number}", colour.shape))) / 64
    labels = np.where(truth == classes, 255, np.where(np.isin(truth, shown), truth, 0))
    return torch.from_numpy(images), torch.from_numpy(labels)


def measure(name, difference):
    """Euclidean norm, and product with a fixed vector."""
    probe = torch.from_numpy(uniform("probe", name, difference.shape))
    return torch.stack([difference.square().sum().sqrt(), (difference * probe).sum()])


class Batches(TinyLoader):
    """The batches of a case."""

    def __init__(self, params):
        shown = params["groups"][params["step"]]
        shape = params["batch"], params["crop"], params["classes"]
        self.batches = [batch(params["seed"], n, *shape, shown) for n in range(params["batches"])]
        self.batch_sampler = self


class Kept(SilentLog):
    """Losses and learning rate of every iteration."""

    def __init__(self):
        self.rates, self.terms = [], {}

    def losses(self, iteration, losses, lr):
        self.rates.append(lr)
        for name, number in losses.items():
            self.terms.setdefault(name.removeprefix("un"), []).append(number)


# -- the project's own loop
@contextmanager
def double():
    """Float64 throughout; images come as networks see them."""
    with mock.patch("train.to_device", as_it_is), mock.patch("dataset.loader.to_device", as_it_is):
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def as_it_is(images, labels, device):
    """What `to_device` would do with uint8."""
    return images.contiguous(memory_format=torch.channels_last), labels


def prepared(params):
    """The method at its step, as `run.py` prepares it."""
    groups, name, seed = tuple(map(tuple, params["groups"])), params["method"], params["seed"]
    step = Step("case", params["task"], params["step"], groups)
    hyper = {key: params[key] for key in params if hasattr(METHODS[name], key)}
    training = Training(params["epochs"], params["lr"], params["weight_decay"], params["lr_power"])
    parts = Parts(backbone=params["backbone"], output_stride=params["output_stride"])
    how = {"hyper": hyper, "training": training, "device": CPU}
    previous = {}
    if step.index > 0:
        old = build_method(name, step.at(step.index - 1), parts, **how).net
        known = {"step": step.index - 1, "finished": {"fisher": fisher(seed, old)}}
        previous = {"step": known["step"], "net": weights(seed, old), "method_state": known}
    method = build_method(name, step, parts, previous=previous, **how)
    taken_over = previous.get("net", {})
    new = {key: tensor for key, tensor in weights(seed, method.net).items() if key not in taken_over}
    method.net.load_state_dict(new, strict=False)
    return method


def state(method):
    """A copy of parameters and running statistics."""
    return {name: tensor.clone() for name, tensor in method.net.state_dict().items()}


@adapter(*(f"trajectory.{name}" for name in ("ft", "mib", "plop", "dft_star", "lwf", "ewc")))
def trajectory(inputs, params):
    with double():
        method, loader, log = prepared(params), Batches(params), Kept()
        if method.step.index > 0:
            method.start_increment(loader)
        progress = start(method, method.training, batches=len(loader), device=CPU)
        states = [state(method)]
        train_one_epoch(method, loader, method.training, progress, device=CPU, log=log,
                        after_iteration=lambda _: states.append(state(method)))  # fmt: skip
        method.end_increment(loader)
    out = {"lr": log.rates, "thresholds": getattr(method, "thresholds", None)}
    out |= {f"loss.{name}": values for name, values in log.terms.items()}
    for name, first in states[0].items():
        if name.startswith("cls."):
            out[f"start.{name}"] = measure(name, first)
        for number in (1, params["iterations"]):
            out[f"update{number}.{name}"] = measure(name, states[number][name] - first)
    for name, tensor in method.state_dict().get("finished", {}).get("fisher", {}).items():
        out[f"fisher.{name}"] = measure(name, tensor)
    return out
