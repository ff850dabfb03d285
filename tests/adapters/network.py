"""Norm, blocks, head and whole network against the published in-place-ABN ResNets."""

import numpy as np
import torch

from methods.base import Method
from methods.dft import DFTStar
from models import BACKBONES
from modules.abn import ABN
from modules.deeplab import DeepLabV3Head
from modules.residual import ResidualBlock
from segmentation_module import Output, Parts, SegmentationModel, make_model
from tasks import Step
from tests.adapters import adapter


def both_modes(module, inputs):
    """Output and gradients in evaluation mode, then in training mode, and the statistics after that."""
    module.double()
    state = {k.removeprefix("in_state."): v for k, v in inputs.items() if k.startswith("in_state.")}
    module.load_state_dict(state)
    out = {}
    for mode in ("eval", "train"):
        module.train(mode == "train").zero_grad()
        x = inputs["in_x"].clone().requires_grad_()
        y = module(x)
        y.backward(inputs["in_dy"])
        out |= {f"out_{mode}_y": y, f"out_{mode}_grad_x": x.grad}
        out |= {f"out_{mode}_grad.{name}": p.grad.clone() for name, p in module.named_parameters()}
    return out | {f"out_after_train.{name}": b for name, b in module.named_buffers()}


@adapter("mib.abn")
def abn(inputs, params):
    norm = ABN(
        inputs["in_x"].shape[1],
        activation=params["activation"],
        slope=params["activation_param"],
        eps=params["eps"],
        momentum=params["momentum"],
        signed=params["kind"] == "abn",
    )
    return both_modes(norm, inputs)


@adapter("mib.block")
def block(inputs, params):
    options = {key: params[key] for key in ("stride", "dilation")}
    return both_modes(ResidualBlock(params["in_channels"], params["channels"], **options), inputs)


@adapter("mib.head")
def head(inputs, params):
    module = DeepLabV3Head(
        params["in_channels"],
        params["out_channels"],
        hidden_channels=params["hidden_channels"],
        output_stride=params["out_stride"],
        pooling=params["pooling_size"] or 0,
    )
    return both_modes(module, inputs)


@adapter("mib.upsample")
def upsample(inputs, params):
    x = inputs["in_x"]
    return {"out_y": Output(x, x, x, {}, tuple(params["size"])).logits}


@adapter("mib.full")
def full(inputs, params):
    parts = Parts(params["backbone"], output_stride=params["output_stride"], pooling=params["pooling"] or 0)
    net = make_model(parts, params["classes"]).double().eval()
    net.load_state_dict(drawn_weights(net, params["seed"]))
    with torch.no_grad():
        out = net(inputs["in_x"])
    return {
        "out_logits_low": out.logits_small,
        "out_logits_sub": out.logits[:, :, ::6, ::5],
        "out_argmax": out.logits.argmax(1),
        "out_body_every64": out.body[:, ::64],
        "out_pre_logits_every16": out.features[:, ::16],
    }


def drawn_weights(net, seed):
    """Weights by the rule that the case describes, in the order of the published names, which is ours."""
    random = np.random.RandomState(seed)
    weights = {}
    for name, tensor in net.state_dict().items():
        shape = tuple(tensor.shape)
        if name.endswith("running_mean") or name.endswith("bias"):
            value = 0.1 * random.standard_normal(shape)
        elif name.endswith("running_var"):
            value = 0.5 + random.random_sample(shape)
        elif len(shape) == 1:
            size, sign = random.random_sample(shape), random.random_sample(shape)
            value = (0.5 + 0.5 * size) * np.where(sign < 0.1, -1, 1)
        else:
            value = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        weights[name] = torch.from_numpy(value)
    return weights


def counted(tensor):
    return not tensor.endswith("num_batches_tracked")  # a buffer of later in-place ABN versions; we have none


