import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset.resize import resize, shorter_side
from dataset.transform import central_crop, crop_box, normalize, resize_labels, train_crop

GOLDENS = Path(__file__).parent / "goldens/mib"


@pytest.fixture(params=[0, 1])
def golden(request):
    params = json.loads((GOLDENS / "cases.json").read_text())["cases"]
    params = next(case["params"] for case in params if case["name"] == f"transforms_{request.param}")
    with np.load(GOLDENS / f"transforms_{request.param}.npz") as file:
        return params, {name: torch.from_numpy(file[name]) for name in file.files}


def assert_within_a_grey_level(got, want):  # Pillow, which the goldens are from, rounds differently
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    assert ((got - want).abs() * deviation * 255).max() < 1.001


def test_training_crops_are_the_published_ones(golden):
    params, arrays = golden
    rng = random.Random(params["python_random_seed"])
    image, labels = arrays["in_image"].permute(2, 0, 1), arrays["in_label"]
    for draw in range(3):
        view, view_labels = train_crop(image, labels, params["crop_size"], rng)
        assert torch.equal(view_labels, arrays[f"out_train_lbl{draw}"])
        assert_within_a_grey_level(normalize(view[None])[0], arrays[f"out_train_img{draw}"])


def test_test_view_is_the_published_one(golden):
    params, arrays = golden
    image, labels = arrays["in_image"].permute(2, 0, 1), arrays["in_label"]
    view, view_labels = central_crop(image, labels, params["crop_size"])
    assert torch.equal(view_labels, arrays["out_val_lbl"])
    assert_within_a_grey_level(normalize(view[None])[0], arrays["out_val_img"])
    torch.testing.assert_close(normalize(image[None])[0], arrays["out_nocrop_img"])


@pytest.mark.parametrize("height, width", [(1, 1), (1, 40), (40, 1), (3, 4), (7, 5), (200, 3)])
def test_images_of_any_size_become_a_crop(height, width):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    labels = torch.full((height, width), 7, dtype=torch.uint8)
    for seed in range(20):
        top, left, h, w = crop_box(random.Random(seed), width, height)
        assert 0 < h <= height - top and 0 < w <= width - left
        crops = train_crop(image, labels, 8, random.Random(seed)), central_crop(image, labels, 8)
        for view, view_labels in crops:
            assert view.shape == (3, 8, 8) and (view_labels == 7).all() and view_labels.shape == (8, 8)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 300)] * 4)
def test_labels_are_sampled_where_pillow_samples(height, width, new_height, new_width):
    labels = np.random.default_rng(0).integers(0, 255, (height, width)).astype(np.uint8)
    want = Image.fromarray(labels).resize((new_width, new_height), Image.Resampling.NEAREST)
    assert np.array_equal(resize_labels(torch.from_numpy(labels), (new_height, new_width)), np.array(want))


def test_image_and_labels_move_together():
    labels = torch.arange(30, dtype=torch.uint8).repeat_interleave(8).repeat(100, 1)  # (100, 240)
    image = labels.expand(3, -1, -1)
    for seed in range(10):
        view, view_labels = train_crop(image, labels, 64, random.Random(seed))
        assert (view[0].float() - view_labels).abs().max() <= 1


def test_normalization_is_imagenets():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    want = torch.tensor([[-0.485, -0.456, -0.406], [0.515, 0.544, 0.594]]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(normalize(images).flatten(1), want)


@pytest.mark.parametrize("layout", ["decoded", "packed"])
@pytest.mark.parametrize("before, after", [((37, 53), (24, 24)), ((9, 300), (64, 32)), ((5, 4), (5, 9))])
def test_pictures_are_resized_bit_for_bit_as_torchvision_does(layout, before, after):
    from torchvision.transforms.v2 import functional as F

    pixels = np.random.default_rng(0).integers(0, 256, (*before, 3), np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    image = image.contiguous() if layout == "packed" else image
    part = image[:, 1:, 2:]
    for one in (image, part):
        want = F.resize(one, list(after), antialias=True)
        got = resize(one, *after)
        assert torch.equal(got, want) and got.stride() == want.stride()
    assert shorter_side(*before, 21) == tuple(F.resize(image, [21]).shape[1:])


def test_pictures_are_resized_within_a_level_where_the_processor_has_no_fast_form(monkeypatch):
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 37, 53), np.uint8))
    fast = resize(image, 24, 30)
    monkeypatch.setattr("dataset.resize._works_on_bytes", lambda: False)
    assert (resize(image, 24, 30).int() - fast.int()).abs().max() <= 1


@pytest.mark.parametrize("height, width", [(1, 1), (40, 41), (41, 40), (7, 30), (31, 8)])
def test_the_view_of_a_test_is_torchvisions(height, width):
    from torchvision.transforms.v2 import functional as F

    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8))
    labels = torch.arange(height * width).view(height, width).to(torch.uint8)
    view, view_labels = central_crop(image, labels, 12)
    whole = F.resize(image, [12], antialias=True)
    assert torch.equal(view, F.center_crop(whole, [12, 12]))
    assert torch.equal(view_labels, F.center_crop(resize_labels(labels, whole.shape[1:]), [12, 12]))
