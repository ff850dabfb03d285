"""`python -m data.check`: all that is wrong with own data, with what cures it; and a description for a "
"tree."""

import shlex

import numpy as np
import pytest
import yaml
from PIL import Image

from data import check
from dataset.folder import Folder
from tests.dataset_trees import write_image, write_mask
from tests.own_trees import save, stripes, tree

COLOURS = [(128, 0, 0), (0, 128, 0), (255, 255, 255)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def report(capsys, *words):
    status = check.main(list(map(str, words)))
    return status, capsys.readouterr().out


def pasted(out):
    """The lines to paste below the first trouble."""
    lines = out.partition("\n1. ")[2].splitlines()[1:]
    kept = []
    for line in lines:
        if not line.startswith("       "):
            break
        kept.append(line.strip())
    return "\n".join(kept)


def mended(path, cure):
    """The description with the keys of `cure` in place of its own."""
    keys = {line.partition(":")[0] for line in cure.splitlines()}
    kept = [line for line in path.read_text().splitlines() if line.partition(":")[0] not in keys]
    path.write_text("\n".join([cure, *kept]))


def test_good_data_are_ready_with_a_picture_and_the_command(tmp_path, capsys):
    path = tree(tmp_path, [stripes([0, 1, 255]), stripes([2])], palette=[index // 3 for index in range(768)])
    status, out = report(capsys, path)
    assert status == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["train", "2", "20x16", "JPEG", "RGB", "PNG", "P"] in rows
    assert ["1", "a", "[1,", "1,", "1]", "224", "17.5", "%", "1", "1"] in rows
    assert any(row[:2] == ["255", "void"] for row in rows)
    assert f"ready: run python run.py --dataset {path} --task 1-1 --batch_size 1" in out
    with Image.open("check_own.png") as picture:
        assert picture.width > 600


TROUBLES = {
    "holes": ([stripes([0, 1, 7])], "", "values without a name: 7 (192 pixels)", True),
    "127": ([stripes([0, 127, 255])], "", "127 (224 pixels)", True),
    "0 and 255": ([stripes([0, 255])], "", "all masks are 0 and 255", True),
    "unknown colour": ([stripes([*COLOURS, (9, 9, 9)])],
                       "colors: {background: [128, 0, 0], a: [0, 128, 0], b: [[255, 255, 255]]}",
                       "colours without a name: [9, 9, 9] (160 pixels)", True),
    "colours": ([stripes(COLOURS)], "", "are coloured, ", True),
    "grey in three channels": ([np.repeat(stripes([0, 1])[..., None], 3, 2)], "", "give channel: 0", True),
    "sizes": ([stripes([0, 1], (8, 8))], "", "is 8x8 pixels, but its image", False),
    "instances": ([np.arange(320, dtype=np.uint16).reshape(16, 20)], "", "316 of them: are these", False),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_named_and_what_is_to_be_pasted_cures_it(tmp_path, capsys, trouble):
    masks, extra, words, curable = TROUBLES[trouble]
    path = tree(tmp_path, masks, extra)
    status, out = report(capsys, path)
    assert status == 1 and words in out and "ready" not in out
    if curable:
        mended(path, pasted(out))
        status, out = report(capsys, path)
        assert status == 0, out
    else:
        assert not pasted(out)


def test_three_troubles_are_printed_and_all_are_counted(tmp_path, capsys):
    path = tree(
        tmp_path,
        [stripes([0, 7]), np.repeat(stripes([0, 1])[..., None], 3, 2), stripes([0], (8, 8)), stripes([0])],
    )
    for split in ("train", "val"):
        (tmp_path / f"images/{split}/3.jpg").write_bytes(b"\xff\xd8\xff")
    status, out = report(capsys, path)
    assert status == 1 and "(4; the first 3)" in out and "\n3. " in out and "\n4. " not in out
    assert f"then: python -m data.check {path}" in out


def test_palettes_that_disagree_are_named(tmp_path, capsys):
    path = tree(tmp_path, [stripes([0, 1]), stripes([0, 1])], palette=[0, 0, 0, 200, 0, 0])
    save(tmp_path / "masks/train/1.png", stripes([0, 1]), palette=[0, 0, 0, 0, 0, 200])
    status, out = report(capsys, path)
    assert status == 1 and "value 1 is [200, 0, 0] in" in out and pasted(out) == "palette: ignore"
    mended(path, pasted(out))
    assert report(capsys, path)[0] == 0


def test_deep_pictures_get_the_range_that_all_of_them_need(tmp_path, capsys):
    def deep(path):
        save(path.with_suffix(".png"), stripes([0, 900 if "0" in path.name else 3000], dtype=np.uint16))

    path = tree(tmp_path, [stripes([0, 1]), stripes([0, 2])], image=deep)
    status, out = report(capsys, path)
    assert status == 1 and pasted(out) == "range: [0, 4095]"
    mended(path, pasted(out))
    assert report(capsys, path)[0] == 0


def test_what_is_no_fault_is_noted(tmp_path, capsys):
    path = tree(tmp_path, [stripes([0, 1])], "unlabelled: skip", classes="[background, a, void, c]")
    write_image(tmp_path / "images/train/more.jpg")
    Image.new("RGBA", (20, 16)).save(tmp_path / "images/train/0.png")
    (tmp_path / "images/train/0.jpg").unlink()
    status, out = report(capsys, path)
    assert status == 0 and "1 pictures of train without a mask are left out" in out
    assert "void is learned as a class" in out and "no training image shows void, c" in out
    assert "taken for opacity and dropped" in out


def test_pictures_without_masks_get_the_key_that_pairs_them(tmp_path, capsys):
    path = tree(tmp_path, [stripes([0, 1]), stripes([0, 2])])
    for mask in sorted((tmp_path / "masks").rglob("*.png")):
        mask.rename(mask.with_name(f"{mask.stem}_gt.png"))
    status, out = report(capsys, path)
    assert status == 1 and pasted(out) == 'suffix: "_gt"'
    mended(path, pasted(out))
    assert report(capsys, path)[0] == 0


# -- a tree without a description --
def voc_layout(root):
    names = {"train": ["a1", "a2"], "val": ["b1"]}
    for split, ids in names.items():
        (root / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(ids))
        for id in ids:
            write_image(root / f"JPEGImages/{id}.jpg")
            write_mask(root / f"SegmentationClass/{id}.png", [0, 1, 2, 255])
    (root / "labels.txt").write_text("__ignore__\n_background_\ncar\nroad\n")


def voc_with_instances(root):
    voc_layout(root)
    for path in sorted((root / "SegmentationClass").iterdir()):
        write_mask(root / f"SegmentationObject/{path.name}", [0, 5, 6])
        write_image(root / f"SegmentationClassVisualization/{path.stem}.jpg")


def colour_folders(root):
    (root / "class_dict.csv").parent.mkdir(parents=True)
    (root / "class_dict.csv").write_text("name,r,g,b\ncar,128,0,0\nroad,0,128,0\nvoid,255,255,255\n")
    for split in ("train", "val"):
        for name in ("x1", "x2"):
            write_image(root / f"{split}/{name}.jpg")
            save(root / f"{split}_labels/{name}_L.png", stripes(COLOURS))


def one_folder(root):
    for split in ("training", "validation"):
        for name in ("x1", "x2"):
            write_image(root / f"{split}/{name}.jpg")
            save(root / f"{split}/{name}_mask.png", stripes([0, 255]))


def cities(root):
    for split in ("train", "val"):
        for city in ("k", "l"):
            write_image(root / f"leftImg8bit/{split}/{city}/{city}_1_leftImg8bit.png")
            save(root / f"gtFine/{split}/{city}/{city}_1_gtFine_labelIds.png", stripes([7, 8, 11]))


def plain(root):
    for split in ("train", "val", "test"):
        write_image(root / f"images/{split}/x.png")
        write_mask(root / f"annotations/{split}/x.png", [0, 1, 2])
    (root / "classes.txt").write_text("background\ncar\nroad\n")


def grey_channels_and_deep(root):
    for split in ("train", "val"):
        save(root / f"{split}/images/x.png", stripes([0, 4000], dtype=np.uint16))
        save(root / f"{split}/masks/x.png", np.repeat(stripes([0, 1, 2])[..., None], 3, 2))


TREES = {
    voc_layout: (["background", "car", "road"], [0, 1, 2, 255]),
    voc_with_instances: (["background", "car", "road"], [0, 1, 2, 255]),
    colour_folders: (["car", "road"], [0, 1, 255]),
    one_folder: (["background", "foreground"], [0, 1]),
    cities: (["class_7", "class_8", "class_11"], [0, 1, 2]),
    plain: (["background", "car", "road"], [0, 1, 2]),
    grey_channels_and_deep: (["background", "class_1", "class_2"], [0, 1, 2]),
}


@pytest.mark.parametrize("layout", TREES)
def test_description_of_a_tree_is_proposed_written_and_passes_its_own_check(tmp_path, capsys, layout):
    names, labels = TREES[layout]
    layout(tmp_path / "data")
    status, out = report(capsys, tmp_path / "data")
    assert status == 1 and "write it: python -m data.check" in out
    status, out = report(capsys, tmp_path / "data", "--out", "own.yaml")
    assert status == 0 and "ready: run python run.py --dataset own.yaml" in out, out
    dataset = Folder("", "own.yaml")
    assert list(dataset.class_names) == names
    row = dataset.read_mask(dataset.samples("train")[0])[0]
    assert row.unique_consecutive().tolist() == labels


def test_existing_description_is_not_overwritten(tmp_path, capsys):
    plain(tmp_path / "data")
    (tmp_path / "here/own.yaml").write_text("mine: 1")
    status, out = report(capsys, tmp_path / "data", "--out", "own.yaml")
    assert status == 1 and "own.yaml is there already" in out
    assert (tmp_path / "here/own.yaml").read_text() == "mine: 1"


def test_tree_without_masks_is_told_what_is_missing(tmp_path, capsys):
    write_image(tmp_path / "data/images/x.jpg")
    status, out = report(capsys, tmp_path / "data")
    assert status == 1 and "has 1 photos and 0 masks" in out


def test_tree_without_splits_holds_out_a_fifth_by_name(tmp_path, capsys):
    for number in range(20):
        write_image(tmp_path / f"data/images/x{number}.jpg")
        write_mask(tmp_path / f"data/masks/x{number}.png", [0, 1, 2])
    status, out = report(capsys, tmp_path / "data", "--out", "own.yaml")
    assert status == 0 and "val: 20 %" in out
    dataset = Folder("", "own.yaml")
    train, val = ({sample.id for sample in dataset.samples(split)} for split in ("train", "val"))
    assert not train & val and len(train | val) == 20 and 1 <= len(val) <= 8
    write_image(tmp_path / "data/images/more.jpg")
    write_mask(tmp_path / "data/masks/more.png", [1])
    assert val <= {sample.id for sample in Folder("", "own.yaml").samples("val")} <= val | {"more"}


def test_command_teaches_no_class_that_is_not_there(tmp_path, capsys):
    _, out = report(capsys, tree(tmp_path, [stripes([0, 1])] * 2))
    assert "no training image shows b" in out and "--task offline --batch_size 2" in out


def test_proposal_is_yaml_whatever_the_folders_are_called(tmp_path, capsys):
    plain(tmp_path / "it's: data #1")
    status, out = report(capsys, tmp_path / "it's: data #1", "--out", "own.yaml")
    assert (
        status == 0
        and yaml.safe_load((tmp_path / "here/own.yaml").read_text())["train"]["images"] == "images/train"
    )


def test_published_data_are_not_taken_for_own(tmp_path, capsys):
    voc_layout(tmp_path / "VOC2012")
    for path in sorted((tmp_path / "VOC2012/JPEGImages").iterdir()):
        path.rename(path.with_name(f"2007_00000{path.stem[1]}.jpg"))
    status, out = report(capsys, tmp_path)
    assert status == 1 and "SegmentationClassAug" in out and "proposed" not in out


@pytest.mark.slow
@pytest.mark.parametrize("layout", [voc_layout, colour_folders])
def test_tree_is_trained_by_the_very_command_that_its_check_ends_with(tmp_path, capsys, cli, layout):
    layout(tmp_path / "data")
    _, out = report(capsys, tmp_path / "data", "--out", "own.yaml")
    words = shlex.split(out.partition("ready: run python run.py ")[2])
    status, out, err = cli(*words, "--backbone", "tiny", "--crop_size", "64", "--epochs", "1", defaults=False)
    assert status == 0, err
    assert "1        " in out and (tmp_path / "results").is_dir()
