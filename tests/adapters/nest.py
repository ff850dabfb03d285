"""NeST's pre-tuning of new classifiers."""

import torch

from tests.adapters import adapter
from utils.losses.weight_transfer import WeightTransfer, align_norms, pretune, vote, warm_loss


def transfer_of(inputs, importance=None, projection=None):
    """NeST's tensors as the case stores them."""
    importance = inputs["importance"] if importance is None else importance
    projection = inputs["projection"] if projection is None else projection
    transfer = WeightTransfer(importance.clone(), projection.clone(), inputs["new_bias"].clone())
    transfer.load_state_dict(
        {
            "background_importance": inputs["bg_importance"],
            "background_projection": inputs["bg_projection"],
        },
        strict=False,
    )
    return transfer


STORED = {
    "importance": "importance",
    "projection": "projection",
    "new_bias": "bias",
    "bg_importance": "background_importance",
    "bg_projection": "background_projection",
}


@adapter("plop_nest.nest_select")
def nest_select(inputs, params):
    batches = [(inputs["features"], inputs["labels"])]
    importance, projection = vote(
        batches, inputs["old_weight"], inputs["old_bias"], num_new=params["n_new"], grid=tuple(params["grid"])
    )
    return {"importance": importance, "projection": projection}


@adapter("plop_nest.nest_warm_forward")
def nest_forward(inputs, params):
    transfer = transfer_of(inputs)
    logits, loss = warm_loss(
        transfer, inputs["features"], inputs["labels"], inputs["old_weight"], inputs["old_bias"]
    )
    leaves = {stored: getattr(transfer, own) for stored, own in STORED.items()}
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    named = dict(zip((f"grad_{stored}" for stored in leaves), gradients, strict=True))
    return {"logits": logits, "loss": loss} | named


def applied(transfer, inputs):
    """The classifiers that training begins with."""
    old, new, bias = transfer.classifiers(inputs["old_weight"], inputs["old_bias"])
    return {
        "old_weight_final": old,
        "old_bias_final": inputs["old_bias"],
        "new_weight": new,
        "new_bias_final": bias,
    }


@adapter("plop_nest.nest_init")
def nest_init(inputs, params):
    return applied(transfer_of(inputs), inputs)


def trajectory(transfer, inputs, params):
    """Pre-tuning over the same batches in every epoch, and what comes out of it."""
    batches = list(
        zip(
            inputs["features"].split(params["batch_size"]),
            inputs["labels"].split(params["batch_size"]),
            strict=True,
        )
    )
    losses = pretune(
        transfer,
        batches * params["epochs"],
        inputs["old_weight"],
        inputs["old_bias"],
        lr=params["base_lr"],
        iterations=len(batches) * params["epochs"],
        weight_decay=params["weight_decay"],
        momentum=params["momentum"],
        power=params["poly_power"],
    )
    found = applied(transfer, inputs)
    found["new_bias_applied"] = found.pop("new_bias_final")
    moved = {f"{stored}_final": getattr(transfer, own) for stored, own in STORED.items()}
    return found | moved | {"losses": losses}


@adapter("plop_nest.nest_trajectory")
def nest_trajectory(inputs, params):
    return trajectory(transfer_of(inputs), inputs, params)


@adapter("plop_nest.nest_pipeline")
def nest_pipeline(inputs, params):
    batches = [(inputs["features"], inputs["labels"])]
    importance, projection = vote(batches, inputs["old_weight"], inputs["old_bias"], num_new=params["n_new"])
    found = trajectory(transfer_of(inputs, importance, projection), inputs, params)
    return found | {"importance_init": importance, "projection_init": projection}


@adapter("plop_nest.align_weight")
def align_weight(inputs, params):
    *old, newest = inputs["weights"].split(params["classes"])
    rows = {  # only "all" is what NeST's scripts use
        "all": torch.cat(old),
        "old": torch.cat(old)[1:],
        "background": torch.cat([old[0][:1], *old[1:]]),
    }[params["align_type"]]
    aligned = align_norms(rows, newest)
    return {"weights_after": torch.cat([*old, aligned])}
