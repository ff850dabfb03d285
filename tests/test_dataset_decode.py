import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.dataset_trees import write_image, write_mask
from utils.decoding.decode import BadFileError, read_image, read_index_mask

PIXELS = np.random.default_rng(0).integers(0, 255, (7, 11, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 21, (7, 11)).astype(np.uint8)


def png(bits, colour, rows, *, interlace=0, size=None):
    """A PNG file of raw `rows` (bytes without filter byte), for kinds that Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height = size
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    want = np.array(Image.open(tmp_path / "a.jpg"))
    assert torch.equal(read_image(tmp_path / "a.jpg").permute(1, 2, 0), torch.from_numpy(want))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_every_kind_of_png_becomes_rgb(tmp_path, mode):
    grey = Image.fromarray(PIXELS[..., 0])
    image = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    image.save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.shape == (3, 7, 11) and read.dtype == torch.uint8
    if mode != "1":  # which dithers
        assert torch.equal(read, torch.from_numpy(PIXELS[..., 0]).expand(3, -1, -1))


def test_palette_with_transparency_becomes_rgb(tmp_path):
    image = Image.fromarray(LABELS)
    image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "a.png", transparency=bytes([0, 100, 255]))
    assert torch.equal(read_image(tmp_path / "a.png")[0], torch.from_numpy(LABELS * 3))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_rgb(tmp_path, mode):
    flat = Image.new("RGB", (11, 7), (90, 90, 90)).convert(mode)
    flat.save(tmp_path / "a.jpg")
    read = read_image(tmp_path / "a.jpg")
    assert read.shape == (3, 7, 11) and (read.int() - 90).abs().max() <= 2


def test_exif_orientation_is_respected(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    upright = read_image(tmp_path / "a.jpg")
    assert upright.shape == (3, 11, 7)
    want = np.rot90(np.array(Image.open(tmp_path / "a.jpg")), -1).copy()
    assert torch.equal(upright.permute(1, 2, 0), torch.from_numpy(want))


@pytest.mark.parametrize("mode", ["P", "L", "16"])
def test_masks_give_indices_as_stored(tmp_path, mode):
    mask = Image.fromarray(LABELS.astype(np.uint16) if mode == "16" else LABELS)
    if mode == "P":
        mask.putpalette(np.random.default_rng(2).integers(0, 255, 768).tolist())
    mask.save(tmp_path / "a.png")
    read = read_index_mask(tmp_path / "a.png")
    assert read.dtype == torch.uint8 and torch.equal(read, torch.from_numpy(LABELS))


@pytest.mark.parametrize("colour", [0, 3])  # grey, palette
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_give_indices_not_grey_levels(tmp_path, bits, colour):
    indices = np.arange(16).reshape(2, 8) % 2**bits
    stream = ["".join(format(value, f"0{bits}b") for value in row) for row in indices]
    rows = [int(row, 2).to_bytes(bits) for row in stream]
    (tmp_path / "a.png").write_bytes(png(bits, colour, rows, size=(8, 2)))
    assert read_index_mask(tmp_path / "a.png").tolist() == indices.tolist()


def test_16_bit_mask_with_large_values_is_refused(tmp_path):
    Image.fromarray(LABELS.astype(np.uint16) + 1000).save(tmp_path / "a.png")
    with pytest.raises(BadFileError, match=r"a\.png has label 1020"):
        read_index_mask(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_coloured_mask_is_refused_with_the_cure(tmp_path, mode):
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / "a.png")
    with pytest.raises(BadFileError, match=r"a\.png has .* convert its colours to indices"):
        read_index_mask(tmp_path / "a.png")


def test_lossy_mask_is_refused(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "a.jpg")
    with pytest.raises(BadFileError, match=r"a\.jpg is a JPEG, .* index PNG"):
        read_index_mask(tmp_path / "a.jpg")


def test_floating_point_picture_is_refused(tmp_path):
    Image.fromarray(LABELS.astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(BadFileError, match=r"a\.tif has float32 values .* give range: "):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "name, read", [("a.jpg", read_image), ("a.png", read_image), ("a.png", read_index_mask)]
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "missing", "folder"])
def test_damaged_file_is_named(tmp_path, name, read, damage):
    path = tmp_path / name
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        write_mask(path, range(20), size=(200, 160)) if read is read_index_mask else write_image(
            path, (200, 160)
        )
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"<html>"}[damage])
    with pytest.raises(BadFileError, match=rf"^\S*a\.{name[2:]} (cannot be read|does not exist)") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_image, read_index_mask])
def test_decompression_bomb_is_refused_before_it_unfolds(tmp_path, read):
    (tmp_path / "a.png").write_bytes(png(8, 0, [b"\0" * 10], size=(60000, 60000)))
    with pytest.raises(BadFileError, match=r"a\.png has 3,600,000,000 pixels"):
        read(tmp_path / "a.png")


def test_message_survives_the_way_through_a_worker():
    text = (
        "Caught BadFileError in DataLoader worker process 0.\nTraceback\ndataset.decode.BadFileError: no a\n"
    )
    assert str(BadFileError(text)) == "no a"


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "TIFF"]),
    mode=st.sampled_from(["RGB", "L", "P", "1"]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
)
def test_any_file_is_read_or_refused_by_name(tmp_path_factory, kind, mode, size, cut, flips):
    buffer = io.BytesIO()
    image = Image.new("RGB", size, (10, 200, 30)).convert("L" if kind == "JPEG" and mode in "P1" else mode)
    image.save(buffer, kind)
    data = bytearray(buffer.getvalue())
    data = data[: max(len(data) - cut, 0)] if cut > 200 else data
    for place, value in flips:
        if data:
            data[place % len(data)] = value
    path = tmp_path_factory.mktemp("fuzz") / "a.bin"
    path.write_bytes(data)
    for read, dims in ((read_image, 3), (read_index_mask, 2)):
        try:
            result = read(path)
        except BadFileError as error:
            assert str(path) in str(error)
        else:
            assert result.dtype == torch.uint8 and result.dim() == dims
