"""SSUL's labels, loss, heads, decision and memory."""

import numpy as np
from torch import nn

from dataset.memory.store import select
from dataset.saliency import mark_salient
from methods.ssul import SSUL, SmallHeads, best_with_unknown, with_unknown
from tasks import Step
from tests.adapters import adapter
from tests.adapters.losses import graded
from tests.adapters.rcil_branches import part_of
from utils.losses.pixelwise import sigmoid_pseudo_labels


@adapter("ssul.targets")
def targets(inputs, params):
    labels, saliency = inputs["in_labels"], params["dataset"] == "voc"
    if saliency:
        labels = mark_salient(labels, inputs["in_saliency"])
    return {"out_labels": with_unknown(labels, saliency=saliency).long()}


@adapter("ssul.pseudo")
def pseudo(inputs, params):
    options = {"threshold": params["threshold"], "first": 2}
    return {"out_labels": sigmoid_pseudo_labels(inputs["in_old_logits"], inputs["in_labels"], **options)}


@adapter("ssul.bce")
def bce(inputs, params):
    logits = graded(inputs["in_logits"])
    classes = tuple(range(logits.shape[1] - 1))
    loss = SSUL(Step("case", "case", 0, (classes,))).bce([logits], inputs["in_labels"])
    loss.backward()
    return {"out_loss": loss, "out_grad_logits": logits.grad}


@adapter("ssul.predict")
def predict(inputs, params):
    return {"out_prediction": best_with_unknown(inputs["in_logits"])}


@adapter("ssul.heads")
def heads(inputs, params):
    head = nn.Identity()
    head.out_channels = params["channels"]
    net = SmallHeads(nn.Identity(), head, params["heads"], norm="bn_relu", dropout=0.1, precision="fp32")
    places = {"0": "0", "1": "1", "3": "2"}  # there, the activation is a layer of its own
    state = {}
    for key, value in part_of(inputs, "state.head.").items():
        number, place, name = key.split(".")
        state[f"cls.{number}.{places[place]}.{name}"] = value
    net.double().eval().load_previous(state, new=len(params["heads"]) - 1)
    net.cls[-1].start_as(net.cls[0])
    return {"out_logits": net.classify(inputs["in_features"])}


@adapter("ssul.memory")
def memory(content, params):
    rng = np.random.RandomState(content["numpy_seed"])
    candidates, classes = list(content["candidates"]), list(range(1, content["num_old"]))
    rng.shuffle(candidates)
    rng.shuffle(classes)
    chosen = select(((entry, entry[-1]) for entry in candidates), classes, content["budget"])
    kept = [entry for label in sorted(chosen) for entry, _ in chosen[label]]
    names = sorted(entry[0] for entry in kept)
    return content | {"result": {"memory_candidates": kept, "memory_list": names}}
