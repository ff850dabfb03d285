"""ECLIPSE."""

import re

import torch

from modules.mask_decoder import MaskDecoder
from modules.prompts import ClassMLP, Prompts
from tests.adapters import adapter
from tests.adapters.mask_head import Recorded, decoder_of, numbered, state_of, targets_of, weights_of
from utils.losses.mask_classification import sigmoid_focal
from utils.losses.set_criterion import SetCriterion
from utils.masks.full_size import winning_classes
from utils.masks.manipulation import manipulated


def part(state, prefix):
    """The entries of `state` under `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def mlps(state, prefix):
    """Classifiers of a case, no-object first, as stored."""
    found = []
    while own := part(state, f"{prefix}{len(found)}."):
        last = list(own.values())[-1]
        found.append(ClassMLP(len(own["layers.0.weight"]), len(last)).double())
        found[-1].load_state_dict(own)
    return found


def prompts_of(state, *, count):
    """The prompts of each later step."""
    found, channels = [], state["query_feat.weight"].shape[1]
    while f"prompt_feat.{len(found)}.weight" in state:
        t = len(found)
        kinds = {"feat": "prompt_feat", "embed": "prompt_embed", "mask_embed": "prompt_mask_embed"}
        parts = {ours: part(state, f"{theirs}.{t}.") for ours, theirs in kinds.items()}
        own = {f"{ours}.{key}": value for ours, one in parts.items() for key, value in one.items()}
        layers = sum(key.startswith("embed.") for key in own)
        rows = len(own["mask_embed.layers.2.weight"])
        found.append(Prompts(channels, rows, count=count, layers=layers).double())
        found[-1].load_state_dict(own)
    return found


@adapter("eclipse.decoder")
def decoder(inputs, params):
    state, classes = state_of(inputs), params["classes"]
    net = decoder_of(state, params, queries=params["num_queries"])
    groups = [one.queries() for one in (net, *prompts_of(state, count=params["num_prompts"]))]
    nothing, *known = mlps(state, "class_embed.cls.")
    levels, pixels = numbered(inputs, "in_level_"), inputs["in_mask_features"]

    def answers(group):
        states, masks = net(levels, pixels, group)
        features = net.decoder_norm(states).movedim(-1, 1)  # as a map: (L + 1, D, N, Q)
        return torch.cat([one(features) for one in (*known, nothing)], 1).movedim(1, -1), masks

    all_logits, all_masks = zip(*(answers(group) for group in groups), strict=True)
    sizes = [masks.shape[2] for masks in all_masks]
    last = torch.cat([logits[-1] for logits in all_logits], 1)
    return {
        "out_train_logits": all_logits[-1][[0, -1]],
        "out_train_masks": all_masks[-1][[0, -1]],
        "out_test_logits": manipulated(last, classes=classes, queries=sizes, deltas=params["deltas"]),
        "out_test_masks": torch.cat([masks[-1] for masks in all_masks], 1),
    }


@adapter("eclipse.manipulation")
def manipulation(inputs, params):
    return {"out_logits": manipulated(inputs["in_logits"], **params)}


@adapter("eclipse.classes")
def classes(inputs, params):
    logits = inputs["in_logits"].requires_grad_()
    loss = sigmoid_focal(logits, inputs["in_classes"], **params)
    loss.backward()
    return {"out_focal": loss, "out_grad": logits.grad}


@adapter("eclipse.inference")
def inference(inputs, params):
    found, _ = winning_classes(
        inputs["in_logits"].sigmoid(), inputs["in_masks"], tuple(params["size"]), softmask=False,
        threshold=params["mask_threshold"], overlap=params["overlap_threshold"],
    )  # fmt: skip
    return {"out_prediction": found}


@adapter("eclipse.init")
def init(inputs, params):
    state = state_of(inputs)
    queries, channels = state["query_feat.weight"].shape
    net = MaskDecoder(channels, len(state["mask_embed.layers.2.weight"]), queries=queries, layers=0).double()
    net.load_state_dict({key: state.get(key, value) for key, value in net.state_dict().items()})
    newest = prompts_of(state, count=params["num_prompts"])[-1]
    newest.start_from(net)
    nothing, *_, newest_class = mlps(state, "class_embed.cls.")
    newest_class.start_as(nothing)
    t = len(params["classes"]) - 2
    names = {"feat": f"prompt_feat.{t}", "embed": f"prompt_embed.{t}", "mask_embed": f"prompt_mask_embed.{t}"}
    out = {re.sub(r"^[a-z_]+", lambda m: names[m[0]], key): v for key, v in newest.state_dict().items()}
    out |= {f"class_embed.cls.{t + 2}.{key}": value for key, value in newest_class.state_dict().items()}
    return {f"out_state.{key}": value for key, value in out.items()}


@adapter("eclipse.iteration")
def iteration(inputs, params):
    logits = inputs["in_logits"].requires_grad_()
    criterion = SetCriterion(
        class_loss=sigmoid_focal, weights=weights_of(params), points=Recorded(inputs, params)
    )
    losses = criterion.weighed(criterion(logits, inputs["in_masks"], targets_of(inputs)))
    losses.sum().backward()
    return {
        "out_losses": losses.roll(1, 0),
        "out_total": losses.sum(),
        "out_grad_logits": logits.grad,
    }
