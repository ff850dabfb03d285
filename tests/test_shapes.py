"""The generated worlds: deterministic, and with the difficulties of real segmentation data."""

import numpy as np
import pytest
import torch

from dataset.shapes import OTHER_WORLD, SPLITS, WORLD, OtherShapes, Shapes
from utils.labels import IGNORE


@pytest.fixture(scope="module")
def world() -> Shapes:
    return Shapes(num_train=120, num_val=40)


def masks_of(world, split="train"):
    return [world.read_mask(sample).numpy() for sample in world.samples(split)]


def test_same_seed_split_and_index_give_the_same_picture(world):
    again = Shapes(num_train=120, num_val=40)
    for sample in world.samples("train")[:5]:
        for one, other in zip(world.read(sample), again.read(sample), strict=True):
            assert torch.equal(one, other)


def test_a_picture_does_not_depend_on_what_was_read_before(world):
    alone = Shapes(num_train=120, num_val=40)
    last = world.samples("val")[-1]
    assert torch.equal(alone.read(last)[0], world.read(last)[0])


def test_splits_seeds_and_worlds_share_no_picture(world):
    first = {
        "train": world.read(world.samples("train")[0])[0],
        "val": world.read(world.samples("val")[0])[0],
        "seed": Shapes(seed=1).read(world.samples("train")[0])[0],
        "other": OtherShapes().read(world.samples("train")[0])[0],
    }
    names = list(first)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert not torch.equal(first[one], first[other]), (one, other)


def test_pictures_and_labels_are_bytes_of_the_asked_size():
    world = Shapes(size=48, num_train=2, num_val=1)
    image, mask = world.read(world.samples("train")[1])
    assert (image.dtype, image.shape) == (torch.uint8, (3, 48, 48))
    assert (mask.dtype, mask.shape) == (torch.uint8, (48, 48))


def test_default_world_has_the_documented_size():
    world = Shapes()
    assert [len(world.samples(split)) for split in SPLITS] == [1200, 200]
    assert len(world.class_names) == 7 and world.class_names[0] == "background" and world.has_background


def test_sample_ids_are_unique_over_splits(world):
    ids = [sample.id for split in SPLITS for sample in world.samples(split)]
    assert len(set(ids)) == 160


def test_unknown_split_is_refused(world):
    with pytest.raises(ValueError, match="no split 'test'; known: train, val"):
        world.samples("test")


@pytest.mark.parametrize("kind", [Shapes, OtherShapes])
def test_every_class_is_shown_and_no_other_label(kind):
    world = kind(num_train=120)
    labels = np.unique(np.stack(masks_of(world)))
    assert labels.tolist() == [*range(len(world.class_names)), IGNORE]


def test_many_pictures_show_several_classes(world):
    several = [len(set(np.unique(mask)) - {0, IGNORE}) > 1 for mask in masks_of(world)]
    assert 0.3 < np.mean(several) < 0.8


def test_some_objects_hide_parts_of_others(world):
    def touch(mask):  # two object labels separated by nothing but the border
        across = (mask[:, :-2] != mask[:, 2:]) & (mask[:, 1:-1] == IGNORE)
        objects = [(part != 0) & (part != IGNORE) for part in (mask[:, :-2], mask[:, 2:])]
        return (across & objects[0] & objects[1]).any()

    assert np.mean([touch(mask) for mask in masks_of(world)]) > 0.1


def test_labels_meet_only_across_a_border_one_pixel_wide(world):
    for mask in masks_of(world):
        for one, other in ((mask[:, :-1], mask[:, 1:]), (mask[:-1], mask[1:])):
            inside = (one != IGNORE) & (other != IGNORE)
            assert (one[inside] == other[inside]).all()
    share = np.mean([(mask == IGNORE).mean() for mask in masks_of(world)])
    assert 0.02 < share < 0.08


def test_colour_alone_does_not_tell_the_classes_apart(world):
    """Mean colours of objects of one class spread further than the classes' mean colours lie apart."""
    colours = {label: [] for label in range(1, 7)}
    for sample in world.samples("train"):
        image, mask = (part.numpy() for part in world.read(sample))
        for label in set(np.unique(mask)) - {0, IGNORE}:
            colours[label].append(image[:, mask == label].mean(1))
    means = {label: np.mean(values, axis=0) for label, values in colours.items()}
    nearest = [
        min(means, key=lambda other: np.linalg.norm(value - means[other])) == label
        for label, values in colours.items()
        for value in values
    ]
    assert 0.3 < np.mean(nearest) < 0.9


def test_the_two_worlds_share_no_class():
    assert not {kind.name for kind in WORLD} & {kind.name for kind in OTHER_WORLD}
    assert not {kind.hue for kind in WORLD} & {kind.hue for kind in OTHER_WORLD}


def test_no_shape_extends_beyond_the_drawn_patch():
    v, u = np.mgrid[-2:2:81j, -2:2:81j]
    for kind in WORLD + OTHER_WORLD:
        inside = kind.inside(u, v)
        assert inside.sum() > 40, kind.name
        assert max(np.abs(u[inside]).max(), np.abs(v[inside]).max()) <= 1.2 + 1e-9, kind.name


def test_textures_stay_within_their_range():
    v, u = np.mgrid[-1:1:41j, -1:1:41j]
    for kind in WORLD + OTHER_WORLD:
        assert np.abs(kind.texture(u, v)).max() <= 1, kind.name


def test_fingerprint_tells_worlds_apart():
    worlds = [Shapes(), Shapes(seed=1), Shapes(size=32), Shapes(num_train=9), OtherShapes()]
    assert len({world.fingerprint("train") for world in worlds}) == len(worlds)
    assert Shapes().fingerprint("train") == Shapes().fingerprint("train")


def test_reading_again_returns_equal_data_even_if_a_caller_wrote_into_it(world):
    sample = world.samples("val")[3]
    image, _ = world.read(sample)
    before = image.clone()
    image.zero_()
    assert torch.equal(world.read(sample)[0], before)
