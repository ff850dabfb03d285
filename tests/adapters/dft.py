"""DFT and DFT*: loss, what is trained, optimisation, three whole steps."""

import torch
from torch import nn

from methods import METHODS
from modules.head import Head as BaseHead
from segmentation_module import SegmentationModel
from tests.adapters import adapter
from tests.adapters.mib_methods import CPU, Head, step_of
from train import Training, optimizer_step, start
from utils.losses.pixelwise import cross_entropy

FLAGS = {
    "freeze_backbone": "--fix_backbone",
    "freeze_classifiers": "--fix_pre_cls",
    "pre_allocate": "--pre_allocate",
}


def method_of(params, index):
    """The method that a case's flags mean, at step `index`; none of them is plain fine-tuning."""
    step, flags = step_of(params["cls_sizes"], index), params["flags"]
    if not flags:
        return METHODS["FT"](step)
    return METHODS["DFT*"](step, **{name: flag in flags for name, flag in FLAGS.items()})


def rows(net, name, value):
    """For every classifier row `value` of its module's parameter `name`."""
    return torch.cat([value(getattr(classifier, name)) for classifier in net.cls])


def load_rows(net, weight, bias):
    """Fill the classifiers from stacked rows (C, D) and (C,); rows that do not exist yet are left out."""
    sizes = [classifier.out_channels for classifier in net.cls]
    weights, biases = weight[: sum(sizes)].split(sizes), bias[: sum(sizes)].split(sizes)
    for classifier, rows_weight, rows_bias in zip(net.cls, weights, biases, strict=True):
        classifier.load_state_dict({"weight": rows_weight[:, :, None, None], "bias": rows_bias})


class Given(nn.Module):
    """A backbone that returns given features (N, D, h, w)."""

    def __init__(self, features, *, trained):
        super().__init__()
        self.features = nn.Parameter(features.clone()) if trained else features

    def forward(self, images):
        return self.features, {}

    def __deepcopy__(self, memo):
        return self  # a network that folds its frozen parts must see the next batch's features, too


def given_network(method, inputs, body):
    net = SegmentationModel(body, Head(inputs["weight"].shape[1]), method.heads(method.step)).double()
    load_rows(net, inputs["weight"], inputs["bias"])
    method.net = method.model = net
    if method.step.index > 0:
        method.start_increment(None)
    net.train()
    return net


@adapter("dft.ce")
def ce(inputs, params):
    logits = inputs["logits"].clone().requires_grad_()
    loss = cross_entropy(logits, inputs["labels"]).mean()
    loss.backward()
    return {"loss": loss.detach(), "grad_logits": logits.grad}


@adapter("dft.cls")
def cls(inputs, params):
    method = method_of(params, params["step"])
    net = given_network(method, inputs, Given(inputs["features"], trained=True))
    images = torch.zeros(len(inputs["labels"]), 3, *inputs["labels"].shape[-2:])
    loss = sum(method.losses(images, inputs["labels"]).values())
    loss.backward()
    features = net.body.features

    def gradient(parameter):
        return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad

    return {
        "logits_full": net(images).logits.detach(),
        "loss": loss.detach(),
        "grad_weight": rows(net, "weight", gradient)[:, :, 0, 0],
        "grad_bias": rows(net, "bias", gradient),
        "row_has_grad": rows(net, "bias", lambda bias: torch.full(bias.shape, int(bias.requires_grad))),
        "grad_features": gradient(features),
        "features_have_grad": torch.tensor(int(features.requires_grad)),
        "trainable_cls_params": torch.tensor(sum(p.numel() for p in net.cls.parameters() if p.requires_grad)),
    }


