"""UCD's contrast and REMINDER's similarity-weighted distillation."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from tests.adapters import adapter
from utils.losses.class_similarity import class_means, of_new_class, resemblance, resemblance_kd
from utils.losses.contrastive import choose_pixels, pair_losses, pixel_contrast, spatial_attention


@adapter("rcil.ucd_contrastive")
def contrastive(inputs, params):
    anchors = inputs["anchor_features"].clone().requires_grad_()
    losses, counted = pair_losses(
        anchors,
        inputs["contrast_features"],
        inputs["anchor_labels"],
        inputs["contrast_labels"],
        inputs.get("P", 1.0),
        temperature=params["temperature"],
    )
    loss = params["scale_factor"] * getattr(losses[counted], params["reduction"])()
    loss.backward()
    return {"loss": loss.detach(), "grad_anchor_features": anchors.grad}


@adapter("rcil.ucd_end_to_end")
def end_to_end(inputs, params):
    out = {}
    for name in ("", "_original"):
        features = inputs["new_pre_logits"].clone().requires_grad_()
        attended, old_attended = spatial_attention(features), spatial_attention(inputs["old_pre_logits"])
        last = params["original_max_label"] if name else params["num_known_classes"]
        pixels = choose_pixels(
            attended, old_attended, inputs["old_sem_logits_small"], inputs["labels"], max_label=last
        )
        if not name:  # the copy in cssegmentation never trusts this step's labels more than the teacher
            pixels = replace(pixels, first_new=torch.tensor(torch.iinfo(torch.int64).max))
            out |= {"new_attended": attended.detach(), "old_attended": old_attended}
            out |= {"anchor_labels": pixels.anchor_labels, "contrast_labels": pixels.contrast_labels}
        loss = params["scale_factor"] * pixel_contrast(pixels, temperature=params["temperature"])
        loss.backward()
        out |= {f"P{name}": pixels.weights(), f"loss{name}": loss.detach()}
        out["grad_original_new_pre_logits" if name else "grad_new_pre_logits"] = features.grad
    return out


@adapter("rcil.reminder_csw")
def reminder(inputs, params):
    num_old, num_all = params["old_classes"], params["old_classes"] + params["new_classes"]
    prototypes, _ = class_means(inputs["pre_logits"], inputs["labels"], range(num_old, num_all))
    logits = inputs["logits_new"].clone().requires_grad_()
    weights = resemblance(prototypes, inputs["old_prototypes"], delta=params["delta"])
    losses = resemblance_kd(
        logits, inputs["logits_old"], inputs["labels"], weights, temperature=params["temperature"]
    )
    loss = params["weight"] * losses[of_new_class(inputs["labels"], num_old)].mean()
    loss.backward()
    padded = F.pad(prototypes, (0, 0, num_old, 0))
    return {"batch_prototypes": padded, "loss": loss.detach(), "grad_logits_new": logits.grad}
