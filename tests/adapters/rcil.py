"""RCIL's loss, classifier and parameter list against the published system."""

import re
from types import SimpleNamespace

import torch
from torch import nn

from config.recipes import find_recipes
from methods.rcil import RCIL
from modules.abn import ABN
from modules.classifiers import init_weights_from_background
from modules.head import Head
from segmentation_module import Output, Parts
from tasks import Step
from tests.adapters import adapter
from tests.adapters.rcil_branches import part_of, under


@adapter("rcil.init_classifier")
def init_classifier(inputs, params):
    sizes = params["classes_per_step"]
    classifiers = nn.ModuleList(nn.Conv2d(params["channels"], rows, 1) for rows in sizes).double()
    classifiers.load_state_dict(part_of(inputs, "before.cls."))
    init_weights_from_background(classifiers)
    return under("after.cls.", classifiers.state_dict())


def published(dataset):
    """RCIL's values for a dataset, from the project's recipes."""
    setting = {"method": "RCIL", "dataset": dataset, "recipe": "auto"}  # one that holds for all its tasks
    names = ("pckd_maps", "pckd_logits", "pckd_channel_maps", "pckd_channel_features")
    values = {name: getattr(RCIL, name) for name in names}
    for _, recipe in find_recipes(setting):
        values |= {name: recipe[name] for name in names if name in recipe}
    return values


def fake_output(maps, size):
    """What a network would leave behind, with `maps` in the order of the pooled cubes."""
    *stages, features, logits = maps
    named = {f"mod{number}": stage for number, stage in enumerate(stages, start=2)}
    return Output(logits, features, stages[-1] if stages else features, named, size)


def step_of(sizes, index, dataset="voc", *, grows=True):
    if not grows:
        return Step(dataset, "stored", index, (tuple(range(sizes[0])),) * (index + 1), has_background=False)
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    groups = tuple(tuple(range(end - size, end)) for end, size in zip(ends, sizes, strict=True))
    return Step(dataset, "stored", index, groups)


@adapter("rcil.pckd")
def pckd(inputs, params):
    count = sum(key.startswith("new_") for key in inputs)
    old = [inputs[f"old_{i}"] for i in range(count)]
    new = [inputs[f"new_{i}"].clone().requires_grad_() for i in range(count)]
    known, total = params["nb_current_classes"] - params["nb_new_classes"], params["nb_current_classes"]
    step = step_of([known, params["nb_new_classes"]], 1) if known else step_of([total], 1, grows=False)
    (maps, logits), (channel, features) = (
        params[f"factor_{part}_others_last"] for part in ("spatial", "channel")
    )
    method = RCIL(
        step,
        pckd_maps=maps,
        pckd_logits=logits,
        pckd_channel_maps=channel,
        pckd_channel_features=features,
    )
    spatial, channel = method.pooled_cubes(fake_output(old, ()), fake_output(new, ()))
    found = {"loss_spatial": spatial, "loss_channel": channel, "loss_total": spatial + channel}
    for part, loss in (("spatial", spatial), ("channel", channel)):
        grads = torch.autograd.grad(loss, new, retain_graph=True, allow_unused=True, materialize_grads=True)
        found |= {f"grad_{part}_new_{i}": grad for i, grad in enumerate(grads)}
    return found


@adapter("rcil.loss")
def loss(inputs, params):
    dataset = re.search(r"--dataset (\w+)", params["script_options"]).group(1)
    grows = params["criterion"] != "CrossEntropyLoss" or params["step"] == 0
    sizes = params["classes_per_step"] if grows else [params["nb_current_classes"]]
    method = RCIL(step_of(sizes, params["step"], dataset, grows=grows), **published(dataset))
    if params["kd"]:
        method.loss_kd = params["loss_kd"]
    labels, order = inputs["labels"], params["map_order_for_pckd"]
    names = [name for name in order if f"new_{name}" in inputs]
    new = {name: inputs[f"new_{name}"].clone().requires_grad_() for name in names}
    logits = new["sem_logits_small"]
    size = tuple(labels.shape[-2:])
    if len(names) == len(order):
        student = fake_output(list(new.values()), size)
        teacher = fake_output([inputs[f"old_{name}"] for name in order], size)
        method.teacher = lambda images: teacher
    else:
        student = Output(logits, logits, logits, {}, size)
    method.model, method.net = lambda images: student, SimpleNamespace(head=Head())
    losses = method.losses(labels, labels)
    total = sum(losses.values())
    total.backward()
    zero = torch.zeros_like(total)
    return {
        "loss_total": total,
        "loss_ce": losses.get("unce", losses.get("ce")),
        "loss_kd_weighted": losses.get("unkd", zero),
        "loss_pckd_spatial": losses.get("pckd_spatial", zero),
        "loss_pckd_channel": losses.get("pckd_channel", zero),
    } | {f"grad_new_{name}": tensor.grad for name, tensor in new.items()}


@adapter("rcil.params")
def parameters(inputs, params):
    step = step_of(inputs["classes_per_step"], inputs["step"], inputs["dataset"])
    method = RCIL(step)
    with torch.device("meta"):
        net = method.net = method.build_model(step, Parts(params["backbone"], params["output_stride"]))
        if step.index:
            method.start_increment(None)
    net.train()
    found = {}
    for name, p in net.named_parameters():
        found[name] = [name, list(p.shape), "param", "trainable" if p.requires_grad else "frozen"]
    found |= {name: [name, list(buffer.shape), "buffer"] for name, buffer in net.named_buffers()}
    trainable = sum(p.numel() for p in net.trainable())
    stored = {entry[0]: index for index, entry in enumerate(inputs["list"])}
    resting = [name for name, m in net.named_modules() if isinstance(m, ABN) and not m.training]
    order = {name: index for index, name in enumerate(inputs["eval_mode_bn_during_training"])}
    return inputs | {
        "n_trainable": trainable,
        "n_frozen": sum(p.numel() for p in net.parameters()) - trainable,
        "eval_mode_bn_during_training": sorted(resting, key=lambda name: order.get(name, -1)),
        "list": sorted(found.values(), key=lambda entry: stored.get(entry[0], -1)),
    }
