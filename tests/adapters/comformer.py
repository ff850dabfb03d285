"""CoMFormer."""

import torch

from tests.adapters import adapter
from tests.adapters.mask_head import (
    Recorded,
    decoder_of,
    linear,
    matched,
    numbered,
    pairs_of,
    state_of,
    targets_of,
    weights_of,
)
from utils.losses import mask_classification as terms
from utils.losses.mask_distillation import adaptive_distillation
from utils.losses.set_criterion import SetCriterion
from utils.masks.full_size import shares, winning_classes
from utils.masks.matching import softmax_costs
from utils.masks.pseudo import winners_masks


@adapter("comformer.matching")
def matching(inputs, params):
    return matched(inputs, shares(inputs["in_masks"], softmask=True), softmax_costs)


@adapter("comformer.masks")
def masks(inputs, params):
    maps, targets = inputs["in_masks"].requires_grad_(), targets_of(inputs)
    criterion = SetCriterion(softmask=True, points=Recorded(inputs, params))
    truth = torch.cat([one.masks for one in targets])
    mask, dice = criterion.mask_losses(0, maps, truth, pairs_of(inputs))
    (5 * mask + 5 * dice).backward()
    return {"out_mask": mask, "out_dice": dice, "out_grad_masks": maps.grad}


@adapter("comformer.classes")
def classes(inputs, params):
    logits, answers = inputs["in_logits"].requires_grad_(), inputs["in_classes"]
    focal = {name: params[name] for name in ("alpha", "gamma")}
    hidden = {"num_old": params["num_old"]}
    loss = terms.focal_entropy(logits, answers, **focal)
    loss.backward()
    return {
        "out_focal": loss,
        "out_grad": logits.grad,
        "out_unbiased_focal": terms.focal_entropy(logits, answers, **focal, **hidden),
        "out_unbiased": terms.class_entropy(logits, answers, no_object=params["no_object_weight"], **hidden),
    }


@adapter("comformer.kd")
def kd(inputs, params):
    logits, old = inputs["in_logits"].requires_grad_(), inputs["in_old_logits"]
    how = {name: params[name] for name in ("temperature", "gamma")}
    loss = adaptive_distillation(logits, old, **how)
    loss.backward()
    return {
        "out_adaptive": loss,
        "out_grad": logits.grad,
        "out_unweighted": adaptive_distillation(logits, old, **how | {"gamma": 0.0}),
        "out_plain": adaptive_distillation(logits, old, **how, new_classes=False),
    }


@adapter("comformer.pseudo")
def pseudo(inputs, params):
    how = {name: params[name] for name in ("softmask", "threshold")}
    targets = targets_of(inputs)
    found = winners_masks(inputs["in_old_logits"], inputs["in_old_masks"], targets, **how)
    both = [own + more for own, more in zip(targets, found, strict=True)]
    return {
        "out_counts": torch.tensor([len(one) for one in both]),
        "out_classes": torch.cat([one.classes for one in both]),
        "out_masks": torch.cat([one.masks for one in both]),
    }


@adapter("comformer.inference")
def inference(inputs, params):
    found, _ = winning_classes(
        inputs["in_logits"].softmax(-1), inputs["in_masks"], tuple(params["size"]),
        softmask=params["softmask"], threshold=params["mask_threshold"], overlap=params["overlap_threshold"],
    )  # fmt: skip
    return {"out_prediction": found}


@adapter("comformer.decoder")
def decoder(inputs, params):
    state = state_of(inputs)
    net = decoder_of(state, params, queries=params["num_queries"])
    states, masks = net(numbered(inputs, "in_level_"), inputs["in_mask_features"], softmask=True)
    order = [*range(1, len(params["classes"]) + 1), 0]  # no-object is stored first
    rows = [linear(*(state[f"class_embed.cls.{k}.{kind}"] for kind in ("weight", "bias"))) for k in order]
    features = net.decoder_norm(states)
    return {"out_logits": torch.cat([row(features) for row in rows], -1), "out_masks": masks}


@adapter("comformer.iteration")
def iteration(inputs, params):
    logits, maps, targets = inputs["in_logits"].requires_grad_(), inputs["in_masks"], targets_of(inputs)
    old = inputs["in_old_logits"], inputs["in_old_masks"]
    found = winners_masks(*old, targets, softmask=params["softmask"], threshold=params["threshold"])
    targets = [own + more for own, more in zip(targets, found, strict=True)]
    criterion = SetCriterion(
        softmask=params["softmask"], class_loss=terms.focal_entropy, weights=weights_of(params),
        points=Recorded(inputs, params),
    )  # fmt: skip
    losses = criterion.weighed(criterion(logits, maps, targets))
    kept = adaptive_distillation(
        logits[-1], old[0], temperature=params["temperature"], gamma=params["kd_gamma"]
    )
    total = losses.sum() + params["kd_weight"] * kept
    total.backward()
    return {
        "out_losses": losses.roll(1, 0),
        "out_total": total,
        "out_grad_logits": logits.grad,
        "out_kd": params["kd_weight"] * kept,
        "out_counts": torch.tensor([len(one) for one in targets]),
    }
