"""Swin backbone against the published one."""

import torch

from models.swin import Swin, published_names, swin_b
from tests.adapters import adapter


@adapter("plop_nest.swin_tiny")
def swin_tiny(inputs, params):
    options = {key: params[key] for key in ("embed_dim", "depths", "num_heads", "window_size", "mlp_ratio")}
    images = inputs["x"].clone().requires_grad_()
    body = Swin(**options).to(images.dtype).eval()
    given = {key.removeprefix("param/"): value for key, value in inputs.items() if key.startswith("param/")}
    result = body.load_state_dict(given, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    assert all("relative_position_index" in key for key in result.missing_keys), result.missing_keys

    features, maps = body(images)
    stages = [*maps.values(), features]
    cotangents = {i: inputs[f"cotangent_{i}"] for i in range(len(stages)) if f"cotangent_{i}" in inputs}
    loss = sum((stages[i] * cotangent).sum() for i, cotangent in cotangents.items())
    loss.backward()
    out = {f"out_{i}": stage for i, stage in enumerate(maps.values())}
    grads = {f"grad/{key}": value.grad for key, value in body.named_parameters()}
    return {"out_last": features, "loss": loss, "grad_x": images.grad, **out, **grads}


@adapter("plop_nest.swin_b_keymap")
def swin_b_keymap(inputs, params):
    with torch.device("meta"):
        own = swin_b().state_dict()
    entries = []
    official = {e["checkpoint_key"]: torch.empty(e["shape"], device="meta") for e in inputs["entries"]}
    taken = published_names(official)
    timm_keys = [entry["timm_key"] for entry in inputs["entries"] if entry["timm_key"]]
    from_timm = published_names({key: key for key in timm_keys})  # our name -> timm's
    for entry in inputs["entries"]:
        key = entry["checkpoint_key"]
        loaded = key in taken and taken[key].shape == own[key].shape
        timm_key = from_timm.get(key, entry["timm_key"] if not loaded else None)
        found = {"backbone_key": key if loaded else None, "loaded": loaded, "timm_key": timm_key}
        entries.append(entry | found)
    missing = [{"backbone_key": k, "shape": list(own[k].shape)} for k in own if k not in taken]
    stored = {e["backbone_key"]: e for e in inputs["backbone_only"]}
    only = [stored.get(e["backbone_key"], {}) | e for e in missing]
    with torch.device("meta"):
        parameters = sum(p.numel() for p in swin_b().parameters())
    loaded = sum(entry["loaded"] for entry in entries)
    counts = {
        "checkpoint_entries": len(entries),
        "loaded": loaded,
        "dropped": len(entries) - loaded,
        "backbone_only": len(only),
        "backbone_parameters": parameters,
    }
    return inputs | {"entries": entries, "backbone_only": only, "counts": counts}
