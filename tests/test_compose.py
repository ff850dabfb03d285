"""Composition: which instances are pasted where, and what that does to images and targets."""

import random
from dataclasses import dataclass

import pytest
import torch

from dataset.memory.compose import cell_size, compose, emptiest_cells, fit, one_hot
from dataset.memory.record import record
from dataset.memory.replay import MemoryDraws
from utils.labels import IGNORE


@dataclass
class OneColourDraws:
    """Instances that are squares of one colour, in the lower right of an otherwise black image."""

    labels: list
    side: int = 6

    def extra_label(self):
        return self.labels[-1]

    def instance(self, label):
        mask = torch.zeros(20, 20, dtype=torch.bool)
        mask[-self.side :, -self.side :] = True
        return mask.float().expand(3, 20, 20) * label, mask

    def share(self):
        return 0.25


def records():
    """Two entries, of classes 1 and 2."""
    image = torch.randint(256, (3, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for label in (1, 2):
        labels = torch.zeros(30, 40, dtype=torch.uint8)
        labels[8 * label : 8 * label + 9, 10:30] = label
        facts = {"source": str(label), "step": 0, "label": label, "classes": (label,)}
        yield record(image, labels, whole=False, **facts)


def test_cells_are_250_at_512_and_always_make_a_grid_of_two_by_two():
    assert cell_size(512) == 250
    assert all(side // cell_size(side) >= 2 for side in range(2, 1200))


def test_best_cells_are_the_emptiest_and_ignored_pixels_count_as_empty():
    labels = torch.ones(1, 8, 8, dtype=torch.int64)
    labels[0, 4:, 4:] = IGNORE
    labels[0, :2, :4] = 0
    assert emptiest_cells(labels, 4)[0].tolist() == [[4, 4, 16], [0, 0, 8], [0, 4, 0]]


def test_thin_and_missing_instances_are_not_pasted():
    mask = torch.zeros(9, 9, dtype=torch.bool)
    assert all(len(index) == 0 for index in fit(mask, 4))
    mask[3, :] = True
    assert all(len(index) == 0 for index in fit(mask, 4))


def test_an_instance_is_scaled_to_its_cell():
    mask = torch.zeros(50, 50, dtype=torch.bool)
    mask[10:40, 20:25] = True
    rows, columns = fit(mask, 10)
    assert rows.tolist() == [10, 13, 16, 19, 22, 25, 28, 31, 34] and columns.tolist() == [20]


@pytest.mark.parametrize(
    ("seen", "expected"), [([], [2, 2, 2]), ([1], [1, 2, 2]), ([1, 2], [1, 2]), ([1, 2, 3, 4], [1, 2, 3])]
)
def test_the_teacher_decides_which_classes_come_and_chance_fills_up(seen, expected):
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    pseudo = labels.clone()
    for column, label in enumerate(seen):
        pseudo[0, 0, column] = label
    draws = OneColourDraws([4, 3, 1, 2])
    _, _, pastes = compose(torch.zeros(1, 3, 16, 16), labels, pseudo, draws, num_classes=6, cell=8)
    assert [paste.label for paste in pastes] == expected
    corners = [(paste.top, paste.left) for paste in pastes]
    assert len(set(corners)) == (len(seen[:3]) or 1)  # what chance brings goes to the emptiest cell
    _, _, spread = compose(
        torch.zeros(1, 3, 16, 16), labels, pseudo, draws, num_classes=6, cell=8, spread=True
    )
    assert len({(paste.top, paste.left) for paste in spread}) == len(spread)


def test_images_and_targets_are_mixed_alike_and_inputs_stay():
    images, labels = torch.zeros(1, 3, 16, 16), torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[0, :2] = IGNORE
    pseudo = labels.clone()
    pseudo[0, -1, -1] = 2
    composed, targets, pastes = compose(
        images, labels, pseudo, OneColourDraws([2, 4]), num_classes=5, cell=8, spread=True
    )
    assert [(paste.label, paste.share) for paste in pastes] == [(2, 0.25), (4, 0.25), (4, 0.25)]
    changed = targets[:, 0] != one_hot(pseudo, 5)[:, 0]
    assert changed.any() and torch.equal(
        composed[:, 0] != 0, targets[:, 1:].ne(one_hot(pseudo, 5)[:, 1:]).any(1)
    )
    assert torch.allclose(composed[0, 0][targets[0, 4] > 0], torch.tensor(1.0))  # 0.25 x colour 4
    assert not images.any()


def test_without_a_fitting_instance_nothing_changes():
    images, labels = torch.randn(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.int64)
    pseudo = labels.clone()
    pseudo[0, 0, 0], pseudo[0, 0, 1] = 1, 2
    composed, targets, pastes = compose(
        images, labels, pseudo, MemoryDraws([], device="cpu"), num_classes=4, cell=8
    )
    assert pastes == [] and torch.equal(composed, images) and torch.equal(targets, one_hot(pseudo, 4))
    _, _, pastes = compose(images[:1], labels[:1], pseudo[:1], OneColourDraws([3]), num_classes=4, cell=8)
    assert pastes == []  # classes 1 and 2 are wanted, 3 is there


# -- draws from a memory -------------------------------------------------------------------------------------
def test_draws_show_their_class_and_repeat_with_their_generator():
    draws = MemoryDraws(list(records()), device=torch.device("cpu"))
    assert draws.labels == [1, 2]

    def drawn():
        draws.begin(random.Random(7), (24, 24))
        return [(draws.extra_label(), *draws.instance(2), draws.share()) for _ in range(20)]

    first, again = drawn(), drawn()
    assert any(mask.any() for _, _, mask, _ in first)
    for (label, view, mask, share), other in zip(first, again, strict=True):
        assert view.shape == (3, 24, 24) and mask.shape == (24, 24) and 0 <= share < 1
        assert label == other[0] and torch.equal(view, other[1]) and torch.equal(mask, other[2])
    assert {label for label, *_ in first} == {1, 2}


def test_composition_repeats_with_its_generator():
    images, labels = torch.zeros(3, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.int64)
    draws = MemoryDraws(list(records()), device=images.device)

    def composed(seed):
        draws.begin(random.Random(seed), (32, 32))
        return compose(images, labels, labels, draws, num_classes=5, cell=cell_size(32))

    first, again, other = composed(5), composed(5), composed(6)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1]) and first[2] == again[2]
    assert first[0].any() and first[2] != other[2]
