"""The generated data sets: deterministic, and with the difficulties of real segmentation data."""

import numpy as np
import pytest
import torch

from dataset.shapes import KINDS, OTHER_KINDS, SPLITS, OtherShapes, Shapes
from utils.labels import IGNORE


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return Shapes(num_train=120, num_val=40)


def masks_of(shapes, split="train"):
    return [shapes.read_mask(sample).numpy() for sample in shapes.samples(split)]


def test_same_seed_split_and_index_give_the_same_picture(shapes):
    again = Shapes(num_train=120, num_val=40)
    for sample in shapes.samples("train")[:5]:
        for one, other in zip(shapes.read(sample), again.read(sample), strict=True):
            assert torch.equal(one, other)


def test_a_picture_does_not_depend_on_what_was_read_before(shapes):
    alone = Shapes(num_train=120, num_val=40)
    last = shapes.samples("val")[-1]
    assert torch.equal(alone.read(last)[0], shapes.read(last)[0])


def test_splits_seeds_and_data_sets_share_no_picture(shapes):
    first = {
        "train": shapes.read(shapes.samples("train")[0])[0],
        "val": shapes.read(shapes.samples("val")[0])[0],
        "seed": Shapes(seed=1).read(shapes.samples("train")[0])[0],
        "other": OtherShapes().read(shapes.samples("train")[0])[0],
    }
    names = list(first)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert not torch.equal(first[one], first[other]), (one, other)


def test_pictures_and_labels_are_bytes_of_the_asked_size():
    shapes = Shapes(size=48, num_train=2, num_val=1)
    image, mask = shapes.read(shapes.samples("train")[1])
    assert (image.dtype, image.shape) == (torch.uint8, (3, 48, 48))
    assert (mask.dtype, mask.shape) == (torch.uint8, (48, 48))


def test_default_world_has_the_documented_size():
    shapes = Shapes()
    assert [len(shapes.samples(split)) for split in SPLITS] == [1200, 200]
    assert len(shapes.class_names) == 7 and shapes.class_names[0] == "background" and shapes.has_background


def test_sample_ids_are_unique_over_splits(shapes):
    ids = [sample.id for split in SPLITS for sample in shapes.samples(split)]
    assert len(set(ids)) == 160


def test_unknown_split_is_refused(shapes):
    with pytest.raises(ValueError, match="no split 'test'; known: train, val"):
        shapes.samples("test")


@pytest.mark.parametrize("kind", [Shapes, OtherShapes])
def test_every_class_is_shown_and_no_other_label(kind):
    shapes = kind(num_train=120)
    labels = np.unique(np.stack(masks_of(shapes)))
    assert labels.tolist() == [*range(len(shapes.class_names)), IGNORE]


def test_many_pictures_show_several_classes(shapes):
    several = [len(set(np.unique(mask)) - {0, IGNORE}) > 1 for mask in masks_of(shapes)]
    assert 0.3 < np.mean(several) < 0.8


def test_some_objects_hide_parts_of_others(shapes):
    def touch(mask):  # two object labels separated by nothing but the border
        across = (mask[:, :-2] != mask[:, 2:]) & (mask[:, 1:-1] == IGNORE)
        objects = [(part != 0) & (part != IGNORE) for part in (mask[:, :-2], mask[:, 2:])]
        return (across & objects[0] & objects[1]).any()

    assert np.mean([touch(mask) for mask in masks_of(shapes)]) > 0.1


def test_labels_meet_only_across_a_border_one_pixel_wide(shapes):
    for mask in masks_of(shapes):
        for one, other in ((mask[:, :-1], mask[:, 1:]), (mask[:-1], mask[1:])):
            inside = (one != IGNORE) & (other != IGNORE)
            assert (one[inside] == other[inside]).all()
    share = np.mean([(mask == IGNORE).mean() for mask in masks_of(shapes)])
    assert 0.02 < share < 0.08


def test_colour_alone_does_not_tell_the_classes_apart(shapes):
    """Mean colours of objects of one class spread further than the classes' mean colours lie apart."""
    colours = {label: [] for label in range(1, 7)}
    for sample in shapes.samples("train"):
        image, mask = (part.numpy() for part in shapes.read(sample))
        for label in set(np.unique(mask)) - {0, IGNORE}:
            colours[label].append(image[:, mask == label].mean(1))
    means = {label: np.mean(values, axis=0) for label, values in colours.items()}
    nearest = [
        min(means, key=lambda other: np.linalg.norm(value - means[other])) == label
        for label, values in colours.items()
        for value in values
    ]
    assert 0.3 < np.mean(nearest) < 0.9


def test_the_two_data_sets_share_no_class():
    assert not {kind.name for kind in KINDS} & {kind.name for kind in OTHER_KINDS}
    assert not {kind.hue for kind in KINDS} & {kind.hue for kind in OTHER_KINDS}


def test_no_shape_extends_beyond_the_drawn_patch():
    v, u = np.mgrid[-2:2:81j, -2:2:81j]
    for kind in KINDS + OTHER_KINDS:
        inside = kind.inside(u, v)
        assert inside.sum() > 40, kind.name
        assert max(np.abs(u[inside]).max(), np.abs(v[inside]).max()) <= 1.2 + 1e-9, kind.name


def test_textures_stay_within_their_range():
    v, u = np.mgrid[-1:1:41j, -1:1:41j]
    for kind in KINDS + OTHER_KINDS:
        assert np.abs(kind.texture(u, v)).max() <= 1, kind.name


def test_fingerprint_tells_data_sets_apart():
    variants = [Shapes(), Shapes(seed=1), Shapes(size=32), Shapes(num_train=9), OtherShapes()]
    assert len({variant.fingerprint("train") for variant in variants}) == len(variants)
    assert Shapes().fingerprint("train") == Shapes().fingerprint("train")


def test_reading_again_returns_equal_data_even_if_a_caller_wrote_into_it(shapes):
    sample = shapes.samples("val")[3]
    image, _ = shapes.read(sample)
    before = image.clone()
    image.zero_()
    assert torch.equal(shapes.read(sample)[0], before)
