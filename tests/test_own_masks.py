"""Masks in the forms that people have: read right when a key says how, else refused with that key."""

import numpy as np
import pytest
from PIL import Image

from dataset.folder import Folder
from dataset.increment import increment_data
from tasks import Step
from tests.own_trees import complaint, first_row, save, scanned, stripes, tree
from utils.decoding.decode import BadFileError

COLOURS = {"a": (128, 0, 0), "b": (0, 128, 0), "void": (255, 255, 255)}
PAINTED = stripes([COLOURS["a"], COLOURS["b"], COLOURS["void"]])
TABLE = "colors: {a: [128, 0, 0], b: [0, 128, 0], void: [255, 255, 255]}\nbackground: false"


# -- palettes --
def palettes(tmp_path, other, extra=""):
    path = tree(tmp_path, [stripes([0, 1]), stripes([0, 1])], extra, palette=[0, 0, 0, 200, 0, 0])
    save(tmp_path / "masks/train/1.png", stripes([0, 1]), palette=other)
    return path


def test_palettes_that_give_an_index_two_colours_are_refused_with_both_files(tmp_path):
    with pytest.raises(BadFileError) as caught:
        scanned(palettes(tmp_path, [0, 0, 0, 0, 0, 200]))
    text = str(caught.value)
    assert "value 1 is [200, 0, 0] in" in text and "train/0.png" in text
    assert "[0, 0, 200] in" in text and "train/1.png" in text and "palette: ignore" in text


def test_palettes_that_differ_in_an_index_that_does_not_occur_agree(tmp_path):
    assert scanned(palettes(tmp_path, [0, 0, 0, 200, 0, 0, 9, 9, 9])).counts[:, 1].all()


def test_palettes_are_compared_between_splits(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])], palette=[0, 0, 0, 200, 0, 0])
    save(tmp_path / "masks/val/0.png", stripes([0, 1]), palette=[0, 0, 0, 7, 7, 7])
    from dataset.presence import presence

    for _ in range(2):  # from the files, and from the cache
        with pytest.raises(BadFileError, match=r"own train and val: .* value 1"):
            presence(Folder("", path), "train", tmp_path / "cache")


def test_masks_that_are_tested_on_are_refused_before_anything_trains(tmp_path):
    from dataset.presence import presence

    path = tree(tmp_path, [stripes([0, 1])])
    save(tmp_path / "masks/val/0.png", stripes([0, 9]))
    with pytest.raises(BadFileError, match=r"val/0\.png has label 9"):
        presence(Folder("", path), "train", tmp_path / "cache")


def test_indices_count_whatever_the_palettes_say_if_told_so(tmp_path):
    assert scanned(palettes(tmp_path, [0, 0, 0, 0, 0, 200], "palette: ignore")).counts[:, 1].all()


def test_colours_in_palettes_of_their_own_are_read_by_the_table(tmp_path):
    extra = "colors: {background: [0, 0, 0], a: [200, 0, 0], b: [0, 0, 200]}"
    path = palettes(tmp_path, [0, 0, 200, 200, 0, 0], extra)
    assert first_row(path) == [0, 1] and first_row(path, number=1) == [2, 1]


# -- colours --
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_of_a_table_are_classes(tmp_path, mode):
    pixels = Image.fromarray(PAINTED).convert(mode, palette=Image.Palette.ADAPTIVE)
    path = tree(tmp_path, [PAINTED], TABLE, classes="[a, b]")
    pixels.save(tmp_path / "masks/train/0.png")
    assert first_row(path) == [0, 1, 255]
    assert Folder("", path).palette[[0, 1, 255]].tolist() == [list(colour) for colour in COLOURS.values()]


@pytest.mark.parametrize(
    "text",
    [
        "name,r,g,b\na,128,0,0\nb,0,128,0\nvoid,255,255,255\n",
        "a;128;0;0\nb;0;128;0\nvoid;255;255;255",
        "128 0 0\ta\n0 128 0\tb\n255 255 255\tvoid",
        "# r g b name\n128 0 0 a\r\n0 128 0 b\r\n255 255 255 void\r\n",
        "# label:color_rgb:parts:actions\na:128,0,0::\nb:0,128,0::\nvoid:255,255,255::",
        "a #800000\nb #008000\nvoid #ffffff",
        "id,class,r,g,b\n0,a,128,0,0\n1,b,0,128,0\n2,void,255,255,255\n",
        '\ufeffname, r, g, b\n"a", 128, 0, 0\n"b", 0, 128, 0\nvoid, 255, 255, 255',
    ],
)
def test_table_of_colours_may_be_a_file_of_many_habits(tmp_path, text):
    (tmp_path / "colours.csv").write_text(text)
    path = tree(tmp_path, [PAINTED], "colors: colours.csv\nbackground: false", classes="")
    assert first_row(path) == [0, 1, 255] and Folder("", path).class_names == ("a", "b")


