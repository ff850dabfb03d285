"""`python -m data.convert tiles`: pieces of large pictures, with their masks."""


import numpy as np
import pytest
from PIL import Image

from data.convert.__main__ import main
from data.convert.tiles import boxes
from tests.dataset_trees import write_image
from tests.test_data_convert import refused
from tests.test_dataset_decode import png
from utils.decoding.decode import read_index_mask

SQUARE = [[2, 2], [7, 2], [7, 7], [2, 7]]


@pytest.mark.parametrize("size", [(10, 10), (25, 10), (24, 31), (3, 4)])
@pytest.mark.parametrize("overlap", [0, 3])
def test_tiles_cover_every_pixel_and_are_of_one_size(size, overlap):
    found = boxes(size, 10, overlap)
    covered = np.zeros(size[::-1], int)
    for left, top, right, bottom in found:
        assert (right - left, bottom - top) == (min(10, size[0]), min(10, size[1]))
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1 and len(set(found)) == len(found)


@pytest.mark.parametrize("limit", [10, 10**9])
def test_pictures_above_pillows_limit_become_tiles_with_their_masks(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 255, (25, 33, 3), np.uint8), rng.integers(0, 4, (25, 33), np.uint8)
    labels[:10, :10] = 255
    for kind, array in (("images", pixels), ("masks", labels)):
        (tmp_path / kind).mkdir()
        Image.fromarray(array).save(tmp_path / kind / "x.png")
    words = ["tile", tmp_path / "images", tmp_path / "masks", "--out", tmp_path / "t", "--size", 10]
    assert main([str(word) for word in [*words, "--void_share", "0.9"]]) == 0
    assert Image.MAX_IMAGE_PIXELS == limit
    monkeypatch.undo()
    names = sorted(path.name for path in (tmp_path / "t/images").iterdir())
    assert len(names) == 11 and names == sorted(path.name for path in (tmp_path / "t/masks").iterdir())
    for name in names:
        top, left = map(int, name[2:-4].split("_"))
        for kind, array in (("images", pixels), ("masks", labels)):
            with Image.open(tmp_path / "t" / kind / name) as tile:
                assert (np.asarray(tile) == array[top : top + 10, left : left + 10]).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_tiles_of_masks_of_few_bits_keep_their_values(tmp_path, bits):
    labels = np.arange(20 * 16, dtype=np.uint8).reshape(16, 20) % 2**bits
    write_image(tmp_path / "images" / "x.png", (20, 16))
    (tmp_path / "masks").mkdir()
    rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:]).tobytes() for row in labels]
    (tmp_path / "masks/x.png").write_bytes(png(bits, 0, rows, size=(20, 16)))
    words = ["tile", tmp_path / "images", tmp_path / "masks", "--out", tmp_path / "t", "--size", 16]
    assert main([str(word) for word in words]) == 0
    tile = read_index_mask(tmp_path / "t" / "masks" / "x_00000_00004.png")
    assert tile.tolist() == labels[:, 4:].tolist()


def test_tiles_of_pictures_that_do_not_fit_their_masks_are_refused(tmp_path, capsys):
    write_image(tmp_path / "images" / "x.png", (20, 16))
    words = ["tile", tmp_path / "images", tmp_path / "masks", "--out", tmp_path / "t"]
    (tmp_path / "masks").mkdir()
    Image.new("L", (16, 20)).save(tmp_path / "masks" / "y.png")
    assert "has no mask of its name" in refused(capsys, *words)
    Image.new("L", (16, 20)).save(tmp_path / "masks" / "x.png")
    assert "masks/x.png is (16, 20) pixels" in refused(capsys, *words).replace("\\", "/")
    assert "--megapixels 1 allows" in refused(capsys, *words, "--megapixels", "0")
