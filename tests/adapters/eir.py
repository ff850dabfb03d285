"""Instance memory, composition and decision rule of EIR."""

import numpy as np
import torch

from dataset.compose import Paste, compose, emptiest_cells, missing_labels, mix, one_hot
from tests.adapters import adapter
from utils.losses import grouped_kd, multilabel_bce, sigmoid_pseudo_labels


@adapter("eir.cells")
def cells(inputs, params):
    return {"out_cells": emptiest_cells(inputs["in_pseudo_label"][None], params["cell"])[0]}


@adapter("eir.paste")
def paste(inputs, params):
    image = inputs["in_image"].clone()
    target = one_hot(inputs["in_label"][None], params["num1"], dtype=image.dtype)[0]
    where = Paste(0, params["cls"], *params["cell_top_left"], params["lam"])
    mask = inputs["in_inst_label"] == params["cls"]
    mix(image, target, inputs["in_inst_image"], mask, paste=where, cell=params["cell"])
    return {"out_image": image, "out_target": target}


class StoredDraws:
    """Replays the random numbers of a case."""

    def __init__(self, inputs, pseudo, num_old):
        self.labels = list(range(1, num_old + 1))
        self.memory = list(zip(inputs["in_mem_image"], inputs["in_mem_label"], strict=True))
        self.entries = iter(inputs["in_paste_mem_index"].tolist())
        self.shares = iter(inputs["in_paste_lam"].tolist())
        missing = missing_labels(inputs["in_label"], pseudo).sum(1).clamp(max=3).tolist()
        labels = []
        for image, number in enumerate(missing):
            labels += inputs["in_paste_class"][inputs["in_paste_image_index"] == image].tolist()[number:]
        self.extra = iter(labels)

    def extra_label(self):
        return next(self.extra)

    def instance(self, label):
        image, labels = self.memory[next(self.entries)]
        return image, labels == label

    def share(self):
        return next(self.shares)


@adapter("eir.batch")
def batch(inputs, params):
    num_old, num_all = params["n_old"] + 1, params["n_old"] + params["n_new"] + 1
    labels = inputs["in_label"].long()
    pseudo = sigmoid_pseudo_labels(inputs["in_logits_old_clean"], labels, threshold=params["threshold"])
    draws = StoredDraws(inputs, pseudo, params["n_old"])
    images, targets, pastes = compose(
        inputs["in_image"], labels, pseudo, draws, num_classes=num_all, cell=params["cell"]
    )
    logits = inputs["in_logits"].clone().requires_grad_()
    region = (labels >= num_old) & (labels < num_all)
    bce = multilabel_bce(logits, targets)
    rskd = grouped_kd(logits, inputs["in_logits_old"], group=range(num_old, num_all), mask=region).mean()
    total = params["w_mbce"] * bce + params["w_kd"] * rskd
    total.backward()
    return {
        "out_pseudo_label": pseudo,
        "out_paste_cell": torch.tensor([[paste.top, paste.left] for paste in pastes]),
        "out_image": images,
        "out_target": targets,
        "out_region_mask": region,
        "out_loss_bce": bce,
        "out_loss_rskd": rskd,
        "out_loss_total": total,
        "out_grad_logits": logits.grad,
    }
