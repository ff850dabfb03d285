"""The computations of the analyses: class means, cosines, probes, choice of images, errors."""

import io
import time

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch import nn

from analysis import commands, drift, probe
from analysis.choose import coarse, disagreement, diverse
from analysis.commands import text_table, write_csv
from analysis.drift_figures import draw_summary, means
from analysis.features import order
from analysis.figures import COLOURS
from analysis.kept import Kept
from analysis.linear_probe import Probe, fit_probe
from analysis.overlays import ERRORS, blend, errors, spotlight, uncertainty, write_names
from analysis.prototypes import (
    ClassMeans,
    blended_labels_at,
    cosines,
    labels_at,
    published_labels_at,
    taught_rows,
)
from segmentation_module import SegmentationModel
from tasks import named_step
from tests.adapters.mib_methods import Head
from train import Training
from utils.labels import IGNORE

MISSED, CONFUSED, INVENTED = ERRORS.values()


# -- class means -----------------------------------------------------------------------------------
def features_and_labels(count=4):
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (count, 5, 6), generator=draw)
    labels[0, 0] = IGNORE
    return torch.randn(count, 3, 5, 6, generator=draw, dtype=torch.float64), labels


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_class_means_do_not_depend_on_the_batch_size(batch):
    features, labels = features_and_labels()
    means = ClassMeans(5, 3)
    for first in range(0, 4, batch):
        means.update(features[first : first + batch], labels[first : first + batch])
    for index in range(4):
        torch.testing.assert_close(means.means[index], features.movedim(1, -1)[labels == index].mean(0))
    assert means.counts.tolist() == [int((labels == index).sum()) for index in range(5)]
    assert means.means[4].tolist() == [0, 0, 0]


def test_reduced_labels_name_only_classes_that_are_there():
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :, 4:] = 4
    assert set(labels_at(labels, (3, 3)).unique().tolist()) <= {0, 4}
    assert set(published_labels_at(labels, (5, 5)).unique().tolist()) <= {0, 4, IGNORE}


def test_blended_labels_keep_numbers_that_the_batch_does_not_have_and_means_leave_them_out():
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :, 4:] = 4
    blended, used = blended_labels_at(labels, (5, 5)), published_labels_at(labels, (5, 5))
    assert blended.unique().tolist() == [0, 2, 4]  # in the middle, half of each
    assert torch.equal(used, blended.where(blended != 2, IGNORE))


def test_labels_at_their_own_size_stay():
    _, labels = features_and_labels()
    assert torch.equal(labels_at(labels, (5, 6)), labels)


def test_untaught_classes_have_no_direction():
    rows = taught_rows(torch.eye(4), 2, 5)
    assert rows.shape == (5, 4)
    assert cosines(torch.ones(1, 4), rows)[0].tolist() == [0.5, 0.5, 0, 0, 0]


# -- probes ----------------------------------------------------------------------------------------
def probe_of(num_classes=3, channels=3):
    torch.manual_seed(0)
    net = SegmentationModel(nn.Conv2d(3, 3, 1), Head(channels, nn.Conv2d(3, channels, 1)), [2])
    return Probe(named_step("shapes", num_classes, "offline-probing"), net)


def test_a_probe_trains_its_own_rows_only():
    probe = probe_of()
    before = {name: value.clone() for name, value in probe.net.state_dict().items()}
    features, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 8, 8))
    fit_probe(probe, lambda epoch: [(features, labels)], Training(2, 0.1), num_batches=1)
    moved = {name for name, value in probe.net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"cls.0.weight", "cls.0.bias"}


def test_a_probe_reads_out_what_is_linear_in_the_features():
    probe = probe_of()
    labels = torch.randint(0, 3, (4, 6, 6), generator=torch.Generator().manual_seed(1))
    features = nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    losses = fit_probe(probe, lambda epoch: [(features, labels)], Training(60, 1.0), num_batches=1)
    assert losses[-1] < losses[0]
    assert torch.equal(probe.output(features, (6, 6)).logits.argmax(1), labels)


def test_every_epoch_sees_every_fixed_view_once_in_another_order():
    epochs = [[row for rows in order(12, 4, 0, epoch) for row in rows] for epoch in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))


