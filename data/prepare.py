"""Bring a published data set into the layout that `--data_root` reads.

    python -m data.prepare voc --root DIR                    # downloads what is not there
    python -m data.prepare ade --root DIR --archives OTHER   # takes the archives that lie in OTHER
    python -m data.prepare cityscapes --root DIR             # get its archives first, with your own login
    python -m data.prepare camvid --root DIR                 # 701 photos of streets, 11 classes

Archives are looked for in --archives and in --root, and else downloaded from the official addresses. An
interrupted download or unpacking continues with the same command. What is complete is left alone. Archives
are not deleted.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from data.camvid import inspect_camvid, prepare_camvid
from data.check import FOLDERS, Finding, inspect, table
from data.fetch import obtain
from data.sources import ADE2016, FINE_LABELS, LEFT_IMAGES, SBD, VOC2012
from data.unpack import unpack
from data.voc_aug import augment, list_training_images
from dataset.voc import PLACES

NAME = r"[\w-]+"
VOC_FILES = (
    rf"VOCdevkit/VOC2012/(?P<place>JPEGImages/{NAME}\.jpg|Segmentation(?:Class|Object)/{NAME}\.png"
    rf"|ImageSets/Segmentation/{NAME}\.txt)"
)
ADE_FILES = (
    rf"ADEChallengeData2016/(?P<place>images/(?:training|validation)/{NAME}\.jpg"
    rf"|annotations/(?:training|validation)/{NAME}\.png|objectInfo150\.txt)"
)
LEFT_FILES = rf"(?P<place>leftImg8bit/(?:train|val)/{NAME}/{NAME}_leftImg8bit\.png)"
FINE_FILES = rf"(?P<place>gtFine/(?:train|val)/{NAME}/{NAME}_gtFine_labelIds\.png)"
VOC_PICTURES = 17125


def prepare_voc(root: Path, archives: list[Path]) -> None:
    """VOC2012 with the masks of SBD, in `root` itself if it is a VOC2012 folder, else in `root`/VOC2012."""
    place = next((root / name for name in PLACES if (root / name / "JPEGImages").is_dir()), root / "VOC2012")
    pictures = len(list((place / "JPEGImages").glob("*.jpg")))
    masks = {folder: len(list((place / folder).glob("*.png"))) for folder in FOLDERS["voc"]}
    lists = (place / "ImageSets/Segmentation/val.txt").is_file()
    if (
        pictures < VOC_PICTURES
        or masks["SegmentationClass"] < FOLDERS["voc"]["SegmentationClass"]
        or not lists
    ):
        unpack(obtain(VOC2012, archives), place, VOC_FILES)
    if masks["SegmentationClassAug"] < FOLDERS["voc"]["SegmentationClassAug"]:
        augment(place, obtain(SBD, archives))
    list_training_images(place)


def prepare_ade(root: Path, archives: list[Path]) -> None:
    """ADE20K of the 2016 challenge, in `root` if it has images/, else in `root`/ADEChallengeData2016."""
    place = root if (root / "images").is_dir() else root / "ADEChallengeData2016"
    unpack(obtain(ADE2016, archives), place, ADE_FILES)


def prepare_cityscapes(root: Path, archives: list[Path]) -> None:
    """Pictures and label masks of the training and validation cities; nothing else of the archives."""
    left, fine = (obtain(archive, archives) for archive in (LEFT_IMAGES, FINE_LABELS))
    unpack(fine, root, FINE_FILES)
    unpack(left, root, LEFT_FILES)


PREPARE: dict[str, Callable[[Path, list[Path]], None]] = {
    "voc": prepare_voc,
    "ade": prepare_ade,
    "cityscapes": prepare_cityscapes,
    "camvid": prepare_camvid,
}


def what_is_there(name: str, root: Path) -> list[Finding]:
    """Findings about the data set `name` in `root`; FileNotFoundError if there is nothing of it."""
    return inspect_camvid(root) if name == "camvid" else inspect(name, root)


def main(arguments: list[str] | None = None) -> int:
    """Prepare a data set and print what is there; 0 if it is complete, 1 if not, 2 after a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m data.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", choices=PREPARE)
    parser.add_argument("--root", type=Path, required=True, help="folder for the data set, your --data_root")
    parser.add_argument("--archives", type=Path, help="folder that has archives, or gets those downloaded")
    options = parser.parse_args(arguments)
    root = options.root.expanduser()
    archives = [options.archives.expanduser(), root] if options.archives else [root]
    try:
        findings = there(options.dataset, root)
        if not findings:
            PREPARE[options.dataset](root, archives)
            findings = what_is_there(options.dataset, root)
    except (ValueError, OSError) as error:
        print(f"data.prepare: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(table(findings))
    return 0 if all(finding.ok for finding in findings) else 1


def there(name: str, root: Path) -> list:
    """Findings about a data set that is complete already, else none."""
    try:
        findings = what_is_there(name, root)
    except (ValueError, OSError):
        return []
    return findings if all(finding.ok for finding in findings) else []


if __name__ == "__main__":
    sys.exit(main())
