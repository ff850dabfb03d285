"""Samples as columns: what they say, what they weigh, and how often files are asked about."""

import os
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset import samples as samples_module
from dataset import threads
from dataset.folder import Folder
from dataset.increment import increment_data
from dataset.own import survey as own_survey
from dataset.presence import scan
from dataset.samples import Sample, Samples
from dataset.survey import count
from tasks import make_step
from tests.own_trees import stripes, tree
from utils.decoding.counting import counted
from utils.decoding.decode import read_index_mask

OBJECTS = [
    Sample("a/x", Path("images/a/x.jpg"), Path("masks/x.png"), 3),
    Sample("y é", Path("y é.jpg"), Path("/masks/y.png"), 0),
    Sample("z\udcff", Path("images/a/z\udcff.jpg"), Path("masks/z.png"), 20),
]


def test_samples_in_columns_are_those_that_went_in():
    columns = Samples.of(OBJECTS)
    assert list(columns) == OBJECTS == [columns[k] for k in range(3)] and columns[-1] == OBJECTS[-1]
    assert [*columns.ids()] == [one.id for one in OBJECTS] and columns.domains.tolist() == [3, 0, 20]
    assert [*columns.masks()] == [str(one.mask) for one in OBJECTS]
    assert columns[::-1] == OBJECTS[::-1] and columns.take([2, 0]).take([1]) == OBJECTS[:1]
    assert pickle.loads(pickle.dumps(columns[1:])) == OBJECTS[1:] != columns
    assert not Samples.of([]) and Samples.of([Sample("made")])[0] == Sample("made")
    with pytest.raises(IndexError):
        columns[3]


def test_an_image_of_a_million_weighs_a_tenth_of_a_kilobyte():
    names = [f"{number:012d}" for number in range(5000)]
    paths = [f"/data/of/everybody/images/training/{name}.jpg" for name in names]
    assert len(pickle.dumps(Samples.of_columns(names, paths, paths))) < 100 * len(names)


def test_files_are_asked_about_once_per_run(small_data, tmp_path, monkeypatch):
    asked, real = [], os.stat
    data = Folder("", small_data)
    step = increment_data(data, make_step(data, "4-1"), cache_dir=tmp_path)
    step.presence("train"), step.content("train")  # the first time also for the folder of the cache
    again = Folder("", small_data)
    monkeypatch.setattr(os, "stat", lambda path, **how: asked.append(path) or real(path, **how))
    for index in range(3):
        step = increment_data(again, make_step(again, "4-1").at(index), cache_dir=tmp_path)
        step.rows("train"), step.content("train"), again.fingerprint("train"), step.pixels()
    files = [path for path in map(str, asked) if path.endswith((".jpg", ".png"))]
    images = len(again.samples("train")) + len(again.samples("val"))
    assert len(files) == len(set(files)) == 2 * images


def test_slow_answers_are_waited_for_together_and_are_the_same(small_data, monkeypatch):
    want = Folder("", small_data).samples("train").versions
    monkeypatch.setattr(samples_module, "SLOW", 0.0)
    monkeypatch.setattr(samples_module, "BLOCK", samples_module.AT_ONCE)  # after the first answer
    assert np.array_equal(Folder("", small_data).samples("train").versions, want) and want.all()


def test_without_a_terminal_a_scan_says_how_far_it_is(small_data, monkeypatch, capsys):
    monkeypatch.setattr(threads, "INTERVAL", 0.0)
    monkeypatch.setattr(threads, "AT_ONCE", 2)
    data = Folder("", small_data)
    scan(data, data.samples("train"), "small")
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"small: reading masks: 2 of {len(data.samples('train'))} images, ")


@pytest.mark.parametrize("quick", [0.0, 100.0])
def test_one_thread_and_several_give_the_same_in_order_and_stop_at_the_first_exception(monkeypatch, quick):
    monkeypatch.setattr(threads, "QUICK", quick)
    images = Samples.of([Sample(str(number)) for number in range(500)])
    assert threads.in_threads(lambda one: int(one.id), images, "x") == list(range(500))
    with pytest.raises(ZeroDivisionError):
        threads.in_threads(lambda one: 1 // (int(one.id) - 400), images, "x")


@pytest.mark.parametrize(("wait", "alone"), [(0.0, True), (0.002, False)])
def test_files_that_are_waited_for_take_several_threads_and_quick_ones_do_not(monkeypatch, wait, alone):
    monkeypatch.setattr(threads, "QUICK", 100.0)  # of the processor; what it does here depends on the machine
    monkeypatch.setattr(threads, "PATIENT", 100.0 if alone else 0.001)
    seen = set()

    def work(_):
        time.sleep(wait)
        seen.add(threading.get_ident())

    threads.in_threads(work, [Sample(str(number)) for number in range(500)], "x")
    assert (seen == {threading.get_ident()}) == alone


# -- masks by how often they show each value -----------------------------------------------------------------
PIXELS = np.array([[0, 1, 7, 7], [3, 3, 255, 0]], np.uint8)


def saved(folder, kind):
    """A mask file of some kind."""
    path = folder / f"mask.{'jpg' if kind == 'JPEG' else 'png'}"
    if kind == "palette":
        image = Image.fromarray(PIXELS, "P")
        image.putpalette([value // 2 for value in range(256) for _ in range(3)])
    else:
        image = Image.fromarray(PIXELS.astype(np.uint16) if kind == "16 bits" else PIXELS)
    image.convert("1").save(path) if kind == "1 bit" else image.save(path)
    return path


@pytest.mark.parametrize("kind", ["grey", "palette"])
def test_values_are_counted_as_from_their_pixels(tmp_path, kind):
    path = saved(tmp_path, kind)
    found = counted(path)
    assert np.array_equal(found.counts, count(read_index_mask(path))) and found.header.size == (4, 2)
    assert found.palette is None if kind == "grey" else found.palette[7].tolist() == [3, 3, 3]


@pytest.mark.parametrize("kind", ["1 bit", "16 bits", "JPEG"])
def test_other_kinds_of_files_are_left_to_the_decoder(tmp_path, kind):
    assert counted(saved(tmp_path, kind)) is None


NAMES, OTHER = "[a, b, c]", "values: {0: a, 1-2: b, other: void}\nbackground: false"


@pytest.mark.parametrize("keys", ["", OTHER, "values: {0: a, 1: b, 2: c}\nbackground: a"])
def test_a_look_by_values_is_that_by_pixels(tmp_path, monkeypatch, keys):
    path = tree(
        tmp_path,
        [stripes([0, 1, 2]), stripes([2, 2, 3, 255]), stripes([9])],
        keys,
        classes="" if keys else NAMES,
    )
    data = Folder("", path)
    looks = [*map(data.survey, data.samples("train"))]
    monkeypatch.setattr(own_survey, "counted", lambda *_: None)
    for look, want in zip(looks, map(data.survey, data.samples("train")), strict=True):
        assert np.array_equal(look.counts, want.counts) and look.mask == want.mask
        assert [*map(str, look.complaints)] == [*map(str, want.complaints)] and look.unnamed == want.unnamed
