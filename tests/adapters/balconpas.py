"""BalConpas."""

from functools import partial

import torch

from tests.adapters import adapter
from tests.adapters.mask_head import Recorded, pairs_of, targets_of, weights_of
from utils.losses.mask_classification import mixed_entropy
from utils.losses.mask_distillation import backtrace_distillation
from utils.losses.set_criterion import SetCriterion
from utils.masks.pseudo import from_memory, joined, ranked_masks
from utils.proportional import choose_by_shares


@adapter("balconpas.pseudo")
def pseudo(inputs, params):
    targets = targets_of(inputs)
    old, whole = (inputs["in_old_logits"], inputs["in_old_masks"]), from_memory(targets, params["num_old"])
    found = ranked_masks(*old, targets, overlap=params["overlap_threshold"], whole=whole)
    return {
        "out_counts": torch.tensor([len(one) for one in found]),
        "out_classes": torch.cat([one.classes for one in found]),
        "out_masks": torch.cat([one.masks for one in found]),
    }


@adapter("balconpas.classes")
def classes(inputs, params):
    logits = inputs["in_logits"].requires_grad_()
    shape, nothing = (1, *logits.shape[:2]), logits.shape[-1] - 1
    answers = pairs_of(inputs).classes(inputs["in_target_classes"], shape, nothing=nothing)[0]
    loss = mixed_entropy(logits, answers, inputs["in_memory"])
    loss.backward()
    without = mixed_entropy(logits, answers, torch.zeros_like(inputs["in_memory"]))
    return {"out_ce": loss, "out_grad": logits.grad, "out_without_memory": without}


@adapter("balconpas.criterion")
def criterion(inputs, params):
    labelled, states = targets_of(inputs), inputs["in_queries"].requires_grad_()
    old, whole = (inputs["in_old_logits"], inputs["in_old_masks"]), from_memory(labelled, params["num_old"])
    found = ranked_masks(*old, labelled, overlap=params["overlap_threshold"], whole=whole)
    targets = joined(labelled, found, whole)
    loss = partial(mixed_entropy, whole=whole)
    criterion = SetCriterion(class_loss=loss, weights=weights_of(params), points=Recorded(inputs, params))
    logits, maps = inputs["in_logits"], inputs["in_masks"]
    pairs = criterion.match(logits, maps, targets)
    losses = criterion.of_pairs(logits, maps, targets, pairs)
    kept = backtrace_distillation(
        states.transpose(1, 2), inputs["in_old_queries"].transpose(1, 2), *pairs.of_first(targets, found)
    )
    total = criterion.weighed(losses).sum() + params["token_weight"] * kept.sum()
    total.backward()
    return {
        "out_losses": torch.cat([losses, kept[:, None]], 1).roll(1, 0),
        "out_total": total,
        "out_grad_queries": states.grad,
    }


@adapter("balconpas.memory")
def memory(stored, params):
    counts, target, number = stored["counts"], stored["target"], stored["number"]
    names, shown = choose_by_shares(counts, target, number, start=stored["start"])
    return stored | {"selected": names, "class_counts": shown.tolist()}
