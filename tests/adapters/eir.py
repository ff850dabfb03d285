"""Instance memory, composition and decision rule of EIR."""

import random

import numpy as np
import torch

from dataset.memory.compose import Paste, compose, emptiest_cells, missing_labels, mix, one_hot
from dataset.memory.record import keep_classes, present_classes, record
from dataset.memory.replay import stored_crop
from dataset.memory.store import is_candidate, select
from dataset.transform import normalize
from methods.sigmoid_heads import sigmoid_decision
from metrics.confusion import ConfusionMatrix
from tasks import named_step
from tests.adapters import adapter
from tests.adapters.metrics import eir_metrics
from utils.labels import IGNORE
from utils.losses.pixelwise import grouped_kd, multilabel_bce, num_with_target, sigmoid_pseudo_labels


@adapter("eir.candidate_rule")
def candidate_rule(inputs, params):
    maps = inputs["in_labels"]
    present = torch.zeros(len(maps), int(maps[maps != IGNORE].max()) + 1, dtype=torch.int64)
    for row, labels in zip(present, maps, strict=True):
        row[list(present_classes(labels))] = 1
    accepted = torch.tensor([is_candidate(labels) for labels in maps])
    return {"out_accept": accepted, "out_present": present, "out_has255": (maps == IGNORE).any((1, 2))}


@adapter("eir.memory_selection")
def memory_selection(content, params):
    """Two steps; the file of the second also holds the first's, whose list it extends by all candidates."""
    files, result, carried = {}, {}, []
    for number in (1, 2):
        maps, names = content[f"labels_step{number}"], content[f"names_step{number}"]
        candidates = list(carried)
        for labels, name in zip(map(torch.tensor, maps), names, strict=True):
            if is_candidate(labels):
                listed = [*present_classes(labels), *([IGNORE] if (labels == IGNORE).any() else [])]
                candidates.append([name, listed])
        if number == 2:
            files["step_1"] = files["step_1"] | {"memory_candidates": list(candidates)}
        rng = np.random.RandomState(content["numpy_seed"])
        classes = list(range(1, named_step("voc", 21, content["task"], number).num_old))
        rng.shuffle(candidates)
        rng.shuffle(classes)
        chosen = select(candidates, classes, content["budget"])
        carried = [entry for label in sorted(chosen) for entry in chosen[label]]
        by_name = sorted(carried)
        files[f"step_{number}"] = {
            "memory_candidates": carried,
            "memory_list": [name for name, _ in by_name],
            "memory_xinxi": {name: [listed] for name, listed in by_name},
            "curr_memory_list": {f"class_{label}": chosen[label] for label in sorted(chosen)},
        }
        result[f"step_{number}"] = {
            "memory_json": dict(files),
            "shuffled_candidates": candidates,
            "shuffled_class_order": classes,
        }
    return content | {"result": result}


def stored_item(inputs, params):
    """A training crop of a stored image, normalised, and its labels."""
    rng = random.Random(params["python_random_seed"])
    entry = record(
        inputs["in_image"].permute(2, 0, 1),
        inputs["in_label"],
        whole=True,
        source="case",
        step=0,
        label=0,
        classes=tuple(params["recorded_labels"]),
    )
    image, labels = stored_crop(*entry.restore(), params["crop_size"], rng)
    return normalize(image[None])[0], labels


@adapter("eir.instance_image")
def instance_image(inputs, params):
    image, labels = keep_classes(*stored_item(inputs, params), params["recorded_labels"], fill=(0, 0, 0))
    return {"out_image": image, "out_label": labels}


@adapter("eir.instance_by_name")
def instance_by_name(inputs, params):
    image, labels = stored_item(inputs, params)
    return {"out_image": image, "out_label": keep_classes(image, labels, params["recorded_labels"])[1]}


@adapter("eir.decode")
def decode(inputs, params):
    predicted = sigmoid_decision(inputs["in_logits"])
    matrix = ConfusionMatrix(inputs["in_logits"].shape[1])
    matrix.update(inputs["in_label"], predicted)
    means = eir_metrics({"in_confusion": matrix.counts}, params)
    names = {"out_miou_overall": "overall", "out_miou_harmonic": "harmonic"}
    found = {name: means[f"out_Mean_Intersection_over_Union_{group}"] for name, group in names.items()}
    return found | {"out_pred": predicted, "out_confusion": matrix.counts.double()}


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
    bce = multilabel_bce(logits, targets).sum() / num_with_target(targets)
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
