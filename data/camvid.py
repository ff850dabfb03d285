"""CamVid in the split and with the 11 classes that SegNet made of it: 367, 101 and 233 photos of 480x360.

The photos and labels are those of Brostow, Fauqueur and Cipolla (Pattern Recognition Letters, 2009), for
research; reduced by Badrinarayanan, Kendall and Cipolla (SegNet, 2017), whose masks have 0 = sky to
10 = bicyclist and 11 = not labelled. Ours have 0 = not labelled, so that it can be the background, and
1 = sky to 11 = bicyclist.
"""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from data.check import Finding
from data.fetch import obtain
from data.sources import CAMVID
from data.unpack import wanted
from dataset.files import PICTURES
from utils.decoding.decode import read_index_mask
from utils.decoding.opening import read_header
from utils.files import write_bytes, write_text

CLASSES = (
    "background", "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
PHOTOS = {"train": 367, "val": 101, "test": 233}
SIZE = (480, 360)
# SHA-256 over names and label maps of a split, see `digest`; pictures may be PNG or JPEG.
DIGESTS = {
    "train": "d0f5b63ae59fa1924d861d75223106f4b49a818cd9b0b701305bb87395013cc5",
    "val": "6a9d766f50151f1e5ba35209b6f84a3c52da0f69841b02fbd5c5ce7cb940bb05",
    "test": "08e3d900ae712a74339836f9db782d5da9b09a9310dcc1ff3da01ee411a6cad6",
}
UNLABELLED = 11  # in SegNet's masks
NAMES = r"(?:[^/]+/)*?CamVid/(?P<split>train|val|test)(?P<annot>annot)?/(?P<name>[\w-]+\.png)"


def prepare_camvid(root: Path, archives: list[Path]) -> None:
    """Photos and masks in `root`, from an unpacked copy of SegNet's CamVid folder or its archive."""
    folder = next((place for one in archives for place in (one, one / "CamVid") if is_segnets(place)), None)
    files = unpacked(folder) if folder else packed(obtain(CAMVID, archives))
    for split, is_mask, name, data in files:
        kind = "annotations" if is_mask else "images"
        write_bytes(root / kind / split / name, shifted(data) if is_mask else data)
    write_text(root / "classes.txt", "\n".join(CLASSES) + "\n")


def is_segnets(folder: Path) -> bool:
    """Whether `folder` is laid out as SegNet's CamVid folder."""
    return all((folder / f"{split}{end}").is_dir() for split in PHOTOS for end in ("", "annot"))


def unpacked(folder: Path) -> Iterator[tuple[str, bool, str, bytes]]:
    """Split, whether it is a mask, name and content of each file of SegNet's folder."""
    for split in PHOTOS:
        for end in ("", "annot"):
            for path in sorted((folder / f"{split}{end}").glob("*.png")):
                yield split, bool(end), path.name, path.read_bytes()


def packed(archive: Path) -> Iterator[tuple[str, bool, str, bytes]]:
    """The same of the archive of SegNet's repository."""
    for match, _, read in wanted(archive, NAMES):
        yield match["split"], bool(match["annot"]), match["name"], read()


def shifted(data: bytes) -> bytes:
    """A mask of SegNet with every class one higher, and what is not labelled 0; PNG in, PNG out.

    Raises:
        ValueError: if it has other values.
    """
    labels = np.asarray(Image.open(io.BytesIO(data)))
    if labels.ndim != 2 or labels.max() > UNLABELLED:
        raise ValueError("a mask has other values than 0..11: this is not SegNet's CamVid")
    content = io.BytesIO()
    Image.fromarray(((labels + 1) % len(CLASSES)).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


# -- what is there -------------------------------------------------------------------------------------
def inspect_camvid(root: Path) -> list[Finding]:
    """Counts of photos and masks, and whether the masks are the known ones.

    Raises:
        FileNotFoundError: if there is nothing of it.
    """
    if not (root / "images").is_dir():
        raise FileNotFoundError(f"there is no {root / 'images'}")
    findings = []
    for split, expected in PHOTOS.items():
        folders = [root / kind / split for kind in ("images", "annotations")]
        photos, masks = ({path.stem: path for path in listed(folder)} for folder in folders)
        found = len(photos.keys() & masks.keys())
        state = "ok"
        if found != expected or len(photos) != len(masks):
            state = f"{len(photos)} photos and {len(masks)} masks"
        elif any(read_header(path).upright != SIZE for path in photos.values()):
            state = f"a photo is not {SIZE[0]}x{SIZE[1]}"
        elif digest(masks) != DIGESTS[split]:
            state = "the masks are not those of SegNet's CamVid, each class one higher"
        findings.append(Finding("camvid", split, found, expected, state))
    own = root / "classes.txt"
    names = tuple(own.read_text("utf-8").split()) if own.is_file() else ()
    state = "ok" if names == CLASSES else "missing" if not names else "other names"
    return [*findings, Finding("camvid", "classes.txt", len(names), len(CLASSES), state)]


def listed(folder: Path) -> list[Path]:
    """Pictures in `folder`, sorted; none if it is not there."""
    return sorted(path for path in folder.iterdir() if path.suffix in PICTURES) if folder.is_dir() else []


def digest(masks: dict[str, Path]) -> str:
    """SHA-256 over the names and label maps of `masks`, whatever compressed them."""
    found = hashlib.sha256()
    for name, path in sorted(masks.items()):
        found.update(name.encode() + b"\n" + read_index_mask(path).numpy().tobytes())
    return found.hexdigest()