@adapter("mib.model_params")
def model_params(inputs, params):
    parts = Parts(inputs["backbone"], output_stride=inputs["output_stride"])
    with torch.device("meta"):
        net = make_model(parts, inputs["classes_per_step"])
    parameters = {name: list(p.shape) for name, p in net.named_parameters()}
    buffers = {name: list(b.shape) for name, b in net.named_buffers()}
    sizes = {
        part: sum(p.numel() for p in net.get_submodule(part).parameters()) for part in ("body", "head", "cls")
    }
    counters = [entry for entry in inputs["buffers"] if not counted(entry["name"])]
    # The order of the stored lists is kept for the counters alone, which have no counterpart here.
    found = [{"name": name, "shape": shape} for name, shape in buffers.items()]
    places = {entry["name"]: index for index, entry in enumerate(inputs["buffers"])}
    keys = {name: index for index, name in enumerate(inputs["state_dict_keys"])}
    return inputs | {
        "parameters": [{"name": name, "shape": shape} for name, shape in parameters.items()],
        "buffers": sorted(found + counters, key=lambda entry: places.get(entry["name"], -1)),
        "state_dict_keys": sorted(
            [*net.state_dict(), *(c["name"] for c in counters)], key=lambda k: keys.get(k, -1)
        ),
        "n_parameters": sum(sizes.values()),
        "n_parameters_by_part": sizes,
    }


VARIANTS = {
    "DFT": (Method, {}),
    "DFT*": (DFTStar, {}),
    "DFT+FixB": (DFTStar, {"freeze_classifiers": False, "pre_allocate": False}),
    "DFT+FixC": (DFTStar, {"freeze_backbone": False, "pre_allocate": False}),
    "DFT+FixBC": (DFTStar, {"pre_allocate": False}),
    "DFT+P": (DFTStar, {"freeze_backbone": False, "freeze_classifiers": False}),
}


def size(module):
    return sum(p.numel() for p in module.parameters())


def trains(module):
    return all(p.requires_grad for p in module.parameters())


def counts_at(method, step, body, head):
    """One step's entry: what trains, and in which mode it is."""
    with torch.device("meta"):
        net = SegmentationModel(body.requires_grad_(True), head.requires_grad_(True), method.heads(step))
    method.net = net
    if step.index:
        method.start_increment(None)
    net.train()
    return {
        "step": step.index,
        "classes": step.sizes,
        "outputs": sum(classifier.out_channels for classifier in net.cls),
        "total": size(net),
        "trainable": sum(p.numel() for p in net.trainable()),
        "cls_modules": [classifier.out_channels for classifier in net.cls],
        "cls_trainable": [trains(classifier) for classifier in net.cls],
        "body_trainable": trains(body),
        "head_trainable": trains(head),
        "body_training_mode": body.training,
        "head_training_mode": head.training,
        "cls_training_mode": [classifier.training for classifier in net.cls],
    }


@adapter("dft.trainable_params")
def trainable_params(inputs, params):
    answer = inputs | {"backbones": {}, "settings": []}
    built = {}
    for name, entry in inputs["backbones"].items():
        with torch.device("meta"):
            body = BACKBONES[name]()
            head = DeepLabV3Head(body.out_channels, body.head_channels)
        built[name] = body, head
        norms = {
            f"{part}_bn_params": sum(size(m) for m in module.modules() if isinstance(m, ABN))
            for part, module in (("body", body), ("head", head))
        }
        sizes = {"body": size(body), "head": size(head), "head_out": head.out_channels}
        answer["backbones"][name] = entry | norms | sizes
    for setting in inputs["settings"]:
        variants = {}
        for name, (kind, hyper) in VARIANTS.items():
            groups, start = [], 0
            for rows in setting["variants"][name]["steps"][-1]["classes"]:
                groups.append(tuple(range(start, start := start + rows)))
            first = Step(setting["dataset"], setting["task"], 0, tuple(groups))
            steps = [first.at(index) for index in range(first.num_steps)]
            found = [counts_at(kind(step, **hyper), step, *built[setting["backbone"]]) for step in steps]
            mean = float(np.mean([entry["trainable"] for entry in found[1:]]))
            variants[name] = {"steps": found, "mean_trainable_inc": mean}
        share = variants["DFT*"]["mean_trainable_inc"] / variants["DFT"]["mean_trainable_inc"]
        percent = round(100 * share, 6)
        answer["settings"].append(
            setting | {"variants": variants, "dftstar_mean_trainable_pct_of_dft_mean_trainable": percent}
        )
    return answer
