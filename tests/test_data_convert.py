"""`python -m data.convert`: annotations become index PNGs, or are refused with file and reason."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import run
from data.convert.__main__ import main
from dataset.base import voc_palette
from dataset.folder import Folder
from tests.conftest import SMALL
from tests.dataset_trees import write_image

SQUARE = [[2, 2], [7, 2], [7, 7], [2, 7]]


def indices(path):
    with Image.open(path) as image:
        assert image.mode == "P" and image.getpalette()[3:6] == voc_palette()[1].tolist()
        return np.asarray(image)


def refused(capsys, *words) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}} | more


def write_labelme(path, shapes, *, size=(20, 16), picture=True, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{path.stem}.jpg"}
    content |= {"imageData": None, "imageHeight": size[1], "imageWidth": size[0]} | more
    path.write_text(json.dumps(content), encoding="utf-8")
    if picture:
        write_image(path.with_suffix(".jpg"), size)


# -- labelme ---------------------------------------------------------------------------------------
def test_labelme_shapes_are_drawn_by_its_own_rules_later_ones_on_top(tmp_path):
    stamp = io.BytesIO()
    Image.fromarray(np.array([[0, 255], [255, 255]], np.uint8)).convert("1").save(stamp, "PNG")
    shapes = [
        shape("cat", SQUARE),
        shape("dog", [[9, 9], [5, 5]], "rectangle"),
        shape("__ignore__", [[15, 3], [17, 3]], "circle"),
        shape("cat", [[10, 12], [11, 13]], "mask", mask=base64.b64encode(stamp.getvalue()).decode()),
        shape("_background_", [[0, 15], [3, 15], [0, 14]]),
    ]
    write_labelme(tmp_path / "a" / "x.json", shapes)
    assert main(["labelme", str(tmp_path / "a"), "--out", str(tmp_path / "masks")]) == 0
    got = indices(tmp_path / "masks" / "x.png")
    assert got.shape == (16, 20) and (tmp_path / "masks/classes.txt").read_text() == "background\ncat\ndog\n"
    assert (got[2:5, 2:8] == 1).all() and (got[5:10, 5:10] == 2).all() and got[8, 2] == 0
    assert got[3, 15] == got[3, 17] == got[1, 15] == 255 and got[3, 18] == 0
    assert got[12:14, 10:12].tolist() == [[0, 1], [1, 1]]


def test_a_labelme_tree_with_train_and_val_is_ready_to_train(tmp_path, capsys):
    for split, name in (("train", "x"), ("train", "y"), ("val", "z")):
        write_labelme(
            tmp_path / "data" / split / f"{name}.json",
            [shape("cat", SQUARE), shape("dog", [[9, 9]], "point")],
        )
    assert main(["labelme", str(tmp_path / "data"), "--out", str(tmp_path / "masks")]) == 0
    assert "--task 1-1" in capsys.readouterr().out
    data = Folder("", tmp_path / "masks" / "data.yaml")
    assert data.class_names == ("background", "cat", "dog")
    image, labels = data.read(data.samples("train")[0])
    assert labels.unique().tolist() == [0, 1, 2]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "data").rename(moved / "data")
    (tmp_path / "masks").rename(moved / "masks")
    assert len(Folder("", moved / "masks" / "data.yaml").samples("val")) == 1  # paths are relative


@pytest.mark.parametrize(
    "lines", ["__ignore__\n_background_\ncat\ndog\n", "background\ncat\ndog", "cat\ndog\n\n"]
)
def test_labelmes_own_labels_txt_gives_the_order_of_the_classes(tmp_path, lines):
    write_labelme(tmp_path / "a" / "x.json", [shape("dog", SQUARE)])
    (tmp_path / "labels.txt").write_text(lines)
    words = ["--classes", str(tmp_path / "labels.txt"), "--out", str(tmp_path / "m")]
    assert main(["labelme", str(tmp_path / "a"), *words]) == 0
    assert indices(tmp_path / "m" / "x.png")[4, 4] == 2


def test_the_mask_is_called_after_the_picture_and_the_size_is_found_without_fields(tmp_path):
    more = {"imagePath": "..\\img\\p.jpg", "imageHeight": None, "imageWidth": None}
    write_labelme(tmp_path / "a" / "1.json", [shape("cat", SQUARE)], picture=False, **more)
    write_image(tmp_path / "img" / "p.jpg", (9, 11))
    assert main(["labelme", str(tmp_path / "a"), "--out", str(tmp_path / "m")]) == 0
    assert indices(tmp_path / "m" / "p.png").shape == (11, 9)


def test_a_picture_that_exif_turns_has_the_size_that_labelme_shows(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write_labelme(tmp_path / "a" / "x.json", [shape("cat", SQUARE)], size=(16, 20), picture=False)
    write_image(tmp_path / "a" / "x.jpg", (20, 16), exif=exif)
    assert main(["labelme", str(tmp_path / "a"), "--out", str(tmp_path / "m")]) == 0
    assert indices(tmp_path / "m" / "x.png").shape == (20, 16)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shapes": [shape("cat", SQUARE[:2])]}, "shape 0 is a polygon of 2 points"),
        ({"shapes": [shape("cat", SQUARE, "circle")]}, "shape 0 is a circle of 4 points, not 2"),
        ({"shapes": [shape("cat", SQUARE, "spline")]}, "shape 0 is a spline"),
        ({"shapes": [shape("cat", [["a", 1]])]}, "shape 0 has no points"),
        ({"shapes": [{"points": SQUARE}]}, "shape 0 has no label"),
        ({"shapes": None}, "no list of shapes"),
        ({"annotations": []}, "data.convert coco"),
        ({"imageHeight": 17}, "for a picture of 20x17, but"),
        ({"imageHeight": None, "imagePath": "gone.jpg"}, "its picture is not there"),
    ],
)
def test_a_labelme_file_that_would_be_read_wrong_is_refused_by_name(tmp_path, capsys, change, words):
    write_labelme(tmp_path / "a" / "x.json", **{"shapes": [shape("cat", SQUARE)]} | change)
    error = refused(capsys, "labelme", tmp_path / "a", "--out", tmp_path / "m")
    assert words in error and "x.json" in error


def test_labels_that_are_not_listed_are_refused_or_become_what_one_says(tmp_path, capsys):
    write_labelme(tmp_path / "a" / "x.json", [shape("cats", SQUARE)])
    (tmp_path / "labels.txt").write_text("cat\n")
    words = ["labelme", tmp_path / "a", "--classes", tmp_path / "labels.txt", "--out", tmp_path / "m"]
    assert "'cats' is no class of the list (did you mean cat?)" in refused(capsys, *words)
    for rest, value in (("void", 255), ("background", 0)):
        assert main([str(word) for word in [*words, "--rest", rest]]) == 0
        assert indices(tmp_path / "m" / "x.png")[4, 4] == value


def test_more_classes_than_a_byte_holds_are_refused_with_the_reason(tmp_path, capsys):
    write_labelme(tmp_path / "a" / "x.json", [shape(f"c{number}", SQUARE) for number in range(300)])
    assert "there are 300 classes; a mask of one byte holds" in refused(
        capsys, "labelme", tmp_path / "a", "--out", tmp_path / "m"
    )


# -- COCO ------------------------------------------------------------------------------------------
def coco(annotations, **more):
    images = [{"id": 7, "file_name": "train/x.jpg", "width": 20, "height": 16}]
    categories = [{"id": 18, "name": "dog"}, {"id": 3, "name": "cat"}]
    return {"images": images, "annotations": annotations, "categories": categories} | more


def annotation(category, segmentation, **more):
    return {
        "id": 1,
        "image_id": 7,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": 0,
    } | more


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11
def test_coco_polygons_and_run_lengths_are_drawn_small_over_large_crowds_below(tmp_path):
    from pycocotools import mask as rle

    crowd = np.zeros((16, 20), np.uint8)
    crowd[:, 10:] = 1
    packed = rle.encode(np.asfortranarray(crowd))
    packed["counts"] = packed["counts"].decode()
    plain = {"size": [16, 20], "counts": [0, 16, 304]}  # the first column
    content = coco([
        annotation(18, [[12, 4, 15, 4, 15, 8, 12, 8]]),
        annotation(3, [[2, 2, 14, 2, 14, 12, 2, 12], [16, 13, 19, 13, 19, 16, 16, 16]]),
        annotation(18, packed, iscrowd=1),
        annotation(18, plain),
    ])  # fmt: skip
    (tmp_path / "i.json").write_text(json.dumps(content))
    assert main(["coco", str(tmp_path / "i.json"), "--out", str(tmp_path / "m")]) == 0
    got = indices(tmp_path / "m" / "train" / "x.png")
    assert (tmp_path / "m" / "classes.txt").read_text() == "background\ncat\ndog\n"
    assert (got[:, 0] == 2).all() and (got[2:12, 2:12] == 1).all() and (got[4:8, 12:15] == 2).all()
    assert got[0, 19] == 2 and got[14, 17] == 1 and got[0, 5] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (coco([annotation(18, [])]), "annotation 1 has no segmentation"),
        (coco([annotation(18, [[1, 2, 3, 4]])]), "annotation 1 has no segmentation"),
        (coco([annotation(99, [[2, 2, 9, 2, 9, 9]])]), "a category or an image that the file does not list"),
        (
            coco([annotation(18, {"size": [3, 3], "counts": [9]})]),
            "run lengths of [3, 3], but its image is [16, 20]",
        ),
        (coco([{"segments_info": [], "image_id": 7}]), "panoptic"),
        (coco([], images=[{"id": 1, "file_name": "../x.jpg", "width": 2, "height": 2}]), "not below"),
        ({"shapes": []}, "no COCO file of instances"),
    ],
)
def test_a_coco_file_that_would_be_read_wrong_is_refused(tmp_path, capsys, content, words):
    (tmp_path / "i.json").write_text(json.dumps(content))
    assert words in refused(capsys, "coco", tmp_path / "i.json", "--out", tmp_path / "m")


# -- arrays ----------------------------------------------------------------------------------------
def write_array(path, array, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, array, **more) if path.suffix == ".npz" else np.save(path, array)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "bool", "1HW", "HW1", "npz", "first", "last"])
def test_arrays_of_every_kind_become_masks(tmp_path, kind):
    labels = np.arange(20).reshape(4, 5) % (2 if kind == "bool" else 3)
    hot = np.eye(3, dtype=np.float32)[labels]
    array = {
        "1HW": labels[None],
        "HW1": labels[..., None],
        "npz": labels,
        "first": hot.transpose(2, 0, 1),
        "last": hot,
    }
    array = array[kind] if kind in array else labels.astype(kind)
    write_array(tmp_path / "a" / "train" / f"x.{'npz' if kind == 'npz' else 'npy'}", array)
    more = ["--one_hot", kind] if kind in ("first", "last") else []
    assert main(["npy", str(tmp_path / "a"), "--out", str(tmp_path / "m"), *more]) == 0
    assert indices(tmp_path / "m" / "train" / "x.png").tolist() == labels.tolist()


def test_values_of_arrays_become_others_background_last_void_anywhere(tmp_path):
    write_array(tmp_path / "a" / "x.npy", np.array([[0, 1, -1, 300, 65535]]))
    words = ["--map=-1=255", "--map", "300=2", "65535=255"]
    assert main(["npy", str(tmp_path / "a"), "--out", str(tmp_path / "m"), *words]) == 0
    assert indices(tmp_path / "m" / "x.png").tolist() == [[0, 1, 255, 2, 255]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[300]]), "the value 300 (1 such values in all)"),
        (np.array([[-1]]), "--map=-1=NEW"),
        (np.array([[0.5]]), "holds fractions"),
        (np.zeros((3, 4, 5)), "say --one_hot first or last"),
        (np.zeros(3), "the shape (3,)"),
        (np.array([[None]]), "no plain array"),
    ],
)
def test_an_array_that_is_no_mask_is_refused_by_name(tmp_path, capsys, array, words):
    write_array(tmp_path / "a" / "x.npy", array)
    error = refused(capsys, "npy", tmp_path / "a", "--out", tmp_path / "m")
    assert words in error and "x.npy" in error


def test_masks_with_background_last_or_255_and_of_16_bits_get_other_values(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save(tmp_path / "a" / "x.png")
    words = ["values", tmp_path / "a", "--out", tmp_path / "m", "--map", "0=1", "1=2", "255=0"]
    assert main([str(word) for word in words]) == 0
    assert indices(tmp_path / "m" / "x.png").tolist() == [[1, 2, 0]]
    Image.fromarray(np.array([[7, 300, 65535]], np.uint16)).save(tmp_path / "a" / "x.png")
    assert "the value 300" in refused(capsys, *words)
    assert main([*map(str, words[:4]), "--map", "7=0", "300=1", "65535=255"]) == 0
    assert indices(tmp_path / "m" / "x.png").tolist() == [[0, 1, 255]]
    assert "would replace" in refused(
        capsys, "values", tmp_path / "a", "--out", tmp_path / "a", "--map", "1=2"
    )
    Image.new("RGB", (3, 1)).save(tmp_path / "a" / "x.png")
    assert "colours" in refused(capsys, *words)


# -- a mask per class ------------------------------------------------------------------------------
def layer(path, box, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((8, 10), np.uint8)
    array[box] = 255
    Image.fromarray(array).convert(mode).save(path)


CAT, DOG = np.s_[:4], np.s_[4:, 5:]


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "1", "jpg"])
@pytest.mark.parametrize("layout", ["folders", "suffixes"])
def test_masks_of_single_classes_become_one(tmp_path, layout, mode):
    for name, box in (("cat", CAT), ("dog", DOG)):
        place = f"train/{name}/x.y" if layout == "folders" else f"train/x.y_{name}"
        end = "jpg" if mode == "jpg" else "png"
        layer(tmp_path / "a" / f"{place}.{end}", box, "L" if mode == "jpg" else mode)
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    assert (
        main(
            [
                "layers",
                str(tmp_path / "a"),
                "--classes",
                str(tmp_path / "c.txt"),
                "--out",
                str(tmp_path / "m"),
            ]
        )
        == 0
    )
    got = indices(tmp_path / "m" / "train" / "x.y.png")
    assert (got[CAT] == 1).all() and (got[DOG] == 2).all() and (got[4:, :5] == 0).all()


def test_pages_of_a_file_are_classes_in_the_order_of_the_list(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    frames = [Image.fromarray(np.array(row, np.uint8)) for row in ([[1, 0, 0]], [[0, 9, 0]])]
    frames[0].save(tmp_path / "a" / "x.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    words = ["layers", tmp_path / "a", "--classes", tmp_path / "c.txt", "--out", tmp_path / "m"]
    assert main([str(word) for word in words]) == 0
    assert indices(tmp_path / "m" / "x.png").tolist() == [[1, 2, 0]]
    (tmp_path / "c.txt").write_text("cat\ndog\ncow\n")
    assert "2 pages for 3 classes" in refused(capsys, *words)


def test_pixels_of_two_classes_are_refused_until_one_says_what_counts(tmp_path, capsys):
    layer(tmp_path / "a" / "cat" / "x.png", np.s_[:4])
    layer(tmp_path / "a" / "dog" / "x.png", np.s_[3:])
    words = ["layers", tmp_path / "a", "--out", tmp_path / "m"]
    assert "x.png: 10 pixels are dog and cat" in refused(capsys, *words)
    for what, value in (("first", 1), ("last", 2), ("void", 255)):
        assert main([str(word) for word in [*words, "--overlap", what]]) == 0
        got = indices(tmp_path / "m" / "x.png")
        assert (got[3] == value).all() and (got[2] == 1).all() and (got[4] == 2).all()


def test_a_lossy_mask_of_small_values_is_refused(tmp_path, capsys):
    (tmp_path / "a/cat").mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 60, np.uint8)).save(tmp_path / "a/cat/x.jpg")
    assert "is lossy and nowhere brighter than 60" in refused(
        capsys, "layers", tmp_path / "a", "--out", tmp_path / "m"
    )


def test_folders_and_files_that_are_not_there_are_said_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for kind in ("labelme", "npy", "layers", "values"):
        assert "there is no folder" in refused(capsys, kind, tmp_path / "gone", "--out", tmp_path / "m")
        assert "has no file" in refused(capsys, kind, tmp_path / "empty", "--out", tmp_path / "m")
    assert "there is no file" in refused(capsys, "coco", tmp_path / "gone.json", "--out", tmp_path / "m")
    assert "--help" in refused(capsys, "values", tmp_path, "--out", tmp_path, "--map", "a=b")


@pytest.mark.slow
def test_labelme_polygons_train_two_steps_in_two_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            shapes = [shape("cat", SQUARE), shape("dog", [[10, 2], [18, 2], [18, 14], [10, 14]])]
            write_labelme(tmp_path / "own" / split / f"{split}{number}.json", shapes)
    assert main(["labelme", "own", "--out", "masks"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].split()  # the one that is printed
    assert command[:2] == ["python", "run.py"]
    assert run.main([*command[2:], *SMALL]) == 0
    table = capsys.readouterr().out
    assert "Last Step: 1" in table and "nan" not in table
