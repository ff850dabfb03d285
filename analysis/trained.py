"""Trained steps from their checkpoints alone: network, method, task and data, ready to look at."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import argparser
from config import build
from dataset import DATASETS, build_dataset
from dataset.base import SegmentationDataset
from dataset.card import Described, data_card
from dataset.images import StepImages
from dataset.increment import IncrementData
from dataset.loader import make_loader
from dataset.resize import resize, shorter_side
from dataset.skip import skip_bad_images
from dataset.thread_loader import ThreadLoader
from dataset.transform import normalize
from experiment import checkpoint
from methods.base import Method
from segmentation_module import Output
from tasks import Step, make_step
from utils.pictures.fonts import legible

BATCH_SIZE = 16  # images per forward pass; in evaluation mode no result depends on it
LOGITS = 2**26  # of full size, in hand at a time where their probabilities are needed: 256 MB


@dataclass(frozen=True)
class Trained:
    """A method as it is after one step.

    Attributes:
        path: its checkpoint, with this checksum. step: the step that it learned last.
        card: of its data, see `dataset.card`. method_name: as `--method` has it.
        method: with its network in evaluation mode, nothing trainable. device: where the network is.
        dataset: what it learned; only names and colours if the images are not there.
        data: the images and labels of the step, as the run saw them. num_workers: of loaders.
    """

    path: Path
    checksum: int
    card: dict
    method_name: str
    step: Step
    method: Method
    device: torch.device
    dataset: SegmentationDataset
    data: IncrementData
    num_workers: int

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Output:  # uint8 (N, 3, H, W)
        """Everything that the network makes of `images`."""
        mean, std = (tuple(self.card[key]) for key in ("mean", "std"))
        images = normalize(images.to(self.device), mean, std).contiguous(memory_format=torch.channels_last)
        return self.method.net(images)

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:  # uint8 (N, 3, H, W)
        """Model index of each pixel's class, uint8 (N, H, W), and how unsure the network is, float32 (N, H,
        W).

        Unsure = 1 - the largest softmax probability. Both on the CPU.
        """
        rows = sum(self.method.heads(self.step))
        together = max(1, LOGITS // (rows * images.shape[-2] * images.shape[-1]))
        found = []
        for part in images.split(together):
            logits = self.forward(part).logits
            unsure = 1 - logits.softmax(1).amax(1)
            found.append((self.method.predict(logits).to("cpu", torch.uint8), unsure.float().cpu()))
        predicted, unsure = (torch.cat(parts) for parts in zip(*found, strict=True))
        return predicted, unsure

    def loader(self, images: StepImages) -> DataLoader | ThreadLoader:
        """Batches of `images` in their order.

        On a CPU without workers: the network takes tens of times as long as reading an image, on the same
        cores.
        """
        workers = 0 if self.device.type == "cpu" else self.num_workers
        return make_loader(images, BATCH_SIZE, train=False, num_workers=workers)

    def view(self, photo: Tensor) -> Tensor:  # uint8 (3, H, W)
        """`photo` at the scale of training: shorter side as long as a crop, nothing cut off."""
        return resize(photo, *shorter_side(*photo.shape[1:], self.data.crop_size))

    @property
    def encoder(self) -> int:
        """Checksum of body and head: networks that share it have the same features."""
        net = self.method.net
        return checkpoint.checksum([dict(part.state_dict()) for part in (net.body, net.head)])

    @property
    def class_names(self) -> list[str]:
        """Name of each class of the whole task, by model index."""
        return [self.dataset.class_names[label] for label in self.step.order]

    @property
    def palette(self) -> np.ndarray:
        """Colour of each label, uint8 (256, 3), whether the images are there or not."""
        return np.frombuffer(bytes.fromhex(self.card["colours"]), np.uint8).reshape(256, 3)

    @property
    def drawn_names(self) -> list[str]:
        """The same as pictures can show them: a label's number where no installed font has the letters."""
        return list(legible({label: self.dataset.class_names[label] for label in self.step.order}).values())


def load_step(
    path: Path | str,
    *,
    dataset: str = "",
    data_root: str = "",
    cache_dir: str = "cache",
    data: bool = True,
) -> Trained:
    """The step whose checkpoint is at `path`, on the GPU if there is one.

    Args:
        path: a checkpoint.
        dataset, data_root: name (or description) and folder of its data, "" for what training was given.
        cache_dir: folder for the scan of which image shows which class.
        data: whether its images are needed; if not, they may be missing.

    Raises:
        FileNotFoundError: if the checkpoint, or data that is needed, is not there.
        ValueError: if the checkpoint is damaged, or was trained on other classes than the dataset has now.
    """
    content = checkpoint.load(path)
    stored = content["config"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    places = {"data_root": data_root or stored.get("data_root", ""), "cache_dir": cache_dir}
    places |= {"dataset": dataset} if dataset else {}
    precision = {"precision": "fp32"} if device.type == "cpu" else {}  # half precision is for GPUs
    config = argparser.restore(stored, **places, **precision)
    card = content.get("card")  # files of older versions have none
    if card and not data:
        known = Described(card)
        groups = tuple(map(tuple, content["groups"]))
        step = Step(content["dataset"], content["task"], content["step"], groups, known.has_background)
    else:
        known = dataset_of(config, path, needed=data)
        step = make_step(known, config.task, content["step"])
    if [list(group) for group in step.groups] != content["groups"]:
        raise ValueError(f"{path} was trained on other classes than {config.dataset} {config.task} has now")
    method = build.method_after(config, step, device, content)
    method.net.eval().requires_grad_(False)
    data = build.step_data(config, step, known)
    card, checksum = card or data_card(known), content["checksum"]
    about = card, config.method, step
    return Trained(Path(path), checksum, *about, method, device, known, data, config.num_workers)


def dataset_of(config: SimpleNamespace, path: Path | str, *, needed: bool) -> SegmentationDataset:
    """The dataset as the run saw it; if its images are neither there nor needed, its class, which knows the
    names.
    """
    try:
        skips = needed and config.skip_bad_images  # which means to look at every image
        return opened(config.dataset, config.data_root, config.leaky_split, skips)
    except FileNotFoundError as error:
        if not needed and config.dataset in DATASETS:
            return DATASETS[config.dataset]
        why = "" if needed else "checkpoints of older versions do not carry their classes, and "
        raise FileNotFoundError(
            f"{path}: {why}{error}; name the data by --dataset and --data_root"
        ) from None


@lru_cache(maxsize=4)  # the steps of a run, and runs that are compared, share it
def opened(name: str, root: str, leaky: bool, skips: bool) -> SegmentationDataset:
    """The dataset `name` in `root`, `leaky` or not; without images that cannot be used if it `skips` them."""
    dataset = build_dataset(name, root, leaky=leaky)
    if skips:
        skip_bad_images(dataset)
    return dataset
