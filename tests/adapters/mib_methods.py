"""Methods of the MiB family: importance penalties, classifier initialisation, whole training runs."""

import torch
from torch import nn

from methods import METHODS
from methods.ewc import EWC
from methods.pi import PI
from methods.rw import RW
from metrics.confusion import ConfusionMatrix
from modules.classifiers import init_from_background
from modules.head import Head as BaseHead
from segmentation_module import SegmentationModel
from tasks import Step
from tests.adapters import adapter
from train import Training, optimizer_step, start

CPU = torch.device("cpu")


def step_of(classes, index):
    """A step of a task with `classes` rows per step."""
    bounds = [sum(classes[:i]) for i in range(len(classes) + 1)]
    groups = tuple(tuple(range(*pair)) for pair in zip(bounds, bounds[1:], strict=False))
    return Step("golden", "golden", index, groups)


def family(inputs, prefix):
    """Arrays `prefix`.* under the rest of their names."""
    return {k.removeprefix(prefix + "."): v for k, v in inputs.items() if k.startswith(prefix + ".")}


class Bag(nn.Module):
    """Parameters under given names, as much of a network as a penalty needs."""

    precision = torch.float32

    def __init__(self, values):
        super().__init__()
        self.values = nn.ParameterDict({name.replace(".", "_"): v.clone() for name, v in values.items()})
        self.names = list(values)

    def named_parameters(self):
        return [(name, self.values[name.replace(".", "_")]) for name in self.names]

    def load_previous(self, state, *, new):
        """The golden case sets the weights of each update itself."""

    def set(self, values):
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(values[name])


def penalised(kind, inputs, params, hyper):
    """Run the updates of a case; returns the statistics, penalty and gradient of each."""
    first = params["step0"]
    method = kind(
        step_of([2, 1], 0 if first else 1), reg_importance=1.0, reg_normalize=params["normalize"], **hyper
    )
    method.net = method.model = Bag(family(inputs, "in_start"))
    method.net.cls = []
    if not first:
        method.load_previous(family(inputs, "in_old"))
        stored = {name: family(inputs, f"in_state_{name}") for name in method.weighs}
        method.load_state_dict({"step": 0, "finished": stored})
    out, penalties = {}, []
    method.prepare()
    for k in range(params["updates"]):
        method.net.set(family(inputs, f"in_theta{k}"))
        gradients = family(inputs, f"in_grad{k}")
        for name, parameter in method.net.named_parameters():
            parameter.grad = gradients[name].clone()
        method.after_backward()
        for name, parameter in method.net.named_parameters():
            out[f"out_penalty_grad{k}.{name}"] = parameter.grad - gradients[name]
        for label, name in {"fisher": "fisher", "score": "score", "delta": "path"}.items():
            for key, value in method.running.get(name, {}).items():
                out[f"out_{label}_after{k}.{key}"] = value.clone()
        penalties.append(method.penalty())
    method.end_increment(None)
    for name, value in method.state_dict()["finished"].get("score", {}).items():
        out[f"out_state_score.{name}"] = value
    return out | {"out_penalty": torch.stack(penalties)}


@adapter("mib.reg_ewc")
def reg_ewc(inputs, params):
    return penalised(EWC, inputs, params, {"reg_alpha": params["alpha"]})


@adapter("mib.reg_pi")
def reg_pi(inputs, params):
    return penalised(PI, inputs, params, {})


@adapter("mib.reg_rw")
def reg_rw(inputs, params):
    return penalised(
        RW, inputs, params, {"reg_alpha": params["alpha"], "reg_iterations": params["iterations"]}
    )


def classifiers(weights, biases):
    """One 1x1 convolution for each pair of weight (C, D, 1, 1) and bias (C,)."""
    convs = nn.ModuleList()
    for weight, bias in zip(weights, biases, strict=True):
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, dtype=weight.dtype)
        conv.load_state_dict({"weight": weight, "bias": bias})
        convs.append(conv)
    return convs


@adapter("mib.init_classifier")
def init_classifier(inputs, params):
    steps = range(len(params["classes"]))
    cls = classifiers(
        [inputs[f"in_cls.{i}.weight"] for i in steps], [inputs[f"in_cls.{i}.bias"] for i in steps]
    )
    net = SegmentationModel(nn.Identity(), Head(params["head_channels"]), params["classes"]).double()
    net.cls.load_state_dict(cls.state_dict())
    before = net.classify(inputs["in_feat"]).detach()
    init_from_background(net.cls)
    after = {f"out_after.cls.{name}": value for name, value in net.cls.state_dict().items()}
    return after | {
        "out_logits_before": before,
        "out_logits_after": net.classify(inputs["in_feat"]).detach(),
    }


