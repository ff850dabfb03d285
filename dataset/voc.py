"""PASCAL VOC 2012 with the SegmentationClassAug masks: 10,582 training and 1,449 validation images."""

from pathlib import Path

from dataset.files import FileDataset, below, inside, pictures, read_list, stem
from dataset.samples import Sample, Samples

CLASSES = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse
motorbike person pottedplant sheep sofa train tvmonitor""".split()

# Where the published systems and the official archive keep the lists; the first that exists is read.
LISTS = {
    "train": ("splits/train_aug.txt", "list/train_aug.txt", "ImageSets/Segmentation/train_aug.txt",
              "ImageSets/Segmentation/trainaug.txt"),
    "val": ("splits/val.txt", "list/val.txt", "ImageSets/Segmentation/val.txt"),
}  # fmt: skip
# Where VOC2012 lies below the folder that is given.
PLACES = ("", "VOC2012", "VOCdevkit/VOC2012", "PascalVOC12")
AUGMENTED, OFFICIAL = "SegmentationClassAug", "SegmentationClass"


class VOC(FileDataset):
    """PASCAL VOC 2012; labels 0 background, 1..20, 255 void (object borders).

    Args:
        root: the VOC2012 folder (with JPEGImages in it), or one that holds it as VOC2012,
            VOCdevkit/VOC2012 or PascalVOC12. A line of a list is "/image /mask" relative to it, or just the
            id of an image. Without a training list, every mask in SegmentationClassAug that is not in the
            validation list is trained on.
    """

    name = "voc"
    class_names = tuple(CLASSES)
    expected = {"train": 10582, "val": 1449}

    def __init__(self, root: Path | str):
        super().__init__(root)
        places = [self.root / name for name in PLACES]
        self.root = next((place for place in places if (place / "JPEGImages").is_dir()), self.root)
        if not (self.root / "JPEGImages").is_dir():
            raise FileNotFoundError(
                f"{self.root} holds no VOC2012/JPEGImages; give --data_root (see data/README.md)"
            )

    def list_samples(self, split: str) -> Samples:
        if split not in LISTS:
            raise ValueError(f"voc has no split {split!r}; known: {', '.join(LISTS)}")
        path = next((self.root / name for name in LISTS[split] if (self.root / name).is_file()), None)
        if path:
            return Samples.of([self._listed(entry, split, path) for entry in read_list(path)])
        if split == "val":
            raise FileNotFoundError(f"{self.root} has none of {', '.join(LISTS['val'])}")
        held_out = set(self.samples("val").ids())
        if not (self.root / AUGMENTED).is_dir():
            raise FileNotFoundError(f"{self.root} has no {AUGMENTED}; see data/README.md for these masks")
        masks = [mask for mask in pictures(self.root / AUGMENTED) if stem(mask) not in held_out]
        ids = [stem(mask) for mask in masks]
        images = below(self.root / "JPEGImages", [f"{id}.jpg" for id in ids])
        return Samples.of_columns(ids, images, masks)

    def _listed(self, entry: list[str], split: str, source: Path) -> Sample:
        if len(entry) == 1:  # official lists
            folder = OFFICIAL if split == "val" and (self.root / OFFICIAL).is_dir() else AUGMENTED
            entry = [f"JPEGImages/{entry[0]}.jpg", f"{folder}/{entry[0]}.png"]
        if len(entry) != 2:
            raise ValueError(f"{source}: {' '.join(entry)!r} is neither an id nor an image and its mask")
        image, mask = (inside(self.root, file, source) for file in entry)
        return Sample(image.stem, image, mask)