def test_kept_features_are_those_that_came_however_few_of_them_memory_holds(tmp_path):
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    records = [(torch.randn(2, 3 + n, 3).mT.to(dtypes[n % 3]), torch.full((6, 6), n, dtype=torch.uint8))
               for n in range(7)]  # fmt: skip
    size = [sum(one.nbytes for one in record) for record in records]
    for memory, held in ((0, 0), (sum(size[:3]), 3), (sum(size), 7)):
        kept = Kept(memory=memory, folder=tmp_path / "cache", expected=len(records))
        for record in records:
            kept.append(*record)
        assert len(kept) == 7 and len(kept.held) == held
        for index in (5, 0, 6, 2, 5):
            for got, put in zip(kept[index], records[index], strict=True):
                assert got.dtype == put.dtype and torch.equal(got, put)
    assert list((tmp_path / "cache").iterdir()) == []  # the file has no name


def test_features_that_no_disk_can_take_are_refused_before_the_network_sees_the_rest(tmp_path):
    kept = Kept(memory=0, folder=tmp_path, expected=10**12)
    with pytest.raises(ValueError, match=r"GB of features do not fit .* give fewer images"):
        kept.append(torch.zeros(1000, 1000))


# -- which images ----------------------------------------------------------------------------------
def test_only_steps_that_know_a_class_can_disagree_about_it():
    truth = np.array([[0, 1, 2, IGNORE]])
    first, second = np.array([[0, 1, 0, 0]], np.uint8), np.array([[0, 0, 2, 1]], np.uint8)
    assert disagreement(truth, [(2, first), (3, second)])[:3].tolist() == [0, 0.25, 0]


def test_chosen_images_differ_in_their_classes():
    shares = np.array([[0.0, 0.5, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.2]])
    assert diverse(shares, 2) == [0, 2]
    assert sorted(diverse(shares, 9)) == [0, 1, 2]


def test_large_maps_are_compared_coarsely():
    assert coarse(np.zeros((500, 300))).shape == (125, 75)
    assert coarse(np.zeros((20, 30))).shape == (20, 30)


# -- what is drawn ---------------------------------------------------------------------------------
def test_errors_are_painted_by_kind_and_void_never():
    image = np.full((1, 6, 3), 100, np.uint8)
    truth, predicted = np.array([[1, 1, 1, 0, 0, IGNORE]]), np.array([[1, 0, 2, 1, 0, 1]])
    painted = [tuple(pixel) for pixel in errors(image, truth, predicted)[0]]
    grey = painted[0]
    assert painted == [grey, MISSED, CONFUSED, INVENTED, grey, grey]


def test_without_background_every_error_is_a_confusion():
    image = np.zeros((1, 2, 3), np.uint8)
    painted = errors(image, np.array([[0, 1]]), np.array([[1, 0]]), has_background=False)
    assert [tuple(pixel) for pixel in painted[0]] == [CONFUSED, CONFUSED]


def test_an_overlay_leaves_clear_labels_as_they_are():
    image, palette = np.full((1, 2, 3), 10, np.uint8), np.full((256, 3), 210, np.uint8)
    assert blend(image, np.array([[0, 1]]), palette, clear=(0,))[0].tolist() == [[10] * 3, [130] * 3]


def test_uncertainty_gets_brighter():
    colours = uncertainty(np.linspace(0, 1, 5)[None])[0].astype(int).sum(1)
    assert (np.diff(colours) > 0).all()


def test_names_are_written_where_there_is_room():
    labels = np.zeros((40, 40), np.uint8)
    labels[5:35, 5:35] = 1
    labels[0, 0] = 2
    tile = Image.new("RGB", (160, 160), (200, 0, 0))
    write_names(tile, labels, {2: "tiny"})
    assert len(tile.getcolors()) == 1
    write_names(tile, labels, {1: "cat", 2: "tiny"})
    changed = np.argwhere((np.asarray(tile) != (200, 0, 0)).any(2))
    assert len(changed) and changed.min() > 20 and changed.max() < 140


def test_a_name_that_is_wider_than_its_region_is_not_written():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 18:22] = 1  # 16 px of the tile, deep enough for letters of 12 px
    tile = Image.new("RGB", (160, 160), (200, 0, 0))
    write_names(tile, labels, {1: "pavement"})
    assert len(tile.getcolors()) == 1
    write_names(tile, np.rot90(labels), {1: "pavement"})
    changed = np.argwhere((np.asarray(tile) != (200, 0, 0)).any(2))
    assert len(changed) and changed[:, 0].min() >= 70 and changed[:, 0].max() < 90


