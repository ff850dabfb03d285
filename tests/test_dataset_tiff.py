"""TIFF files whose pixels Pillow does not hand out as they are stored or shown."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import ROOT
from utils.decoding.decode import read_image, read_index_mask

LABELS = np.random.default_rng(1).integers(0, 21, (7, 11)).astype(np.uint8)
# How a TIFF file says that it is to be shown, and what turns the stored pixels that way.
SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def tiff(values, *, bits, photometric, order="<"):
    """An uncompressed grey TIFF file, for kinds that Pillow does not write."""
    height, width = values.shape
    places = np.arange(bits - 1, -1, -1)
    rows = (values[..., None] >> places & 1).astype(np.uint8).reshape(height, width * bits)
    data = np.packbits(rows, axis=1).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric}
    tags |= {273: 8, 277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data))
    return start + data + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_masks_are_turned_as_the_file_says(tmp_path, orientation, mode, compression):
    """Of an uncompressed one opened by name, Pillow 11.3 to 13.0 makes a scramble."""
    mask = Image.fromarray(LABELS.astype(np.uint16) if mode == "I;16" else LABELS)
    if mode == "P":
        mask.putpalette(np.random.default_rng(2).integers(0, 255, 768).tolist())
    mask.save(tmp_path / "a.tif", tiffinfo={274: orientation}, compression=compression)
    want = torch.from_numpy(SHOWN[orientation](LABELS).copy())
    assert torch.equal(read_index_mask(tmp_path / "a.tif"), want)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_pictures_are_turned_as_the_file_says(tmp_path, orientation, mode):
    image = Image.fromarray(LABELS).convert(mode)
    image.save(tmp_path / "a.tif", tiffinfo={274: orientation})
    want = torch.from_numpy(SHOWN[orientation](LABELS).copy())
    assert torch.equal(read_image(tmp_path / "a.tif"), want.expand(3, -1, -1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_masks_are_read_as_stored_also_where_0_means_white(tmp_path, bits, photometric, order):
    values = LABELS & (2**bits - 1)
    (tmp_path / "a.tif").write_bytes(tiff(values, bits=bits, photometric=photometric, order=order))
    assert torch.equal(read_index_mask(tmp_path / "a.tif"), torch.from_numpy(values))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits_are_indices_not_packed_bits(tmp_path, bits):
    mask = Image.fromarray(LABELS & (2**bits - 1))
    mask.putpalette([value for index in range(2**bits) for value in (index, 0, 0)])
    mask.save(tmp_path / "a.png", bits=bits)
    assert torch.equal(read_index_mask(tmp_path / "a.png"), torch.from_numpy(LABELS & (2**bits - 1)))


def test_no_file_of_ours_decodes_with_torchvision():
    """Its decoders hand out palettes of 1, 2 and 4 bits as packed bits."""
    rooms = ("analysis", "data", "dataset", "experiment", "methods", "models", "modules", "scripts", "utils")
    sources = [file for room in rooms for file in (ROOT / room).rglob("*.py")] + list(ROOT.glob("*.py"))
    found = [file.name for file in sources if "torchvision.io" in file.read_text(encoding="utf-8")]
    assert len(sources) > 50 and not found
