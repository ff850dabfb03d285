"""Miniature archives in the layouts of the official ones, and a server that hands them out."""

import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (10, 8)


def jpeg(seed=0, size=SIZE):
    """Bytes of a picture of noise."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def png(label, size=SIZE):
    """Bytes of a mask that is `label` everywhere."""
    buffer = io.BytesIO()
    Image.new("L", size, label).save(buffer, "PNG")
    return buffer.getvalue()


def mat(label, size=SIZE):
    """Bytes of one of SBD's .mat files."""
    buffer = io.BytesIO()
    mask = np.full(size[::-1], label, np.uint8)
    savemat(buffer, {"GTcls": {"Boundaries": np.zeros(1), "Segmentation": mask, "CategoriesPresent": label}})
    return buffer.getvalue()


def tar(path, files, mode="w"):
    """A tar archive of {name: bytes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path, files):
    """A zip archive of {name: bytes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


TRAIN, VAL, SBD_ONLY = ("2007_000001", "2007_000002"), ("2007_000003",), ("2008_000004", "2008_000005")


def voc_archives(folder):
    """VOC2012 (2 training, 1 validation, 2 unlabelled pictures) and SBD (4 masks, one of VOC val)."""
    top = "VOCdevkit/VOC2012"
    files = {f"{top}/JPEGImages/{id}.jpg": jpeg() for id in (*TRAIN, *VAL, *SBD_ONLY)}
    files |= {f"{top}/SegmentationClass/{id}.png": png(1) for id in (*TRAIN, *VAL)}
    files |= {f"{top}/ImageSets/Segmentation/train.txt": "\n".join(TRAIN).encode()}
    files |= {f"{top}/ImageSets/Segmentation/val.txt": "\n".join(VAL).encode()}
    files |= {f"{top}/Annotations/2007_000001.xml": b"<annotation/>"}
    tar(folder / "VOCtrainval_11-May-2012.tar", files)
    masks = {f"benchmark_RELEASE/dataset/cls/{id}.mat": mat(2) for id in (TRAIN[0], *VAL, *SBD_ONLY)}
    return tar(folder / "benchmark.tgz", masks | {"benchmark_RELEASE/dataset/img/x.jpg": b""}, "w:gz")


def ade_archive(folder):
    """ADE20K with 2 + 1 images."""
    files = {}
    for split, ids in {
        "training": ("ADE_train_00000001", "ADE_train_00000002"),
        "validation": ("ADE_val_00000001",),
    }.items():
        files |= {f"ADEChallengeData2016/images/{split}/{id}.jpg": jpeg() for id in ids}
        files |= {f"ADEChallengeData2016/annotations/{split}/{id}.png": png(150) for id in ids}
    return zipped(folder / "ADEChallengeData2016.zip", files)


def cityscapes_archives(folder):
    """leftImg8bit and gtFine with 2 + 1 images, and files that nobody needs."""
    left, fine = {"README": b"", "license.txt": b""}, {}
    for place in (
        "train/aachen/aachen_000000_000019",
        "train/zurich/zurich_000001_000019",
        "val/munster/munster_000000_000019",
        "test/berlin/berlin_000000_000019",
    ):
        left[f"leftImg8bit/{place}_leftImg8bit.png"] = png(9)
        fine |= {f"gtFine/{place}_gtFine_{kind}.png": png(7) for kind in ("labelIds", "instanceIds", "color")}
    zipped(folder / "leftImg8bit_trainvaltest.zip", left)
    zipped(folder / "gtFine_trainvaltest.zip", fine)


@contextmanager
def server(content, *, cuts=(), ranges=True):
    """A server of `content` at any path but /gone.tar; yields its address and the list of ranges asked for.

    Its first answers break off after the numbers of bytes in `cuts`.
    """
    asked, cuts = [], list(cuts)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            wanted = self.headers.get("Range")
            asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and ranges else 0
            if self.path == "/gone.tar":
                return self.send_error(404)
            if start >= len(content):
                self.send_response(416)
                return self.end_headers()
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", asked
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
