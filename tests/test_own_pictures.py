"""Pictures of more than 8 bits, of other bands, turned by EXIF, and very large ones."""

import numpy as np
import pytest
from PIL import Image

from dataset.folder import Folder
from tests.own_trees import SIZE, complaint, save, scanned, stripes, tree
from utils.decoding.decode import BadFileError

DEEP = stripes([0, 1024, 4095], dtype=np.uint16)
EXIF = 0x0112


def with_picture(root, write, extra="", ending=".png"):
    """A data set whose training picture `write(path)` makes."""
    path = tree(root, [stripes([0, 1])], extra)
    (root / "images/train/0.jpg").unlink()
    write(root / f"images/train/0{ending}")
    return path


def picture(path):
    dataset = Folder("", path)
    return dataset.read_picture(dataset.samples("train")[0])


# -- more than 8 bits --
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_12_bit_photo_is_refused_without_a_range_and_not_black_with_it(tmp_path, ending):
    def write(path):
        save(path, DEEP)

    with pytest.raises(BadFileError, match=r"uint16 values \(here 0 to 4095\).* give range: \[0, 4095\]"):
        complaint(with_picture(tmp_path / "1", write, ending=ending))
    read = picture(with_picture(tmp_path / "2", write, "range: [0, 4095]", ending))
    assert read[0, 0].unique().tolist() == [0, 64, 255]


