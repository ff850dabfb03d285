"""What the entries of a network do not show, and a file of ours says of itself: padding, eps, colours.

timm has families of the same shapes, such as `efficientnet_lite0` and `tf_efficientnet_lite0`, whose weights
fit each other and give nonsense there.
"""

from collections.abc import Mapping

from timm.layers import Conv2dSame
from torch import nn

ABOUT = "about"  # key in a file of weights
WORDS = {"padding": "padding", "norm_eps": "eps of norms", "mean": "mean colour", "std": "colour deviation"}


def traits(model: nn.Module) -> dict[str, object]:
    """Of a timm model: padding of its convolutions, eps of its norms, mean and std of its images."""
    same = any(isinstance(module, Conv2dSame) for module in model.modules())
    found = (getattr(module, "eps", None) for module in model.modules())
    eps = next((eps for eps in found if isinstance(eps, float)), 0.0)
    colours = {key: [float(value) for value in model.pretrained_cfg[key]] for key in ("mean", "std")}
    return {"padding": "same" if same else "symmetric", "norm_eps": eps, **colours}


def contradiction(content: object, model: nn.Module) -> str:
    """In words, where what a file's `content` says of itself is not so of the timm `model`; "" if it is, or
    the file says nothing.
    """
    said = content.get(ABOUT) if isinstance(content, Mapping) else None
    if not isinstance(said, Mapping):
        return ""
    own = traits(model)
    pairs = [(WORDS[key], said[key], own[key]) for key in WORDS if key in said and said[key] != own[key]]
    if not pairs:
        return ""
    words = ", ".join(f"{what} {there} and not {here}" for what, there, here in pairs)
    return f"it is for --backbone {said.get('backbone', 'of another kind')}, with {words}"


def reader(content: object) -> str:
    """The backbone that a file's `content` is for, as it says itself; "" if it does not."""
    said = content.get(ABOUT) if isinstance(content, Mapping) else None
    return str(said.get("backbone", "")) if isinstance(said, Mapping) else ""