def test_line_that_is_no_colour_is_named(tmp_path):
    (tmp_path / "colours.csv").write_text("name,r,g,b\na,128,0,0\nb,0,300,0\n")
    with pytest.raises(ValueError, match=r"colours.csv, line 3: 'b,0,300,0' is no name and colour"):
        first_row(tree(tmp_path, [PAINTED], "colors: colours.csv", classes=""))


def test_colours_are_merged_by_values_and_by_several_colours_of_one_class(tmp_path):
    pixels = stripes([(1, 1, 1), (2, 2, 2), (3, 3, 3)])
    merged = "colors: {r: [1, 1, 1], s: [2, 2, 2], t: [3, 3, 3]}\nvalues: {s: r}\nbackground: false"
    assert first_row(tree(tmp_path / "1", [pixels], merged, classes="")) == [0, 1]
    several = 'colors: {r: [[1, 1, 1], "#020202"], t: [3, 3, 3]}\nbackground: false'
    assert first_row(tree(tmp_path / "2", [pixels], several, classes="")) == [0, 1]


def test_unknown_colour_is_named_with_file_and_pixels(tmp_path):
    path = tree(tmp_path, [stripes([(128, 0, 0), (1, 2, 3)])], TABLE, classes="[a, b]")
    with pytest.raises(BadFileError, match=r"train/0\.png has colour \[1, 2, 3\] \(160 pixels\)"):
        scanned(path)


def test_colour_masks_without_a_table_are_refused_with_its_key(tmp_path):
    with pytest.raises(BadFileError, match=r"0\.png is coloured, .* colors: \{NAME: \[128, 0, 0\], \.\.\}"):
        scanned(tree(tmp_path, [PAINTED]))


def test_partly_transparent_colours_need_a_word(tmp_path):
    pixels = np.dstack([PAINTED, stripes([255, 0])])
    with pytest.raises(BadFileError, match=r"partly transparent: give channel: \[0, 1, 2\]"):
        scanned(tree(tmp_path / "1", [pixels], TABLE, classes="[a, b]"))
    told = TABLE + "\nchannel: [0, 1, 2]"
    assert first_row(tree(tmp_path / "2", [pixels], told, classes="[a, b]")) == [0, 1, 255]


# -- values --
@pytest.mark.parametrize(
    ("keys", "values", "labels"),
    [
        (
            "values: {0: background, 7: a, 11: a, 26: b}",
            [0, 7, 11, 26],
            [0, 1, 2],
        ),  # holes, and two for one class
        ("values: {0: a, 1: b, 2: background, 9: void}", [0, 1, 2, 9], [1, 2, 0, 255]),  # background last
        ("values: {0: a, 1: b, 255: background}", [0, 1, 255], [1, 2, 0]),
        ("values: {0: background, 1-9: a, other: b, 5: void}", [0, 3, 5, 200], [0, 1, 255, 2]),
        ("ignore: 254", [0, 1, 254, 255], [0, 1, 255]),
        ("ignore: [0, 3]", [0, 1, 2, 4, 3], [255, 0, 1, 2, 255]),
    ],
)
def test_values_mean_what_the_description_says(tmp_path, keys, values, labels):
    assert first_row(tree(tmp_path, [stripes(values)], keys)) == labels


def test_background_may_be_the_last_class(tmp_path):
    path = tree(tmp_path, [stripes([0, 1, 2])], "background: other", classes="[a, b, other]")
    assert Folder("", path).class_names == ("other", "a", "b") and first_row(path) == [1, 2, 0]


def test_background_that_is_named_elsewhere_than_first_is_not_overlooked(tmp_path):
    with pytest.raises(
        ValueError, match="a as first class, which would be background: give background: background"
    ):
        first_row(tree(tmp_path, [stripes([0])], classes="[a, b, background]"))


def test_classes_may_come_from_the_values(tmp_path):
    path = tree(
        tmp_path, [stripes([7, 8, 3])], "values: {7: road, 8: road, 3: background, 255: void}", classes=""
    )
    assert Folder("", path).class_names == ("background", "road") and first_row(path) == [1, 0]
    path.write_text(path.read_text().replace("background,", "sky,"))
    with pytest.raises(
        ValueError, match="no class called background: give background: false, or background: NAME"
    ):
        Folder("", path)


def test_value_without_a_name_is_refused_with_the_key(tmp_path):
    with pytest.raises(
        BadFileError, match=r"has label 127 \(160 pixels\), .* give values: \{127: NAME, \.\.\}"
    ):
        scanned(tree(tmp_path, [stripes([0, 127])]))
    with pytest.raises(BadFileError, match="has label 255"):  # void is what values says, if there are some
        scanned(tree(tmp_path / "2", [stripes([0, 255])], "values: {0: background, 1: a, 2: b}"))


def test_masks_of_0_and_255_are_not_read_as_one_class_and_void(tmp_path):
    path = tree(tmp_path, [stripes([0, 255]), stripes([255])], classes="[background, cell]")
    with pytest.raises(
        BadFileError, match=r"all masks are 0 and 255, .* give values: \{0: background, 255: cell\}"
    ):
        scanned(path)
    text = path.read_text()
    path.write_text("values: {0: background, 255: cell}\n" + text)
    assert first_row(path) == [0, 1] and scanned(path).counts[1, 1] == 320
    path.write_text("ignore: 255\n" + text)
    assert scanned(path).counts[1, 255] == 320


