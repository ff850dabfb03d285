"""What a network keeps of its data when it leaves their folder: names, values and colours of the classes, the
kind of the masks, the normalisation of the pictures. Plain types, for checkpoints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from PIL import Image

from dataset.base import Sample, SegmentationDataset, voc_palette
from dataset.folder import Folder
from dataset.own.masks import PANOPTIC
from dataset.transform import MEAN, STD
from utils.decoding.decode import Reading
from utils.decoding.opening import LIMIT

Value = int | list[int]  # what a mask file has for a class: a number or a colour


def data_card(dataset: SegmentationDataset | type[SegmentationDataset]) -> dict:
    """The card of `dataset`; of a published data set its class will do, whose files nobody has opened.

    Entries:
        name, class_names, has_background: of the data set.
        colours: of each label, 768 bytes in hexadecimal digits.
        values: what mask files have for each class, in the order of the labels.
        masks: "palette", "grey", "colours" or "panoptic" (red + 256 green + 65536 blue).
        palette: of mask files, likewise in digits; "" if they have none.
        pictures: how picture files are decoded, the fields of `utils.decoding.decode.Reading`.
        mean, std: of the normalisation, RGB in 0..1.
    """
    made = not isinstance(dataset, type)
    colours = dataset.palette if made else voc_palette()
    stored = dataset.stored if made else dataset.stored.func(dataset)  # needs the class's table alone
    kind, palette = mask_kind(dataset, colours) if made else ("palette", colours)
    nothing = 255 if np.ndim(next(iter(stored.values()))) == 0 else (255, 255, 255)  # never predicted
    values = [plain(stored.get(label, nothing)) for label in range(len(dataset.class_names))]
    if isinstance(values[0], list):
        kind = "colours"
    elif max(values) > 65535 or (isinstance(dataset, Folder) and dataset.masks.channel == PANOPTIC):
        kind = "panoptic"
    elif max(values) > 255:
        kind = "grey"
    return {
        "name": dataset.name,
        "class_names": list(dataset.class_names),
        "has_background": dataset.has_background,
        "colours": colours.tobytes().hex(),
        "values": values,
        "masks": kind,
        "palette": palette.tobytes().hex() if kind == "palette" else "",
        "pictures": {name: plain(value) for name, value in asdict(dataset.pictures).items()},
        "mean": list(MEAN),
        "std": list(STD),
    }


def plain(value: object):
    """A value, a colour or a setting in plain types."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def reading_of(card: Mapping, max_pixels: int = LIMIT) -> Reading:
    """How pictures are decoded like those of training; at most `max_pixels`."""
    known = {name: tuple(one) if isinstance(one, list) else one for name, one in card["pictures"].items()}
    return Reading(**known | {"max_pixels": max_pixels})


def mask_kind(dataset: SegmentationDataset, colours: np.ndarray) -> tuple[str, np.ndarray]:
    """What the first mask of training is: "palette", with its colours uint8 (256, 3), or "grey".

    Without mask files "palette", in the `colours` of the data set.
    """
    path = dataset.samples("train")[0].mask
    if path is None:
        return "palette", colours
    try:
        with Image.open(path) as image:
            found = image.getpalette("RGB") if image.mode == "P" else None
    except (OSError, Image.DecompressionBombError):  # what Pillow does not open has no palette
        found = None
    if found is None:
        return "grey", colours
    palette = np.zeros(768, np.uint8)
    palette[: len(found)] = found
    return "palette", palette.reshape(256, 3)


class Described(SegmentationDataset):
    """A data set of which only the card is there.

    Attributes:
        card: see `data_card`.
    """

    def __init__(self, card: Mapping):
        super().__init__("")
        self.card = dict(card)
        self.name, self.has_background = card["name"], card["has_background"]
        self.class_names = tuple(card["class_names"])
        self.pictures = reading_of(card)
        self.palette = np.frombuffer(bytes.fromhex(card["colours"]), np.uint8).reshape(256, 3)

    def samples(self, split: str) -> list[Sample]:
        raise FileNotFoundError(f"the images of {self.name} are not here: a checkpoint has its classes only")
