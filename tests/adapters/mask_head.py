"""Mask classification: masks, points, matching, losses, decision, and the parts of the network."""

from functools import partial

import torch

from modules.deformable import DeformablePixelDecoder
from modules.mask_decoder import MaskDecoder
from modules.pixel_decoder import FPNPixelDecoder
from tests.adapters import adapter
from utils.losses.set_criterion import SetCriterion
from utils.masks.full_size import semantic_scores
from utils.masks.matching import Pairs, assign, costs_of, sigmoid_costs
from utils.masks.points import Points, uncertain_points
from utils.masks.targets import Masks, masks_of_labels


def targets_of(inputs):
    """The masks of each image of a case."""
    counts = inputs["in_target_counts"].tolist()
    parts = (inputs[f"in_target_{kind}"].split(counts) for kind in ("classes", "masks"))
    return [Masks(*one) for one in zip(*parts, strict=True)]


def pairs_of(inputs):
    """The assignment of a case of one layer."""
    counts = inputs["in_target_counts"]
    images = torch.arange(len(counts)).repeat_interleave(counts)
    firsts = (counts.cumsum(0) - counts)[images]
    return Pairs(images, inputs["in_queries"][None], (inputs["in_targets"] + firsts)[None])


class Recorded(Points):
    """Points that were drawn before; layers are stored with the last one first."""

    def __init__(self, inputs, params):
        ratios = params["oversample_ratio"], params["importance_sample_ratio"]
        super().__init__(params["num_points"], *ratios)
        self.inputs = inputs

    def for_matching(self, layers, images, like):
        return self.inputs["in_match_points"].roll(-1, 0)

    def for_losses(self, layer, pairs, like):
        drawn = [self.inputs[f"in_{kind}_points"] for kind in ("over", "rest")]
        return [points.view(-1, *points.shape[-3:]).roll(-1, 0)[layer] for points in drawn]


class Given(Points):
    """Points of the mask losses that were chosen before."""

    def __init__(self, points):
        super().__init__()
        self.points = points

    def uncertain(self, layer, maps, certainty):
        return self.points


def weights_of(params):
    """Of class, mask and dice loss."""
    return tuple(params[f"{kind}_weight"] for kind in ("class", "mask", "dice"))


@adapter("mask_head.targets")
def targets(inputs, params):
    found = masks_of_labels(inputs["in_labels"], params["first"], params["last"], column=1)
    return {
        "out_counts": torch.tensor([len(one) for one in found]),
        "out_classes": torch.cat([one.classes for one in found]),
        "out_masks": torch.cat([one.masks for one in found]),
    }


def matched(inputs, maps, how):
    """Costs and assignment of a case of one layer."""
    targets = targets_of(inputs)
    costs = costs_of(inputs["in_logits"][None], maps[None], targets, inputs["in_points"][None], costs=how)
    pairs = assign(costs)
    return {
        "out_cost": torch.cat([cost[0] for cost in costs], dim=1),
        "out_queries": pairs.queries[0],
        "out_targets": pairs.within(0, targets),
    }


@adapter("mask_head.matching")
def matching(inputs, params):
    return matched(inputs, inputs["in_masks"], partial(sigmoid_costs, weights=weights_of(params)))


@adapter("mask_head.points")
def points(inputs, params):
    drawn = inputs["in_over_points"], inputs["in_rest_points"]
    found = uncertain_points(inputs["in_masks"], *drawn, number=params["num_points"], certainty=torch.abs)
    return {"out_points": found}


@adapter("mask_head.losses")
def losses(inputs, params):
    logits, maps = inputs["in_logits"].requires_grad_(), inputs["in_masks"].requires_grad_()
    criterion = SetCriterion(weights=weights_of(params), points=Given(inputs["in_points"]))
    found = criterion.of_pairs(logits[None], maps[None], targets_of(inputs), pairs_of(inputs))
    criterion.weighed(found).sum().backward()
    named = zip(("out_ce", "out_mask", "out_dice"), found[0], strict=True)
    return dict(named) | {"out_grad_logits": logits.grad, "out_grad_masks": maps.grad}


@adapter("mask_head.criterion")
def criterion(inputs, params):
    logits, maps = inputs["in_logits"].requires_grad_(), inputs["in_masks"]
    criterion = SetCriterion(weights=weights_of(params), points=Recorded(inputs, params))
    found = criterion(logits, maps, targets_of(inputs))
    total = criterion.weighed(found).sum()
    total.backward()
    return {"out_losses": found.roll(1, 0), "out_total": total, "out_grad_logits": logits.grad}


def state_of(inputs):
    """Weights of a case by name."""
    prefix = "in_state."
    return {key.removeprefix(prefix): value for key, value in inputs.items() if key.startswith(prefix)}


def numbered(inputs, prefix):
    """Inputs `prefix`0, `prefix`1, ... in order."""
    names = sorted(name for name in inputs if name.startswith(prefix) and name.removeprefix(prefix).isdigit())
    return [inputs[name] for name in names]


def decoder_of(state, params, *, queries):
    """The decoder of a case in double precision, with the weights of `state` that are its own."""
    hidden = len(state["transformer_ffn_layers.0.linear1.weight"])
    sizes = {"layers": params["num_layers"], "heads": params["num_heads"]}
    net = MaskDecoder(params["hidden_dim"], params["mask_dim"], queries=queries, hidden=hidden, **sizes)
    own = net.state_dict().keys()
    net.double().load_state_dict({key: value for key, value in state.items() if key in own})
    return net


@adapter("mask_head.decoder")
def decoder(inputs, params):
    state = state_of(inputs)
    net = decoder_of(state, params, queries=params["num_queries"])
    classifier = linear(state["class_embed.weight"], state["class_embed.bias"])
    states, masks = net(numbered(inputs, "in_level_"), inputs["in_mask_features"])
    return {"out_logits": classifier(net.decoder_norm(states)), "out_masks": masks}


def linear(weight, bias):
    """A linear layer with these parameters."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0]).double()
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


@adapter("mask_head.fpn")
def fpn(inputs, params):
    maps = numbered(inputs, "in_res")
    channels, sizes = [x.shape[1] for x in maps], (params["conv_dim"], params["mask_dim"])
    net = FPNPixelDecoder(channels, *sizes, groups=params["groups"]).double()
    net.load_state_dict(state_of(inputs))
    pixels, levels = net(maps)
    return {"out_mask_features": pixels} | {f"out_level_{k}": level for k, level in enumerate(levels)}


@adapter("mask_head.deformable")
def deformable(inputs, params):
    maps, state = numbered(inputs, "in_res"), state_of(inputs)
    sizes = {"heads": params["num_heads"], "layers": params["num_layers"], "groups": params["groups"]}
    sizes["hidden"] = len(state["transformer.encoder.layers.0.linear1.weight"])
    widths = [x.shape[1] for x in maps]
    net = DeformablePixelDecoder(widths, params["conv_dim"], params["mask_dim"], **sizes).double()
    net.load_state_dict(state)
    pixels, levels = net(maps)
    return {"out_mask_features": pixels} | {f"out_level_{k}": level for k, level in enumerate(levels)}


@adapter("mask_head.semantic")
def semantic(inputs, params):
    scores = semantic_scores(inputs["in_logits"], inputs["in_masks"], tuple(params["size"]))
    return {"out_scores": scores, "out_prediction": scores.argmax(1)}
