"""RCIL's block, head, stem and merge against the published ones."""

import torch
from torch import nn

from models.resnet import ResNet
from modules.abn import ABN
from modules.deeplab import DILATIONS
from modules.parallel import NEW, ParallelBlock, ParallelHead, TwoBranches
from tests.adapters import adapter


def part_of(tensors, prefix):
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def under(prefix, tensors):
    return {prefix + key: value for key, value in tensors.items()}


def loaded(unit, state, *, merged=False):
    """`unit` with the stored numbers; `merged`: its first branch was merged and not loaded since."""
    unit.double()
    if any(key.endswith(("conv2.bias", "map_convs.0.bias")) for key in state):
        unit.add_biases()
    unit.load_state_dict(state)
    unit.merged = merged
    return unit


def block_of(params, state, **options):
    geometry = {key: params[key] for key in ("stride", "dilation")}
    return loaded(ParallelBlock(params["in_channels"], params["channels"], **geometry), state, **options)


def head_of(params, state, **options):
    head = ParallelHead(
        params["in_channels"],
        params["out_channels"],
        hidden_channels=params["hidden"],
        output_stride=next(
            stride for stride, found in DILATIONS.items() if list(found) == params["dilations"]
        ),
        pooling=params["pooling_size"] or 0,
    )
    return loaded(head, state, **options)


class Pair(TwoBranches):
    """One doubled convolution, as a case stores it."""

    CONVS, NORM = "conv", "bn"

    def __init__(self, inputs, params):
        super().__init__()
        geometry = {key: params[key] for key in ("stride", "padding", "dilation", "groups")}
        for number, suffix in ((1, ""), (2, NEW)):
            kernel, bias = inputs[f"conv{number}_weight"], inputs.get(f"conv{number}_bias")
            columns, rows = kernel.shape[1] * params["groups"], kernel.shape[0]
            conv = nn.Conv2d(columns, rows, params["kernel"], bias=bias is not None, **geometry).double()
            norm = ABN(rows, activation="identity", eps=params["eps"]).double()
            conv.load_state_dict({"weight": kernel} | ({} if bias is None else {"bias": bias}))
            stored = part_of(inputs, f"bn{number}_")
            statistics = {"running_mean": stored.pop("mean"), "running_var": stored.pop("var")}
            norm.load_state_dict(stored | statistics)
            self.add_module(f"conv{suffix}", conv)
            self.add_module(f"bn{suffix}", norm)
        self.eval()


@adapter("rcil.merge_conv")
@torch.no_grad()
def merge_conv(inputs, params):
    pair, x = Pair(inputs, params), inputs["x"]
    before = pair.mixed(x)
    pair.merge()
    (conv,), _ = pair.branch()
    return {
        "merged_weight": conv.weight,
        "merged_bias": conv.bias,
        "dual_eval_out": before,
        "merged_out": conv(x),
    }


@adapter("rcil.merge_aspp")
@torch.no_grad()
def merge_aspp(inputs, params):
    x, head = inputs["x"], head_of(params, part_of(inputs, "s0.")).eval()
    found = {"s0_eval_out": head(x), "s0_mix": head.mixed(x)}
    head.merge()
    merged = {"s1_start_eval_out": head(x), "s1_start_branch1": head.branches(x)[0]}
    return found | merged | under("s1_start.", head.state_dict())


@adapter("rcil.merge_block")
@torch.no_grad()
def merge_block(inputs, params):
    x, block = inputs["x"], block_of(params, part_of(inputs, "s0.")).eval()
    inner = block.convs.bn1(block.convs.conv1(x))
    found = {"s0_eval_out": block(x), "s0_mix": block.mixed(inner)}
    block.merge()
    first, second = block.branches(inner)
    found |= {"s1_start_eval_out": block(x), "s1_start_branch1": first, "s1_start_branch2": second}
    found |= under("s1_start.", block.state_dict())
    # The published code reads the identity norm of branch 1 with the default eps again: merged=False.
    again = block_of(params, part_of(inputs, "s1_end.")).eval()
    again.merge()
    return found | under("s2_start.", again.state_dict())


def trained(unit, inputs, params):
    """Output, gradients and statistics of one pass in the mode of the case, with the stored draws."""
    x, r = inputs["x"].clone().requires_grad_(), inputs["r"]
    for name in params["frozen"]:
        unit.get_parameter(name).requires_grad_(False)
    unit.train(params["mode"] != "eval")
    for name in params["bn_in_eval_mode"]:
        unit.get_submodule(name).eval()
    unit.draw = lambda *shape: r
    last = params.get("last", False)
    out, seen = unit.with_map(x) if last else (unit(x), None)
    (out * inputs["upstream"]).sum().backward()
    found = {"out": out, "grad_x": x.grad}
    found |= {f"grad.{name}": p.grad for name, p in unit.named_parameters() if p.grad is not None}
    found |= under("after.", dict(unit.named_buffers()))
    return found | ({"attention": seen} if last else {})


@adapter("rcil.block")
def block(inputs, params):
    state = part_of(inputs, "state.")
    merged = params["eps_per_bn"]["convs.bn2"] == 0
    found = trained(block_of(params, state, merged=merged), inputs, params)
    if params["last"]:
        unit = block_of(params, state, merged=merged).train(params["mode"] != "eval")
        inner = unit.convs.bn1(unit.convs.conv1(inputs["x"]))
        found["branch1"], found["branch2"] = unit.branches(inner)
    return found


@adapter("rcil.aspp")
def aspp(inputs, params):
    merged = params["eps_per_bn"]["map_bn"] == 0
    return trained(head_of(params, part_of(inputs, "state."), merged=merged), inputs, params)


@adapter("rcil.stem")
def stem(inputs, params):
    rows = inputs["conv1_weight"].shape[0]
    body = (
        ResNet([(rows, rows)], [1], stem_channels=rows, stem_activation=params["activation"]).double().eval()
    )
    stored = part_of(inputs, "bn1_")
    statistics = {"running_mean": stored.pop("mean"), "running_var": stored.pop("var")}
    body.mod1.bn1.load_state_dict(stored | statistics)
    body.mod1.bn1.eps = params["eps"]
    body.mod1.conv1.load_state_dict({"weight": inputs["conv1_weight"]})
    return {"out": body.mod1(inputs["x"])}
