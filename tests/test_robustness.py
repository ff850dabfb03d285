"""Whatever lies in the files of a data set is read right or refused by name."""

import io
import shutil

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset import build_dataset
from dataset.increment import increment_data
from dataset.own.description import KEYS
from tasks import make_step, named_step
from tests.dataset_trees import write_folder, write_image, write_mask
from tests.test_dataset_decode import png
from utils.labels import IGNORE

NUM_CLASSES = 3
unlimited = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
few = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=unlimited)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))  # width, height


def encoded(image, kind, **options):
    """Bytes of the file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(rgb, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(Image.fromarray(rgb), "JPEG", exif=exif)


def masked(labels, dtype):
    return encoded(Image.fromarray(labels.astype(dtype)), "PNG")


def palette_png(labels):
    image = Image.fromarray(labels)
    image.putpalette(list(range(255, -1, -1)) * 3)
    return encoded(image, "PNG")


BOMB = png(8, 0, [b"\0" * 9], size=(50_000, 50_000))
# Kind of picture: bytes of the file from its pixels uint8 (h, w, 3), and how far what is read may differ;
# None means that it is refused.
PICTURES = {
    "png": (lambda rgb: encoded(Image.fromarray(rgb), "PNG"), 0),
    "bmp": (lambda rgb: encoded(Image.fromarray(rgb), "BMP"), 0),
    "tiff": (lambda rgb: encoded(Image.fromarray(rgb), "TIFF"), 0),
    "rgba": (lambda rgb: encoded(Image.fromarray(rgb).convert("RGBA"), "PNG"), 0),
    "palette": (lambda rgb: encoded(Image.fromarray(rgb).convert("P", palette=1, colors=256), "PNG"), 40),
    "jpeg": (lambda rgb: encoded(Image.fromarray(rgb), "JPEG", quality=100, subsampling=0), 40),
    "cmyk": (lambda rgb: encoded(Image.fromarray(rgb).convert("CMYK"), "TIFF"), 0),
    "16 bit grey": (lambda rgb: encoded(Image.fromarray(rgb[..., 0].astype(np.uint16) * 256), "PNG"), None),
    "turned": (lambda rgb: oriented(rgb, 3), None),
    "on its side": (lambda rgb: oriented(rgb, 6), 255),
    "float": (lambda rgb: encoded(Image.fromarray(rgb[..., 0].astype(np.float32)), "TIFF"), None),
    "empty": (lambda rgb: b"", None),
    "text": (lambda rgb: b"<html>404</html>", None),
    "bomb": (lambda rgb: BOMB, None),
}
MASKS = {
    "grey": (lambda labels: masked(labels, np.uint8), True),
    "palette": (palette_png, True),
    "16 bits": (lambda labels: masked(labels, np.uint16), True),
    "tiff": (lambda labels: encoded(Image.fromarray(labels), "TIFF"), True),
    "16 bits too large": (lambda labels: masked(labels.astype(np.uint16) + 300, np.uint16), False),
    "label without a name": (lambda labels: masked(labels % NUM_CLASSES + NUM_CLASSES, np.uint8), False),
    "coloured": (lambda labels: encoded(Image.fromarray(labels).convert("RGB"), "PNG"), False),
    "rgba": (lambda labels: encoded(Image.fromarray(labels).convert("RGBA"), "PNG"), False),
    "jpeg": (lambda labels: encoded(Image.fromarray(labels), "JPEG"), False),
    "other size": (lambda labels: masked(np.pad(labels, ((0, 1), (0, 0))), np.uint8), False),
    "empty": (lambda labels: b"", False),
    "bomb": (lambda labels: BOMB, False),
}


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """YAML file of a data set with one image per split, whose files the tests replace."""
    return write_folder(tmp_path_factory.mktemp("pets"), {"a": [0, 1, 2]}, {"v": [1]})


def everything(path, cache):
    """All that is ever done with the image of a data set; returns it as read."""
    dataset = build_dataset(str(path))
    data = increment_data(dataset, make_step(dataset, "offline"), crop_size=16, cache_dir=cache)
    (whole,) = dataset.samples("train")
    image, labels = dataset.read(whole)
    for crop, target in [data.train[0, index] for index in range(len(data.train))]:
        assert crop.shape == (3, 16, 16) and target.shape == (16, 16)
        assert {*target.unique().tolist()} <= {*range(NUM_CLASSES), IGNORE}
    return image, labels


@few
@given(kind=st.sampled_from(sorted(PICTURES)), size=sizes, cut=st.sampled_from([0, 0, 0, 0.1, 0.5, 0.9]))
def test_every_picture_is_read_right_or_refused_by_name(pets, tmp_path, kind, size, cut):
    root = pets.parent
    write, tolerance = PICTURES[kind]
    rgb = np.random.default_rng(size).integers(0, 255, (size[1], size[0], 3), np.uint8)
    if tolerance != 0:
        rgb[:] = rgb[0, 0]  # what is lossy keeps one colour
    content = write(rgb)
    (root / "images/train/a.jpg").write_bytes(content[: int(len(content) * (1 - cut))])
    turned = size[::-1] if kind == "on its side" else size
    write_mask(root / "masks/train/a.png", [0, 1, 2], turned)
    try:
        image, labels = everything(pets, tmp_path)
    except ValueError as error:
        assert "a.jpg" in str(error) and "\n" not in str(error)
        open_by_exif = kind == "on its side" and size[0] == size[1]
        assert tolerance is None or cut or open_by_exif
    else:
        assert tolerance is not None
        assert image.shape == (3, *turned[::-1]) and labels.shape == turned[::-1]
        read = image.permute(1, 2, 0).numpy().astype(int)
        if tolerance < 255 and not cut:
            assert np.abs(read - rgb).max() <= tolerance


@few
@given(
    kind=st.sampled_from(sorted(MASKS)),
    size=sizes,
    cut=st.sampled_from([0, 0, 0, 0.1, 0.5, 0.9]),
    void=st.booleans(),
)
def test_every_mask_is_read_right_or_refused_by_name(pets, tmp_path, kind, size, cut, void):
    root = pets.parent
    write, usable = MASKS[kind]
    labels = np.random.default_rng(size).integers(0, NUM_CLASSES, size[::-1]).astype(np.uint8)
    if void and usable:
        labels[0, 0] = IGNORE
    write_image(root / "images/train/a.jpg", size)
    content = write(labels)
    (root / "masks/train/a.png").write_bytes(content[: int(len(content) * (1 - cut))])
    try:
        _, read = everything(pets, tmp_path)
    except ValueError as error:
        assert "a.png" in str(error) and "\n" not in str(error)
        assert not usable or cut
    else:
        assert usable and (read.numpy() == labels).all()


LINES = {
    "images/train/a.jpg masks/train/a.png": "images/train/a",
    "/images/train/b.jpg\t/masks/train/b.png ": "images/train/b",
    "": "",
    "   ": "",
    "images/train/../train/a.jpg masks/train/a.png": None,
    "../outside.jpg masks/train/a.png": None,
    "/etc/passwd /etc/passwd": None,
    "images/train/none.jpg masks/train/a.png": None,
    "images/train/a.jpg": None,
    "a b c": None,
    "images/train/\0.jpg masks/train/a.png": None,
    "\ud800": None,
}


@few
@given(lines=st.lists(st.sampled_from(list(LINES)), max_size=4), end=st.sampled_from(["\n", "\r\n", "\r"]),
       mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), last=st.booleans())  # fmt: skip
def test_every_list_is_read_right_or_refused_by_name(tmp_path, lines, end, mark, last):
    path = tmp_path / "pets.yaml"
    if not path.exists():
        path = write_folder(tmp_path, {"a": [1], "b": [2]}, {"v": [1]})
        text = path.read_text()
        path.write_text(text.replace("{images: images/train, masks: masks/train}", "list.txt"))
    content = end.join(lines) + (end if last else "")
    (tmp_path / "list.txt").write_bytes(mark + content.encode("utf-8", "surrogatepass"))
    ids = [LINES[line] for line in lines if LINES[line] != ""]
    try:
        samples = build_dataset(str(path)).samples("train")
    except (ValueError, FileNotFoundError) as error:
        assert None in ids or not ids or len(set(ids)) < len(ids)
        assert "list.txt" in str(error) or "pets train" in str(error)
    else:
        assert [sample.id for sample in samples] == ids
        assert all(sample.image.is_relative_to(tmp_path) for sample in samples)


scalars = st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=8) | st.dates()
values = st.recursive(
    scalars | st.sampled_from(["images/train", "masks/train", "**a", "*", "../x", "/", "list.txt", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["images", "masks"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@few
@given(changes=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), values, min_size=1, max_size=3))
def test_every_description_is_understood_or_refused(tmp_path, changes):
    path = tmp_path / "pets.yaml"
    if not path.exists():
        write_folder(tmp_path, {"a": [1], "b": [2]}, {"v": [1]})
        shutil.copy(path, tmp_path / "good.yaml")
    content = yaml.safe_load((tmp_path / "good.yaml").read_text()) | changes
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    described(path, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[", "[" * 2000, "!!int ''", "!!timestamp x", "a: 2001-99-99", "{[]: 1}",
     "!!python/object/apply:os.getcwd []", "&a [*a]", "classes: &a [*a, *a]", "- 1", "\0",
     "name: ../../etc", "x: 1", "7: 1"],
)  # fmt: skip
def test_odd_text_is_refused_by_name_and_never_executed(tmp_path, text):
    (tmp_path / "pets.yaml").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match="pets.yaml"):
        described(tmp_path / "pets.yaml", tmp_path, refused=())


def described(path, root, *, refused=(ValueError, FileNotFoundError)):
    """Use a description as a run would."""
    try:
        dataset = build_dataset(str(path))
        make_step(dataset, "offline")
        for split in ("train", "val"):
            for sample in dataset.samples(split):
                assert sample.image.resolve().is_relative_to(dataset.root.resolve())
    except refused as error:
        assert "pets" in str(error) or str(root) in str(error)


@few
@given(name=st.text(max_size=12) | st.from_regex(r"[0-9]{0,3}(-[0-9]{0,12}){0,4}[a-z]?", fullmatch=True))
def test_every_task_name_gives_a_partition_or_one_line(name):
    for dataset, num_classes in (("voc", 21), ("ade", 151), ("pets", 7), ("cityscapes_domain", 19)):
        background = dataset != "cityscapes_domain"
        try:
            step = named_step(dataset, num_classes, name, has_background=background)
        except ValueError as error:
            assert "\n" not in str(error) or "\n" in name
        else:
            assert sorted(step.order) == list(range(num_classes))
