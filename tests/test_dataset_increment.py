import logging
import os

import numpy as np
import pytest
import torch

from dataset import increment as increment_module
from dataset import presence as presence_module
from dataset.ade import ADE
from dataset.base import Sample, SegmentationDataset
from dataset.increment import increment_data
from dataset.presence import presence
from dataset.voc import VOC
from tasks import Step
from tests.dataset_trees import write_ade, write_mask, write_voc

TRAIN = {"a": [0, 1], "b": [0, 1, 2, 255], "c": [2], "d": [0, 3], "e": [1, 3], "f": [0, 255]}
VAL = {"u": [0, 1], "v": [2, 3], "w": [0]}
STEP = Step("voc", "1-1", 0, ((0, 1), (2,), (3,)))


@pytest.fixture
def voc(tmp_path):
    return VOC(write_voc(tmp_path / "VOC2012", TRAIN, VAL))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_images_of_each_step_and_setting(voc, cache):
    want = {
        "overlap": (["a", "b", "e"], ["b", "c"], ["d", "e"]),
        "disjoint": (["a"], ["b", "c"], ["d", "e"]),
        "sequential": (["a"], ["b", "c"], ["d", "e"]),
    }
    for setting, ids in want.items():
        data = increment_data(voc, STEP, setting=setting, cache_dir=cache)
        assert tuple(data.of(index).train.ids for index in range(3)) == ids
    parts = [
        increment_data(voc, STEP, setting="partitioned", cache_dir=cache).of(index) for index in range(3)
    ]
    assert sorted(id for part in parts for id in part.train.ids) == ["a", "b", "c", "d", "e"]


def test_num_images_and_description_count_steps_and_pixels(voc, cache):
    data = increment_data(voc, STEP, cache_dir=cache)
    assert data.num_images == {"train": 3, "val": 1, "test": 1}
    assert data.of(1).num_images == {"train": 2, "val": 1, "test": 2}
    assert data.of(1).pixels() == {2: 5 * 16 + 20 * 16}
    text = data.describe()
    assert "step 1: 2 train, 1 val, 2 test images" in text
    assert f"  2 bicycle{400:33}" in text


def test_sequential_keeps_the_labels_of_old_classes(voc, cache):
    seen = {
        setting: increment_data(voc, STEP.at(1), setting=setting, cache_dir=cache)
        .table("train")[[1, 2, 3]]
        .tolist()
        for setting in ("disjoint", "sequential")
    }
    assert seen == {"disjoint": [0, 2, 0], "sequential": [1, 2, 0]}


def test_items_are_cropped_images_and_model_indices(voc, cache):
    data = increment_data(voc, STEP.at(1), crop_size=8, cache_dir=cache)
    for image, labels in (data.train[0, 0], data.test[0]):
        assert image.shape == (3, 8, 8) and labels.shape == (8, 8)
        assert image.dtype == labels.dtype == data.train[3, 1][1].dtype
    assert set(data.train[0, 1][1].unique().tolist()) == {2}
    assert data.train.read(0)[0].shape == (3, 16, 20)


def test_full_evaluation_gives_whole_images(voc, cache):
    data = increment_data(voc, STEP, crop_size=8, evaluation="full", cache_dir=cache)
    assert data.test[0][0].shape == (3, 16, 20) and not data.test.same_size
    assert data.train[0, 0][0].shape == (3, 8, 8)


def test_protocol_mib_does_not_score_unlabelled_pixels(tmp_path, cache):
    ade = ADE(write_ade(tmp_path, {"a": [0, 1]}, {"v": [0, 1]}))
    step = Step("ade", "1-1", 0, ((0, 1), (2,)))
    first = {
        p: increment_data(ade, step, protocol=p, cache_dir=cache).table("test")[0] for p in ("plop", "mib")
    }
    assert first == {"plop": 0, "mib": 255}
    assert increment_data(ade, step, ignore_background=True, cache_dir=cache).table("test")[0] == 255


def test_disjoint_ade_points_to_the_published_lists_once(tmp_path, cache, caplog, monkeypatch):
    monkeypatch.setattr(increment_module, "_said", set())
    ade = ADE(write_ade(tmp_path, {"a": [0, 1]}, {"v": [0, 1]}))
    step = Step("ade", "1-1", 0, ((0, 1), (2,)))
    with caplog.at_level(logging.WARNING):
        for setting in ("overlap", "disjoint", "disjoint"):
            increment_data(ade, step, setting=setting, cache_dir=cache)
        increment_data(ade, step, setting="disjoint", index_dir=tmp_path, cache_dir=cache)
    assert ["--index_dir" in record.message for record in caplog.records] == [True]


def test_names_are_matched_and_answered_with_the_nearest(voc, cache):
    assert increment_data(voc, STEP, setting="Overlap", protocol="MiB", cache_dir=cache).protocol == "mib"
    with pytest.raises(ValueError, match="unknown setting 'overlapped'; did you mean overlap"):
        increment_data(voc, STEP, setting="overlapped", cache_dir=cache)


def test_class_that_the_dataset_lacks_is_refused(voc, cache):
    step = Step("voc", "x", 0, ((0, 1), (21,)))
    with pytest.raises(ValueError, match=r"task x teaches class 21, but voc has classes 0\.\.20"):
        increment_data(voc, step, cache_dir=cache)


