"""RCIL networks at any step of a small task, for several tests."""

import torch

from methods.rcil import RCIL
from modules import parallel
from segmentation_module import Parts
from tasks import Step

GROUPS = ((0, 1, 2), (3,), (4, 5))
PARTS = Parts("tiny", output_stride=8, pooling=2)


def images(count=2, side=32):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def shaken(net, seed=0):
    """`net` with norms off their defaults, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        resting = any(name.startswith(prefix) for prefix in identity_norms(net))
        if tensor.dim() == 1 and not name.startswith("cls.") and not resting:
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(0.5 + noise if "var" in name else noise - 0.3)
    return net


def identity_norms(net):
    names = {module: name for name, module in net.named_modules()}
    return [names[unit.branch()[1]] for unit in parallel.units(net) if unit.merged]


def chain(last, groups=GROUPS, has_background=True, **hyper):
    """RCIL at step `last`, each step's weights taken over from the one before, and its teacher."""
    torch.manual_seed(0)
    step = Step("test", "task", 0, groups, has_background=has_background and groups[0] != groups[1])
    method = RCIL(step, **hyper)
    method.net = shaken(method.build_model(step, PARTS))
    for index in range(1, last + 1):
        state = method.net.state_dict()
        method = RCIL(step.at(index), **hyper)
        method.net = method.build_model(method.step, PARTS)
        method.load_previous(state)
        method.teacher = method.build_model(step.at(index - 1), PARTS)
        method.teacher.load_state_dict(state)
        method.teacher.eval().requires_grad_(False)
        if index < last:
            method.net = shaken(method.net, seed=index)
    method.model = method.net
    return method


def started(last, **hyper):
    method = chain(last, **hyper)
    method.start_increment(None)
    method.net.train()
    return method