def test_no_name_is_cut_off_by_the_border_of_the_tile():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, :8] = 1
    for name, written in (("it", True), ("ring", True), ("square", False)):  # in 32 px of the tile
        tile = Image.new("RGB", (160, 160), (200, 0, 0))
        write_names(tile, labels, {1: name})
        assert (len(tile.getcolors()) > 1) == written
        assert set(np.asarray(tile)[:, 0, 1]) == {0}


def test_tables_align_and_files_are_tidy(tmp_path):
    assert text_table(["run", "x"], [["FT", "10.0"], ["long", "-"]]) == "run      x\nFT    10.0\nlong     -"
    write_csv(tmp_path / "a" / "b.csv", [{"x": 1, "y": None}])
    assert (tmp_path / "a" / "b.csv").read_text() == "x,y\n1,\n"


def test_a_large_region_gets_its_name_before_a_small_one_beside_it():
    labels = np.ones((40, 40), np.uint8)
    labels[16:24, 10:18] = 0  # nearly in the middle
    named, large = (Image.new("RGB", (160, 160), (200, 0, 0)) for _ in range(2))
    write_names(named, labels, {0: "small", 1: "large"})
    write_names(large, labels, {1: "large"})
    changed = {tuple(place) for place in np.argwhere((np.asarray(large) != (200, 0, 0)).any(2))}
    assert changed and all((np.asarray(named)[place] == np.asarray(large)[place]).all() for place in changed)


def test_truth_beside_errors_has_no_colours_but_those_of_the_photo():
    image = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    shown = spotlight(image, np.array([[0, 1, IGNORE]]))
    assert shown[0, 1].tolist() == [200, 100, 0]
    assert all(len(set(pixel.tolist())) == 1 for pixel in shown[0, [0, 2]])
    assert (spotlight(image, np.array([[0, 1, 2]]), has_background=False) == image).all()


@pytest.mark.parametrize("age, delay", [(60.0, 0.0), (0.0, 5.0)])
def test_progress_shows_once_the_program_has_run_for_five_seconds(monkeypatch, age, delay):
    monkeypatch.setattr(commands, "BEGAN", time.monotonic() - age)
    bar = commands.progress(range(3), "x", disable=False, file=io.StringIO())
    assert bar.delay == pytest.approx(delay, abs=0.5)


# -- figures ---------------------------------------------------------------------------------------
def markers_of(made, colour):
    """Whether top and bottom of every round marker of `made` have its `colour`."""
    made.set_dpi(100)
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    found = []
    for axes in made.axes:
        for line in axes.get_lines():
            reach = round(line.get_markersize() * made.dpi / 72 / 2)
            for x, y in axes.transData.transform(np.column_stack(line.get_data())):
                top, bottom = (round(len(pixels) - y + way * reach) for way in (-1, 1))
                shown = [pixels[top, round(x)], pixels[bottom, round(x)]]
                found += [abs(one - colour).sum() < 60 for one in shown]
    return found


def test_no_figure_cuts_a_marker_off():
    colour = np.array([int(COLOURS[0][at : at + 2], 16) for at in (1, 3, 5)])
    kinds = {"observed": 0.2, "probed": 0.3, "probed_seen": 0.3, "observed_base": 0.95, "probed_base": 0.0}
    rows = [{"run": "FT", "step": step, **kinds} for step in range(2)]
    curves = [{"run": "FT", "step": step, "class": name, "taught": 0, "feature": 1.0, "row": -0.9,
               "alignment": 0.0, "recall": step, "nearest_mean": 0.0} for step in range(2)
              for name in ("background", "disc")]  # fmt: skip
    for made in (probe.draw(rows, has_background=True), draw_summary(curves, has_background=True)):
        found = markers_of(made, colour)
        assert len(found) >= 16 and all(found), found


def test_background_is_left_out_of_the_printed_means_as_of_the_picture_and_counted_beside():
    row = {"run": "FT", "step": 0, "taught": 0, "feature": 1.0, "row": 1.0, "alignment": 0.5}
    rows = [row | {"class": name, "recall": share, "nearest_mean": share / 2} for name, share in
            (("background", 1.0), ("disc", 0.2))]  # fmt: skip
    header, line = drift.table(rows, "background").splitlines()
    assert header.endswith("recognised +bg  by nearest mean +bg")
    assert line.split() == ["FT", "0", "1.000", "1.000", "0.500", "0.200", "0.100", "0.600", "0.300"]
    assert drift.table(rows).splitlines()[1].split()[-2:] == ["0.600", "0.300"]
    assert means([rows[1]], "FT", "recall") == ([0], [0.2])