class Cities(SegmentationDataset):
    name, class_names, has_background = "cities", ("road", "sky"), False

    def samples(self, split):
        return [Sample(f"{split}{number}", domain=number // 2) for number in range(6)]


def test_domain_steps_take_the_images_of_their_domains_with_all_labels(cache):
    step = Step("cities", "1-1", 1, ((0, 1),) * 3, has_background=False, domains=((2,), (0,), (1,)))
    data = increment_data(Cities(""), step, cache_dir=cache)
    assert data.train.ids == ["train0", "train1"]
    assert data.test.ids == ["val0", "val1", "val4", "val5"]
    assert data.table("train")[[0, 1]].tolist() == data.table("test")[[0, 1]].tolist() == [0, 1]


class Picky(Cities):
    def rows(self, step, split, shown):
        return np.array([1, 4]) if split == "train" else None

    def read_mask(self, sample):
        return torch.zeros(2, 2, dtype=torch.uint8)


def test_dataset_may_have_a_rule_of_its_own(cache):
    step = Step("cities", "2", 0, ((0, 1),), has_background=False)
    data = increment_data(Picky(""), step, cache_dir=cache)
    assert data.train.ids == ["train1", "train4"] and len(data.val.ids) == 6


# -- the scan --------------------------------------------------------------------------------------
def test_scan_counts_pixels_per_label(voc, cache):
    table = presence(voc, "train", cache)
    assert table.num_images == len(TRAIN)
    for row, labels in enumerate(TRAIN.values()):
        assert np.flatnonzero(table.shown[row]).tolist() == labels
    assert table.counts.sum(axis=1).tolist() == [20 * 16] * 6


def test_second_start_reads_the_cache_instead_of_the_masks(voc, cache, monkeypatch):
    before = presence(voc, "train", cache)
    monkeypatch.setattr(presence_module, "scan", None)
    again = presence(VOC(voc.root), "train", cache)
    assert np.array_equal(before.counts, again.counts)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("change", ["content", "list"])
def test_changed_data_are_scanned_again(voc, cache, change):
    before = presence(voc, "train", cache).counts.sum(axis=0)
    if change == "content":
        path = voc.root / "SegmentationClassAug/a.png"
        size, stamp = path.stat().st_size, path.stat().st_mtime
        write_mask(path, [0, 4])  # a file of the same size
        assert path.stat().st_size == size
        os.utime(path, (stamp + 1, stamp + 1))
    else:
        (voc.root / "ImageSets/Segmentation/trainaug.txt").write_text("b\nc")
    assert not np.array_equal(presence(VOC(voc.root), "train", cache).counts.sum(axis=0), before)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"text"])
def test_damaged_cache_is_replaced(voc, cache, damage):
    want = presence(voc, "train", cache).counts
    (path,) = cache.iterdir()
    path.write_bytes(damage)
    assert np.array_equal(presence(VOC(voc.root), "train", cache).counts, want)
    assert path.stat().st_size > 100


def test_label_outside_the_classes_is_named_with_its_file_and_nothing_is_cached(voc, cache):
    write_mask(voc.root / "SegmentationClassAug/c.png", [0, 21, 37])
    with pytest.raises(ValueError, match=r"c\.png has label 21, 37, but voc has classes 0\.\.20"):
        increment_data(voc, STEP, cache_dir=cache).rows("train")
    assert list(cache.iterdir()) == []


def test_unreadable_mask_is_named_by_the_scan(voc, cache):
    (voc.root / "SegmentationClassAug/c.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"c\.png cannot be read"):
        increment_data(voc, STEP, cache_dir=cache).rows("train")


def test_scan_never_opens_a_picture(voc, cache):
    for path in (voc.root / "JPEGImages").iterdir():
        path.write_bytes(b"")
    assert increment_data(voc, STEP, cache_dir=cache).num_images["train"] == 3


def test_unwritable_cache_is_refused_before_the_scan(voc, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(presence_module, "scan", None)
    with pytest.raises(ValueError, match=r"cannot write to .*file.*--cache_dir"):
        presence(voc, "train", tmp_path / "file")


# -- published lists -------------------------------------------------------------------------------
def test_published_lists_replace_the_rule(voc, cache, tmp_path):
    np.save(tmp_path / "train-1.npy", np.array([2]))
    np.save(tmp_path / "test_on_val-1.npy", np.array([1]))
    data = increment_data(voc, STEP.at(1), index_dir=tmp_path, cache_dir=cache)
    assert (data.train.ids, data.val.ids, data.test.ids) == (["c"], ["v"], ["v"])
    with pytest.raises(FileNotFoundError, match="--index_dir: there is no .*train-0.npy"):
        data.of(0).rows("train")


@pytest.mark.parametrize(
    "content, complaint",
    [
        (np.array([0, 3]), "show no class of step 1: it counts in the order of the published image list"),
        (np.array([1, 99]), "show no class of step 1"),
        (np.array([-1]), "show no class of step 1"),
        (np.array([1, 1]), "no list of different image numbers"),
        (np.array([[1]]), "no list of different image numbers"),
        (np.array([1.0]), "no list of different image numbers"),
        (np.array([{}], object), "no .npy file"),
    ],
)
def test_list_that_does_not_fit_is_refused(voc, cache, tmp_path, content, complaint):
    np.save(tmp_path / "train-1.npy", content, allow_pickle=True)
    with pytest.raises(ValueError, match=complaint):
        increment_data(voc, STEP.at(1), index_dir=tmp_path, cache_dir=cache).rows("train")
