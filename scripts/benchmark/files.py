"""Table `files`: what many small images cost before the first batch, per image and in memory."""

import gc
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from dataset.base import Sample, SegmentationDataset
from dataset.folder import Folder
from dataset.increment import IncrementData, increment_data
from dataset.loader import make_loader
from dataset.packs import on_disk
from dataset.presence import scan
from scripts.benchmark.tools import Row, compare
from tasks import make_step
from utils import heap

WIDTH, HEIGHT, CLASSES, DIFFERENT = 32, 24, 20, 200
ROOT = Path(__file__).resolve().parent.parent.parent
CPU = torch.device("cpu")


def written(root: Path, images: int) -> Path:
    """A description of so many training images in `root`: JPEG and grey PNG, most of them by other names."""
    rng = np.random.default_rng(0)
    for split, count in (("train", images), ("val", 1)):
        for kind, ending in (("images", "jpg"), ("masks", "png")):
            (folder := root / split / kind).mkdir(parents=True)
            for number in range(min(count, DIFFERENT)):
                pixels = rng.integers(0, CLASSES, (HEIGHT // 8, WIDTH // 8), np.uint8)
                picture = Image.fromarray(pixels.repeat(8, 0).repeat(8, 1))
                picture = picture.convert("RGB") if kind == "images" else picture
                picture.save(folder / f"{number:08}.{ending}")
            for number in range(DIFFERENT, count):
                os.link(folder / f"{number % DIFFERENT:08}.{ending}", folder / f"{number:08}.{ending}")
    lines = [f"classes: [{', '.join(f'c{label}' for label in range(CLASSES))}]"]
    lines += [f"{split}: {{images: {split}/images, masks: {split}/masks}}" for split in ("train", "val")]
    (root / "many.yaml").write_text("\n".join(lines), encoding="utf-8")
    return root / "many.yaml"


class Published(SegmentationDataset):
    """The same images, as a data set in a layout of its own reads them."""

    name = "published"

    def __init__(self, own: Folder):
        super().__init__(own.root)
        self.own, self.class_names = own, own.class_names

    def samples(self, split: str):
        return self.own.samples(split)


def rows(*, rounds: int, images: int = 20_000, scanned: int = 2000) -> list[Row]:
    """Scans of `scanned` images, and what `images` and twice as many cost with the scan in the cache."""
    with TemporaryDirectory() as folder:
        few, many = (written(Path(folder, str(number)), number) for number in (images, 2 * images))
        own = Folder("", few)
        samples = own.samples("train")[:scanned]
        masks, pictures = [[*map(str, paths)] for paths in (samples.masks(), samples.images())]
        found = [
            compare("scan, against bare decoding of the masks", lambda: decoded(masks),
                    lambda: pixels(Published(own), samples), CPU, rounds=rounds, images=len(masks)),
            compare("own data: and the pictures' headers", lambda: decoded(masks, pictures),
                    lambda: pixels(own, samples), CPU, rounds=rounds, images=len(masks)),
        ]  # fmt: skip
        first = begun(few)
        warm = compare("warm start, against asking for sizes and times", lambda: asked(first),
                       lambda: asked_of(begun(few)), CPU, rounds=rounds, images=images)  # fmt: skip
        warm.more["us per image"] = 1000 * warm.ours / images
        begun(many)
        return [*found, warm, limited(own, samples, rounds=rounds), memory_row(few, many, images)]


def decoded(masks: list[str], pictures: list[str] | tuple = ()) -> torch.Tensor:
    """Pixels of each value in all `masks`; of `pictures` only the headers are read."""
    total = np.zeros(256, np.int64)
    for path in masks:
        with Image.open(path) as image:
            total += np.bincount(np.array(image).ravel(), minlength=256)
    for path in pictures:
        with Image.open(path) as image:
            assert image.size == (WIDTH, HEIGHT)
    return torch.from_numpy(total)


def pixels(dataset: SegmentationDataset, samples: list[Sample]) -> torch.Tensor:
    """The same by the scan."""
    return torch.from_numpy(scan(dataset, samples, "many").pixels_of())


def begun(description: Path) -> IncrementData:
    """What a run asks of the data of its first step before it trains on them."""
    dataset = Folder("", description)
    data = increment_data(dataset, make_step(dataset, "10-9"), cache_dir=description.parent / "cache")
    data.rows("train"), data.content("train"), data.pixels(), dataset.fingerprint("train")
    return data


def asked(data: IncrementData) -> torch.Tensor:
    """Sizes of all files, for which whoever wants to know whether they have changed must ask."""
    samples = data.dataset.samples("train")
    sizes = [os.stat(path).st_size for paths in (samples.images(), samples.masks()) for path in paths]
    return torch.tensor(sizes)


def asked_of(data: IncrementData) -> torch.Tensor:
    """The same as the start has found them."""
    return torch.from_numpy(data.dataset.samples("train").versions[:, :, 0].T.ravel())


def limited(own: Folder, samples: list[Sample], *, rounds: int) -> Row:
    """Packs of `samples` written without a limit, and with one for which an older pack goes."""
    size = 4 * WIDTH * HEIGHT * len(samples)

    def packed(limit: float) -> torch.Tensor:
        with TemporaryDirectory() as folder, redirect_stdout(None):
            old = Path(folder, "decoded_old", "0.pack")
            old.parent.mkdir()
            old.write_bytes(bytes(size))
            packs = on_disk(own, "train", samples, folder, limit)
            assert old.exists() == (limit == 0)
            return torch.stack([packs.get(sample)[0].sum() for sample in samples])

    pair = (partial(packed, limit) for limit in (0, 1.5 * size))
    return compare("--cache disk: with --cache_limit", *pair, CPU, rounds=rounds, images=len(samples))


# -- memory ------------------------------------------------------------------------------------------------
class Looks(Dataset):
    """Looks at the samples of a step as its images do, without reading them."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(len(self.samples[key[1]].id)), torch.tensor(0)


def memory_row(few: Path, many: Path, images: int) -> Row:
    """Bytes that an image more takes in the process and in each of its loader processes (Linux)."""
    row = Row("memory")
    if Path("/proc/self/smaps_rollup").is_file():
        small, large = (measured(description) for description in (few, many))
        for name in small:
            row.more[f"bytes per image, {name}"] = (large[name] - small[name]) / images
    return row


def measured(description: Path) -> dict[str, float]:
    """`taken` in a process of its own."""
    command = [sys.executable, "-m", "scripts.benchmark.files", str(description)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def taken(description: Path) -> dict[str, float]:
    """Bytes of this process at the end of an epoch, beyond its imports, and bytes of its own of a worker."""
    before = held("self", "Rss")
    images = begun(description).train
    heap.give_back()  # as before the loader of a run
    loader = make_loader(Looks(images.samples), 100, train=True, num_workers=1)
    for _ in loader:
        pass
    gc.collect()
    workers = [worker.pid for worker in loader._iterator._workers]
    own = [sum(held(pid, f"Private_{kind}") for kind in ("Clean", "Dirty")) for pid in workers]
    return {"process": held("self", "Rss") - before, "worker": max(own)}


def held(process: int | str, name: str) -> float:
    """A line of Linux' account of a process' memory, in bytes."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return 1024.0 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


if __name__ == "__main__":
    print(json.dumps(taken(Path(sys.argv[1]))))