@adapter("dft.sgd")
def sgd(inputs, params):
    method = method_of(params, params["step"])
    net = given_network(method, inputs, Given(inputs["features"][0], trained=False))
    training = Training(params["epochs"], params["lr"], params["weight_decay"], params["poly_power"])
    progress = start(method, training, batches=params["iterations_per_epoch"], device=CPU)
    losses, lrs = [], []
    for _ in range(params["epochs"]):
        for features, labels in zip(inputs["features"], inputs["labels"], strict=True):
            net.body.features = features
            lrs.append(progress.scheduler.get_last_lr()[0])
            losses.append(iterate(method, progress, torch.zeros(len(labels), 3, *labels.shape[-2:]), labels))
    return {
        "losses": torch.stack(losses),
        "lrs": torch.tensor(lrs, dtype=torch.float64),
        "weight_after": rows(net, "weight", torch.Tensor.detach)[:, :, 0, 0],
        "bias_after": rows(net, "bias", torch.Tensor.detach),
        "row_frozen": rows(net, "bias", lambda bias: torch.full(bias.shape, int(not bias.requires_grad))),
    }


def iterate(method, progress, images, labels):
    """One iteration as `train.py` does it; the loss before it."""
    loss = sum(method.losses(images, labels).values())
    loss.backward()
    optimizer_step(method, progress)
    return loss.detach()


class TinyBody(nn.Module):
    """The goldens' backbone: convolution, batch norm, leaky ReLU."""

    def __init__(self, weight, params):
        super().__init__()
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(weight.shape[0], eps=params["bn_eps"], momentum=params["bn_momentum"])

    def forward(self, images):
        return nn.functional.leaky_relu(self.bn(self.conv(images)), 0.01), {}


class TinyHead(BaseHead):
    """The goldens' head: 1x1 convolution, batch norm, leaky ReLU."""

    def __init__(self, weight, params):
        super().__init__()
        self.out_channels = weight.shape[0]
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False)
        self.bn = nn.BatchNorm2d(weight.shape[0], eps=params["bn_eps"], momentum=params["bn_momentum"])

    def forward(self, features):
        return nn.functional.leaky_relu(self.bn(self.conv(features)), 0.01)


def tensors(part):
    """Names in the goldens of what a body or head holds."""
    return {
        "conv": part.conv.weight,
        "bn_weight": part.bn.weight,
        "bn_bias": part.bn.bias,
        "bn_mean": part.bn.running_mean,
        "bn_var": part.bn.running_var,
    }


@adapter("dft.e2e")
def e2e(inputs, params):
    out, previous = {}, None
    for index in range(len(params["cls_sizes"])):
        method = method_of(params, index)
        body, head = TinyBody(inputs["init_body_conv"], params), TinyHead(inputs["init_head_conv"], params)
        method.net = method.model = net = SegmentationModel(body, head, method.heads(method.step)).double()
        load_rows(net, inputs["init_cls_weight"], inputs["init_cls_bias"])
        parts = {"body": tensors(body), "head": tensors(head)}
        if index == 0:
            with torch.no_grad():
                for part, named in parts.items():
                    for name, tensor in named.items():
                        tensor.copy_(inputs[f"init_{part}_{name}"])
        else:
            method.load_previous(previous)
            method.start_increment(None)
        images, labels = inputs[f"images_{index}"].double(), inputs[f"labels_{index}"]
        lr = params["lr_per_step"][index]
        training = Training(params["epochs"], lr, params["weight_decay"], params["poly_power"])
        progress = start(method, training, batches=params["iterations_per_epoch"], device=CPU)
        net.train()
        losses = [
            iterate(method, progress, *batch)
            for _ in range(params["epochs"])
            for batch in zip(images, labels, strict=True)
        ]
        net.eval()
        for part, named in parts.items():
            out |= {f"after{index}_{part}_{name}": tensor.detach().clone() for name, tensor in named.items()}
        out |= {
            f"losses_{index}": torch.stack(losses),
            f"after{index}_cls_weight": rows(net, "weight", torch.Tensor.detach)[:, :, 0, 0],
            f"after{index}_cls_bias": rows(net, "bias", torch.Tensor.detach),
            f"eval_logits_{index}": net(images[0]).logits.detach(),
        }
        previous = net.state_dict()
    return out