@adapter("plop_nest.init_balanced")
def init_balanced(inputs, params):
    weights = inputs["weights"][:, :, None, None].split(params["classes"])
    cls = classifiers(weights, inputs["biases"].split(params["classes"]))
    init_from_background(cls)
    return {
        "weights_after": torch.cat([c.weight for c in cls]).detach()[:, :, 0, 0],
        "biases_after": torch.cat([c.bias for c in cls]).detach(),
    }


class Head(BaseHead, nn.Sequential):
    """A head of given layers."""

    def __init__(self, out_channels, *layers):
        super().__init__(*layers)
        self.out_channels = out_channels


class Body(nn.Sequential):
    """The goldens' backbone; its convolution is layer 1."""

    def forward(self, images):
        return super().forward(images), {}


def network(weights, rows):
    """The goldens' network (its description is in their params) with `rows` per step."""
    wide, deep = weights["body.1.weight"].shape, weights["head.0.weight"].shape
    body = Body(nn.Identity(), nn.Conv2d(wide[1], wide[0], 3, stride=2, padding=1), nn.LeakyReLU(0.01))
    head = Head(deep[0], nn.Conv2d(deep[1], deep[0], 1), nn.LeakyReLU(0.01))
    return SegmentationModel(body, head, rows).double()


CLASSIFICATION = ("ce", "unce", "bce")
REPORTED_BARE = ("loss_kd", "loss_de", "reg_importance")  # validation leaves these weights out


def hyper_of(kind, params):
    """Those hyper-parameters of a method that a case names."""
    values = {**params, "reg_normalize": not params["reg_no_normalize"]}
    return {name: value for name, value in values.items() if hasattr(kind, name)}


def split_losses(losses):
    """Classification loss and the sum of everything else (2,), as published logs have it."""
    values = {name: float(value.detach()) for name, value in losses.items()}
    rows = [[value, 0.0] if name in CLASSIFICATION else [0.0, value] for name, value in values.items()]
    return torch.tensor(rows, dtype=torch.float64).sum(0)


def train_step(method, inputs, params, out):
    """One step of training as `train.py` does it; writes losses and weights to `out`."""
    index = method.step.index
    lr = params["lr_step0" if index == 0 else "lr_later"]
    training = Training(epochs=1, lr=lr, weight_decay=params["weight_decay"], lr_power=params["poly_power"])
    images, labels = inputs[f"in_train_images{index}"], inputs[f"in_train_labels{index}"]
    progress = start(method, training, batches=len(images), device=CPU)
    method.net.train()
    sums, totals = torch.zeros(2, dtype=torch.float64), []
    for image, label in zip(images.double(), labels.long(), strict=True):
        losses = method.losses(image, label)
        total = sum(losses.values())
        total.backward()
        optimizer_step(method, progress)
        totals.append(total.detach())
        sums += split_losses(losses)
    method.end_increment(None)
    out[f"out_step{index}_iter_total_loss"] = torch.stack(totals)
    out[f"out_step{index}_epoch_class_loss"], out[f"out_step{index}_epoch_reg_loss"] = sums / len(images)
    for name, value in method.net.state_dict().items():
        out[f"out_step{index}_param.{name}"] = value.clone()
    for name, values in method.state_dict().get("finished", {}).items():
        out |= {f"out_step{index}_{name}.{key}": value.clone() for key, value in values.items()}


@torch.no_grad()
def validate(method, inputs, out):
    """Losses and confusion matrix of the step's validation batches, written to `out`."""
    index = method.step.index
    for name in REPORTED_BARE:
        if hasattr(method, name):
            setattr(method, name, 1.0)
    method.net.eval()
    matrix, sums = ConfusionMatrix(method.step.num_seen), []
    images, labels = inputs[f"in_val_images{index}"].double(), inputs[f"in_val_labels{index}"].long()
    for image, label in zip(images, labels, strict=True):
        sums.append(split_losses(method.losses(image, label)))
        matrix.update(label, method.predict(method.net(image).logits))
    means = torch.stack(sums).mean(0)
    out[f"out_step{index}_val_class_loss"], out[f"out_step{index}_val_reg_loss"] = means
    out[f"out_step{index}_val_confusion"] = matrix.counts.double()


@adapter("mib.trainer")
def trainer(inputs, params):
    kind, out = METHODS[params["method"]], {}
    weights = family(inputs, "in_w0")
    old, state = None, {}
    for index in range(len(params["classes"])):
        step = step_of(params["classes"], index)
        method = kind(step, **hyper_of(kind, params))
        method.net = method.model = network(weights, method.heads(step))
        if index == 0:
            method.net.load_state_dict(weights)
        else:
            method.net.cls[-1].load_state_dict(family(inputs, f"in_new_head{index}"))
            method.load_previous(old.state_dict())
            method.load_state_dict(state)
            method.teacher = old.eval().requires_grad_(False) if kind.needs_teacher else None
            method.start_increment(None)
        train_step(method, inputs, params, out)
        state = method.state_dict()
        validate(method, inputs, out)
        old = method.net
    return out
