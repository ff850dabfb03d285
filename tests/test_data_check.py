import pytest

from data import check
from dataset.ade import ADE
from dataset.voc import VOC
from tests.dataset_trees import write_ade, write_folder, write_mask, write_voc


@pytest.fixture
def voc(tmp_path, monkeypatch):
    monkeypatch.setitem(check.FOLDERS, "voc", {"SegmentationClass": 1, "SegmentationClassAug": 3})
    monkeypatch.setattr(VOC, "expected", {"train": 2, "val": 1})
    return write_voc(tmp_path / "VOC2012", {"a": [0, 1], "b": [2]}, {"v": [3]})


def report(capsys, *words):
    status = check.main(list(map(str, words)))
    return status, capsys.readouterr().out


def test_complete_data_get_ok_in_every_line(voc, capsys):
    status, out = report(capsys, voc.parent)
    lines = [line for line in out.splitlines() if line.startswith("voc")]
    assert status == 0 and len(lines) == 4 and all(line.endswith("ok") for line in lines)


def test_data_sets_that_are_not_there_are_named_with_their_place(voc, capsys):
    _, out = report(capsys, voc.parent)
    assert "ade: " in out and "ADEChallengeData2016/images" in out
    assert "cityscapes: no leftImg8bit in" in out


def test_nothing_found_is_status_1(tmp_path, capsys):
    status, out = report(capsys, tmp_path / "nowhere")
    assert status == 1 and "state" not in out


DAMAGES = {
    "picture missing": (lambda voc: (voc / "JPEGImages/a.jpg").unlink(), "a.jpg, which does not exist"),
    "picture empty": (lambda voc: (voc / "JPEGImages/a.jpg").write_bytes(b""), "a.jpg is no picture"),
    "mask of another size": (
        lambda voc: write_mask(voc / "SegmentationClassAug/a.png", [1], (9, 5)),
        "a.png is 9x5 pixels",
    ),
    "mask missing": (lambda voc: (voc / "SegmentationClassAug/a.png").unlink(), "1 missing"),
    "mask empty": (lambda voc: (voc / "SegmentationClassAug/a.png").write_bytes(b""), "a.png is no picture"),
    "list missing": (lambda voc: (voc / "ImageSets/Segmentation/val.txt").unlink(), "has none of"),
    "list with a stranger": (
        lambda voc: (voc / "ImageSets/Segmentation/val.txt").write_text("v\nw\n"),
        "w.jpg",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(voc, capsys, damage):
    harm, words = DAMAGES[damage]
    harm(voc)
    status, out = report(capsys, voc.parent)
    assert status == 1 and words in out


def test_many_culprits_are_counted_and_three_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ADE, "expected", {"train": 5, "val": 1})
    root = write_ade(tmp_path, {f"ADE_{number}": [1] for number in range(5)}, {"ADE_v": [1]})
    for number in range(5):
        (root / f"images/training/ADE_{number}.jpg").write_bytes(b"\xff\xd8\xff")
    status, out = report(capsys, root)
    line = next(line for line in out.splitlines() if line.startswith("ade") and "train" in line)
    assert status == 1 and line.count(".jpg") == 3 and line.endswith("and 2 more")


def test_own_data_are_checked_by_their_yaml_file(tmp_path, capsys):
    path = write_folder(tmp_path, {"a": [0, 1], "b": [2]}, {"v": [1]})
    status, out = report(capsys, path, "--picture", tmp_path / "look.png")
    assert status == 0 and "ready: run python run.py --dataset" in out and (tmp_path / "look.png").is_file()
    path.write_text("classes: 7")
    status, out = report(capsys, path)
    assert status == 1 and "needs classes" in out
