"""Any backbone of the timm package: `--backbone timm:<name>`, or `timm:<name>@<side>` for another size."""

import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import timm
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from models.pretrained import faults, read_file
from models.timm_grid import Grid, find_grid
from models.variant import contradiction
from models.wrapping import network_in
from modules.synced_norm import synchronise

HUB = "hub"  # --pretrained_path that asks for timm's own download
NORM_MOMENTUM = 0.01  # of bodies, as in torchvision-based published systems; heads keep 0.1
STAGES = 4  # maps handed out for distillation; plain transformers are cut into as many parts


class TimmBackbone(nn.Module):
    """A timm model without its classifier: the last stage feeds the head, all stages feed distillation.

    Images are resized to what the model takes: whole cells for most, one size for models with a fixed grid;
    those that can be dilated, such as ResNets, take any size as it is. Batch norms are synchronised over
    processes.

    Args:
        name: timm's name, with or without a tag of its weights.
        output_stride: 8, 16 or 32, for models that can be dilated; the others keep the stride that they have.
        side: image side (px) to build the position tables for; 0 for the model's own.

    Raises:
        ValueError: for a name that timm does not know, or a size that the model cannot be built for.
    """

    head_channels = 256

    def __init__(self, name: str, *, output_stride: int = 16, side: int = 0):
        super().__init__()
        self.name, self.side = name, side
        self.options = self._plan(output_stride)
        self.model = create(name, **self.options)
        info = [dict(stage) for stage in self.model.feature_info]
        plain = len({stage["reduction"] for stage in info}) == 1  # one grid throughout: a plain transformer
        self.norm = plain and getattr(self.model, "norm", None) is not None
        if plain:
            self.stages = [len(info) * (part + 1) // STAGES - 1 for part in range(STAGES)]
        else:
            self.stages = [number for number, stage in enumerate(info) if stage["reduction"] >= 4][-STAGES:]
        self.out_channels, self.stride = (info[self.stages[-1]][key] for key in ("num_chs", "reduction"))
        config = self.model.pretrained_cfg
        own = (side, side) if side else tuple(config["input_size"][1:])
        self.grid = self._look_at_sizes(own)
        self.prune(self.model)
        synchronise(self.model, momentum=NORM_MOMENTUM)
        self._set_colours(config["mean"], config["std"])

    def _plan(self, output_stride: int) -> dict:
        """What this model can be told of: dilation, flexible grids, the size to build for."""
        wanted = {"output_stride": output_stride, "dynamic_img_size": True, "strict_img_size": False}
        wanted |= {"img_size": self.side} if self.side else {}
        with torch.device("meta"):
            known = inspect.signature(type(create(self.name)).__init__).parameters
            options = {key: value for key, value in wanted.items() if key in known}
            if self.side and "img_size" not in options:
                raise ValueError(f"timm:{self.name} takes images of any size: leave @{self.side} away")
            try:
                create(self.name, **options)
            except ValueError:  # knows the word, but not this stride
                options.pop("output_stride", None)
        return options

    def _look_at_sizes(self, own: tuple[int, int]) -> Grid:
        """What sizes the model takes, found without computing anything.

        Freezes what the features do not depend on: DistributedDataParallel waits for the gradient of every
        trainable parameter.
        """
        patch = getattr(getattr(self.model, "patch_embed", None), "patch_size", 1)
        patch = tuple(patch) if isinstance(patch, tuple | list) else (patch, patch)
        with torch.device("meta"), torch.enable_grad():
            model = create(self.name, **self.options)
            self.prune(model)

            @torch.no_grad()
            def cells(size: tuple[int, int]) -> tuple[int, int]:
                return tuple(self._stages(model, torch.zeros(2, 3, *size))[-1].shape[-2:])

            # What can be dilated consists of convolutions centred on their pixels.
            dilates = "output_stride" in self.options
            grid = find_grid(cells, stride=self.stride, patch=patch, own=own, centred=dilates)
            try:
                features = self._stages(model, grid.fit(torch.zeros(2, 3, *own)))[-1]
            except RuntimeError as error:  # decides by values of the image, which are not there
                raise ValueError(f"timm:{self.name} is no backbone here ({error}): take another") from error
            parameters = {key: p for key, p in model.named_parameters() if p.requires_grad}
            used = torch.autograd.grad(features.sum(), parameters.values(), allow_unused=True)
        for key, gradient in zip(parameters, used, strict=True):
            if gradient is None:
                self.model.get_parameter(key).requires_grad_(False)
        return grid

    def prune(self, model: nn.Module) -> None:
        """Take off what comes after the last stage."""
        model.prune_intermediate_layers(self.stages, prune_norm=not self.norm, prune_head=True)

    def _set_colours(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """From the normalisation of our images to that of the model's training."""
        self.recolour = (tuple(mean), tuple(std)) != (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
        ours_mean, ours_std = torch.tensor(IMAGENET_DEFAULT_MEAN), torch.tensor(IMAGENET_DEFAULT_STD)
        mean, std = torch.tensor(mean), torch.tensor(std)
        self.register_buffer("gain", (ours_std / std).view(3, 1, 1), persistent=False)
        self.register_buffer("offset", ((ours_mean - mean) / std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:  # (N, 3, H, W), normalised
        """Features (N, B, h, w) and the maps of the stages, the last one included."""
        if self.recolour:
            images = images * self.gain + self.offset
        images = self.grid.fit(images)
        maps = self._stages(self.model, images)
        return maps[-1], {f"stage{number}": stage for number, stage in enumerate(maps)}

    def _stages(self, model: nn.Module, images: Tensor) -> list[Tensor]:
        return model.forward_intermediates(
            images, indices=self.stages, norm=self.norm, output_fmt="NCHW", intermediates_only=True
        )

    def load_pretrained(self, path: str) -> None:
        """Weights from a local file, in timm's or the original layout; "hub" lets timm download its own.

        Raises:
            FileNotFoundError, ValueError: see `models.pretrained`; first keys that differ are named.
            ConnectionError: if the download fails.
        """
        if path != HUB and not Path(path).is_file():
            cures = f"--pretrained_path {HUB} downloads timm's, --no_pretrained starts from random ones"
            raise FileNotFoundError(f"no weights at {path}: put the file there, or {cures}")
        model = download(self.name, self.options) if path == HUB else create(self.name, **self.options)
        if path != HUB:
            self._fill(model, path)
        self.prune(model)
        weights = model.state_dict()
        self.model.load_state_dict({key: weights[key] for key in self.model.state_dict()})

    def _fill(self, model: nn.Module, path: str) -> None:
        """Load a file into the whole model; only what is pruned later may be missing."""
        own, content = model.state_dict(), read_file(path)
        if words := contradiction(content, model):
            raise ValueError(f"{path} is not a file for timm:{self.name}: {words}")
        weights = original_names(model)(network_in(content, path, own)[0])
        for key in weights.keys() & own.keys():
            if "pos_embed" in key and weights[key].shape != own[key].shape:
                weights[key] = _resample(weights[key], own[key])
        kept = self.model.state_dict()
        classifiers = model.pretrained_cfg.get("classifier") or ()
        classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
        parts = {key.split(".")[0] for key in own}
        # The classifier and what belongs to no part of the model (decoders, mask tokens) are for other tasks.
        weights = {
            key: value
            for key, value in weights.items()
            if key in own or (key.split(".")[0] in parts and not key.startswith(classifiers))
        }
        if words := faults(own, weights, may_lack=own.keys() - kept.keys()):
            raise ValueError(f"{path} is not a file for timm:{self.name}: it {words}")
        model.load_state_dict(weights, strict=False)


def create(name: str, **options) -> nn.Module:
    """A timm model with random weights and no classifier.

    Raises:
        ValueError: if timm has no such model, or not with these options.
    """
    architecture = name.split(".")[0]
    known = timm.list_models()
    if architecture not in known:
        near = get_close_matches(architecture, known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() has them all"
        raise ValueError(f"unknown timm model {architecture!r}; {hint}")
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (RuntimeError, AssertionError, ValueError) as error:
        wish = ", ".join(f"{key}={value}" for key, value in options.items())
        raise ValueError(f"timm cannot build {name}({wish}): {error}") from error


def download(name: str, options: dict) -> nn.Module:
    """A timm model with the weights that timm downloads (or finds in its cache).

    Raises:
        ConnectionError: if that fails for any reason.
    """
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **options)
    except Exception as error:  # whatever the HTTP libraries of the day raise
        reason = str(error).strip().split("\n")[0]
        raise ConnectionError(
            f"timm could not download {name} ({type(error).__name__}: {reason}); "
            "fetch the file elsewhere and give it as --pretrained_path FILE"
        ) from error


def original_names(model: nn.Module) -> Callable[[dict], dict]:
    """The translator of timm from the layout that the model was published in; keeps timm's own layout."""
    module = vars(sys.modules[type(model).__module__])
    names = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
    translate = next((module[name] for name in names if name in module), None)
    if translate is None:
        return dict
    takes_model = len(inspect.signature(translate).parameters) > 1
    return lambda weights: dict(translate(weights, model) if takes_model else translate(weights))


def _resample(table: Tensor, like: Tensor) -> Tensor:
    """Position table (1, L, C) of a square grid, interpolated to that of `like`; as it is if not such."""
    if table.dim() != 3 or like.dim() != 3:
        return table
    old, new = (round(tensor.shape[1] ** 0.5) for tensor in (table, like))
    if old**2 != table.shape[1] or new**2 != like.shape[1]:
        return table
    return resample_abs_pos_embed(table, new_size=[new, new], old_size=[old, old], num_prefix_tokens=0)


def timm_backbone(name: str, *, output_stride: int = 16) -> TimmBackbone:
    """The body for `timm:<name>` or `timm:<name>@<side>`.

    Raises:
        ValueError: see `TimmBackbone`.
    """
    name, _, side = name.partition("@")
    if side and not side.isdigit():
        raise ValueError(f"timm:{name}@{side}: what follows @ is the side of the images in pixels")
    return TimmBackbone(name.lower(), output_stride=output_stride, side=int(side or 0))