def test_16_bit_values_above_255_are_void_or_classes_as_said(tmp_path):
    pixels = stripes([0, 300, 65535], dtype=np.uint16)
    assert first_row(tree(tmp_path / "1", [pixels], "values: {0: background, 300: a, 65535: void}")) == [
        0,
        1,
        255,
    ]
    with pytest.raises(BadFileError, match="has labels 300 .*65535"):
        scanned(tree(tmp_path / "2", [pixels]))
    pixels = stripes([0, 2, 65535], dtype=np.uint16)
    assert first_row(tree(tmp_path / "3", [pixels], "ignore: 65535")) == [0, 2, 255]


def test_instance_ids_are_divided(tmp_path):
    pixels = stripes([0, 1001, 2007, 65535], dtype=np.uint16)
    assert first_row(tree(tmp_path / "1", [pixels], "divide_by: 1000\nignore: 65535")) == [0, 1, 2, 255]
    pixels = stripes([0, 1, 2005], dtype=np.uint16)
    with pytest.raises(
        BadFileError, match=r"has value 1, below divide_by: 1000: give divide_by: \[1000, keep\]"
    ):
        scanned(tree(tmp_path / "2", [pixels], "divide_by: 1000"))
    assert first_row(tree(tmp_path / "3", [pixels], "divide_by: [1000, keep]")) == [0, 1, 2]
    assert first_row(tree(tmp_path / "4", [pixels], "divide_by: [1000, divide]")) == [0, 2]


def test_32_bit_values_are_mapped_without_a_table_of_their_size(tmp_path):
    pixels = stripes([-1, 0, 1_000_000], dtype=np.int32)
    path = tree(tmp_path, [pixels], "values: {-1: void, 0: background, 1000000: b}", ending=".tif")
    assert first_row(path) == [255, 0, 2]


def test_more_classes_than_a_byte_holds_are_refused_with_the_reason(tmp_path):
    names = ", ".join(f"c{number}" for number in range(300))
    with pytest.raises(
        ValueError, match="300 do not fit into one byte per pixel beside void: merge some by values"
    ):
        first_row(tree(tmp_path, [stripes([0])], classes=f"[{names}]"))


def test_254_classes_are_read(tmp_path):
    names = ", ".join(f"c{number}" for number in range(254))
    path = tree(tmp_path, [stripes([0, 253, 255])], classes=f"[{names}]")
    assert first_row(path) == [0, 253, 255]


# -- what depends on the description --
KEYS = [
    "values: {0: background, 1: a, 2: b}",
    "values: {0: background, 1: b, 2: a}",
    "ignore: 1",
    "palette: ignore",
    "background: false",
    "range: [0, 4095]",
    "bands: [0, 1, 2]",
    "bands: [2, 1, 0]",
    "exif: stored",
    "max_pixels: 400",
    "divide_by: 10",
    "channel: 0",
    "lossy: nearest\nvalues: {0: a, 100: b}",
]


def test_the_fingerprint_changes_with_every_key_that_changes_what_is_read(tmp_path):
    found = {Folder("", tree(tmp_path, [stripes([0, 1])], key)).fingerprint("train") for key in ["", *KEYS]}
    assert len(found) == 1 + len(KEYS)


def test_colours_that_change_change_the_fingerprint_and_the_labels_kept_on_disk(tmp_path):
    from dataset.packs import on_disk

    labels = []
    for table in (TABLE, TABLE.replace("a: [128", "b: [128").replace("b: [0", "a: [0")):
        path = tree(tmp_path, [PAINTED], table, classes="[a, b]")
        dataset = Folder("", path)
        samples = dataset.samples("train")
        block, (height, width) = on_disk(dataset, "train", samples, tmp_path / "cache").get(samples[0])
        labels.append(block[3 * height * width :].unique_consecutive()[:3].tolist())
    assert labels == [[0, 1, 255], [1, 0, 255]]


def test_a_step_is_known_by_what_is_read_and_not_by_classes_to_come(tmp_path):
    def content(number, keys, classes="[background, a, b]"):
        path = tree(tmp_path / "data", [stripes([0, 1])], keys, classes=classes)
        step = Step("own", "1-1", 0, ((0, 1), (2,)))
        data = increment_data(Folder("", path), step, cache_dir=tmp_path / f"cache{number}")
        return data.content("train")

    known = content(1, "")
    assert content(2, "") == known == content(3, "", "[background, a, b, c]")
    other = content(4, "range: [0, 9]"), content(5, "values: {0: background, 1: a, 2: b, 9: void}")
    assert len({known, *other}) == 3


def test_nothing_speaks_against_plain_masks(tmp_path):
    assert complaint(tree(tmp_path, [stripes([0, 1, 2, 255])])).counts[:3].tolist() == [80, 80, 80]