def test_range_is_the_same_for_all_pictures(tmp_path):
    path = with_picture(tmp_path, lambda path: save(path, DEEP // 2), "range: [0, 4095]")
    assert picture(path).max() == 127


def test_floating_point_photo_needs_a_range(tmp_path):
    def write(path):
        save(path, stripes([0, 0.5, 1], dtype=np.float32))

    with pytest.raises(BadFileError, match=r"float32 values .* give range: \[0, 1\]"):
        complaint(with_picture(tmp_path / "1", write, ending=".tif"))
    assert picture(with_picture(tmp_path / "2", write, "range: [0, 1]", ".tif"))[0, 0].unique().tolist() == [
        0,
        128,
        255,
    ]


def test_16_bit_colours_keep_their_low_bits(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    tifffile = pytest.importorskip("tifffile")
    colours = np.dstack([DEEP, DEEP // 2, DEEP])
    for number, (ending, write) in enumerate({
        ".png": lambda path: path.write_bytes(imagecodecs.png_encode(colours)),
        ".tif": lambda path: tifffile.imwrite(path, colours, photometric="rgb"),
    }.items()):  # fmt: skip
        with pytest.raises(BadFileError, match=r"range: \[0, 4095\]"):
            complaint(with_picture(tmp_path / f"a{number}", write, ending=ending))
        read = picture(with_picture(tmp_path / f"b{number}", write, "range: [0, 4095]", ending))
        assert read[:, 0, -1].tolist() == [255, 127, 255]


# -- bands --
FOUR = np.broadcast_to(np.array([100, 90, 80, 50], np.uint8), (SIZE[1], SIZE[0], 4)).copy()


@pytest.mark.parametrize("kind", [0, 1, 2])  # of the extra sample: unspecified, associated alpha, plain alpha
def test_nir_band_of_a_tiff_is_no_opacity_and_has_to_be_named(tmp_path, kind):
    pytest.importorskip("tifffile")

    def write(path):
        Image.fromarray(FOUR).save(path, tiffinfo={338: kind})

    with pytest.raises(BadFileError, match=r"has 4 bands, .* bands: \[0, 1, 2\]"):
        complaint(with_picture(tmp_path / "1", write, ending=".tif"))
    for bands, want in (([0, 1, 2], [100, 90, 80]), ([3, 0, 1], [50, 100, 90]), ([3], [50, 50, 50])):
        read = picture(with_picture(tmp_path / str(bands), write, f"bands: {bands}", ".tif"))
        assert read[:, 0, 0].tolist() == want


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_many_bands_of_16_bits_need_both_keys(tmp_path, planes):
    tifffile = pytest.importorskip("tifffile")
    cube = np.stack([np.full((SIZE[1], SIZE[0]), 100 * band, np.uint16) for band in range(6)])

    def write(path):
        data = cube.transpose(1, 2, 0) if planes == "contig" else cube
        tifffile.imwrite(path, data, photometric="minisblack", planarconfig=planes)

    with pytest.raises(BadFileError, match=r"6 bands"):
        complaint(with_picture(tmp_path / "1", write, ending=".tif"))
    keys = "bands: [5, 3, 1]\nrange: [0, 500]"
    assert picture(with_picture(tmp_path / "2", write, keys, ".tif"))[:, 0, 0].tolist() == [255, 153, 51]


def test_one_page_per_band_is_a_choice_of_bands(tmp_path):
    pytest.importorskip("tifffile")

    def write(path):
        first, *rest = (
            Image.fromarray(np.full((SIZE[1], SIZE[0]), 10 * band, np.uint8)) for band in range(4)
        )
        first.save(path, save_all=True, append_images=rest)

    with pytest.raises(BadFileError, match="4 bands"):
        complaint(with_picture(tmp_path / "1", write, ending=".tif"))
    assert picture(with_picture(tmp_path / "2", write, "bands: [3, 2, 1]", ".tif"))[:, 0, 0].tolist() == [
        30,
        20,
        10,
    ]


def test_bands_that_are_not_there_are_named(tmp_path):
    path = with_picture(tmp_path, lambda path: save(path, FOUR), "bands: [0, 1, 4]")
    with pytest.raises(BadFileError, match=r"has bands 0\.\.3, but bands: \[0, 1, 4\]"):
        complaint(path)


def test_bands_of_a_jpeg_are_taken_in_the_order_given(tmp_path):
    flat = np.broadcast_to(np.array([200, 100, 20], np.uint8), (SIZE[1], SIZE[0], 3)).copy()
    path = with_picture(tmp_path, lambda path: save(path, flat), "bands: [2, 1, 0]", ".jpg")
    assert (
        picture(path)[:, 0, 0].int() - picture(path)[:, 0, 0].int().new_tensor([20, 100, 200])
    ).abs().max() < 4


# -- EXIF --
def turned_tree(root, orientation, mask_size, extra="", ending=".jpg"):
    def write(path):
        exif = Image.Exif()
        exif[EXIF] = orientation
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
        pixels[: SIZE[1] // 2] = 255
        Image.fromarray(pixels).save(path, exif=exif)

    path = with_picture(root, write, extra, ending)
    save(root / "masks/train/0.png", stripes([0, 1], mask_size))
    return path


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_mask_of_the_stored_pixels_is_refused_with_the_word_exif_and_the_key(tmp_path, ending):
    with pytest.raises(BadFileError, match="EXIF orientation 6 is heeded: give exif: stored"):
        complaint(turned_tree(tmp_path / "1", 6, SIZE, ending=ending))
    path = turned_tree(tmp_path / "2", 6, SIZE, "exif: stored", ending)
    complaint(path)
    dataset = Folder("", path)
    image, labels = dataset.read(dataset.samples("train")[0])
    assert image.shape[1:] == labels.shape == (SIZE[1], SIZE[0])
    assert image[0, 0].min() > 200 and image[0, -1].max() < 50  # not turned


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_mask_of_the_turned_picture_fits(tmp_path, ending):
    path = turned_tree(tmp_path, 6, SIZE[::-1], ending=ending)
    complaint(path)
    image, labels = Folder("", path).read(Folder("", path).samples("train")[0])
    assert image.shape[1:] == labels.shape == SIZE
    assert image[0, :, -1].min() > 200 and image[0, :, 0].max() < 50  # the upper half is right


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_orientation_that_keeps_the_size_needs_a_word(tmp_path, orientation):
    with pytest.raises(BadFileError, match="open how the mask lies .* exif: turned .* exif: stored"):
        complaint(turned_tree(tmp_path / "1", orientation, SIZE))
    for word in ("turned", "stored"):
        complaint(turned_tree(tmp_path / word, orientation, SIZE, f"exif: {word}"))


def test_square_picture_that_is_turned_needs_a_word(tmp_path):
    path = turned_tree(tmp_path, 6, SIZE)
    exif = Image.Exif()
    exif[EXIF] = 8
    Image.new("RGB", (16, 16)).save(tmp_path / "images/train/0.jpg", exif=exif)
    save(tmp_path / "masks/train/0.png", stripes([0, 1], (16, 16)))
    with pytest.raises(BadFileError, match="EXIF orientation 8"):
        scanned(path)


def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path):
    from PIL import ImageOps

    from utils.decoding.pixels import turned

    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for orientation in range(1, 9):
        image = Image.fromarray(pixels)
        image.getexif()[EXIF] = orientation
        assert np.array_equal(turned(pixels, orientation), np.array(ImageOps.exif_transpose(image)))


# -- size --
def test_too_large_a_picture_is_named_and_allowed_by_a_key(tmp_path, monkeypatch):
    from dataset.own import how

    monkeypatch.setattr(how, "LIMIT", 100)
    path = tree(tmp_path, [stripes([0, 1])])
    with pytest.raises(
        BadFileError, match=r"masks/train/0\.png has 320 pixels, more than 100: cut .* max_pixels: 320"
    ):
        scanned(path)
    path.write_text("max_pixels: 320\n" + path.read_text())
    assert scanned(path).counts[0, 0] == 160


@pytest.mark.parametrize(
    "key",
    [
        "range: 4095",
        "range: [5, 5]",
        "bands: [0, 1]",
        "bands: []",
        "exif: yes",
        "max_pixels: x",
        "page: x",
        "channel: [0, 1]",
        "divide_by: 1",
        "lossy: yes",
        "palette: yes",
    ],
)
def test_wrong_value_of_a_key_is_refused_with_a_right_one(tmp_path, key):
    with pytest.raises(ValueError, match=rf"own\.yaml has {key.split(':')[0]}: "):
        Folder("", tree(tmp_path, [stripes([0])], key))


def test_picture_files_that_change_are_surveyed_again(tmp_path):
    from dataset.presence import presence

    path = tree(tmp_path, [stripes([0, 1])])
    presence(Folder("", path), "train", tmp_path / "cache")
    save(tmp_path / "images/train/0.jpg", stripes([(1, 2, 3)], (8, 8)))
    with pytest.raises(BadFileError, match="is 20x16 pixels, but its image"):
        presence(Folder("", path), "train", tmp_path / "cache")
