"""Backbones of the timm package, with random weights and tiny images."""

import copy
from dataclasses import dataclass

import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import nn

import models.timm
from models import BACKBONES, backbone_name, build_backbone, default_weights
from modules.synced_norm import SyncedNorm
from segmentation_module import Parts
from tests import builders

pytestmark = pytest.mark.slow

NAMES = {"convnext_tiny": (768, 16), "vit_small_patch14_dinov2": (384, 14), "resnet50": (2048, 16)}


@pytest.fixture(scope="module")
def bodies():
    torch.manual_seed(0)
    return {name: build_backbone(f"timm:{name}").eval() for name in NAMES}


@pytest.fixture(scope="module")
def small():
    """A quick one: fixed grid, blocks in a row, built for 64 px."""
    return build_backbone("timm:hiera_tiny_224@64").eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(64, 64), (50, 71)])
def test_any_size_gives_features_and_four_maps(bodies, name, size):
    channels, stride = NAMES[name]
    with torch.no_grad():
        features, maps = bodies[name](torch.randn(1, 3, *size))
    assert features.shape[1] == channels == bodies[name].out_channels and bodies[name].stride == stride
    for got, side in zip(features.shape[2:], size, strict=True):
        assert got in (side // stride, -(-side // stride))
    assert list(maps) == ["stage0", "stage1", "stage2", "stage3"] and maps["stage3"] is features


def test_output_stride_8_is_built_where_the_model_can_dilate():
    images = torch.zeros(1, 3, 64, 64, device="meta")
    with torch.device("meta"):
        dilated = build_backbone("timm:resnet18", output_stride=8)
        rigid = build_backbone("timm:vgg11_bn", output_stride=8)
    assert dilated(images)[0].shape[2:] == (8, 8)
    assert rigid(images)[0].shape[2:] == (2, 2) and rigid.stride == 32


@pytest.mark.parametrize("name", NAMES)
def test_every_trainable_parameter_gets_a_gradient(bodies, name):
    body = copy.deepcopy(bodies[name]).train()
    body(torch.randn(2, 3, 64, 64))[0].square().sum().backward()
    assert [key for key, p in body.named_parameters() if p.requires_grad and p.grad is None] == []


def test_patches_are_completed_by_resizing_so_that_the_grid_covers_the_image(bodies):
    body = bodies["vit_small_patch14_dinov2"]
    whole = torch.randn(1, 3, 56, 70)
    direct = body.model.forward_intermediates(whole, indices=1, norm=True, intermediates_only=True)[0]
    torch.testing.assert_close(body(whole)[0], direct)
    assert body(whole[..., 1:, 2:])[0].shape == direct.shape


def test_a_model_of_one_size_gets_images_of_that_size(small):
    for size in ((64, 64), (40, 90)):
        assert small(torch.randn(1, 3, *size))[0].shape == (1, 768, 2, 2)


def test_images_are_normalised_as_in_the_models_own_training():
    body = build_backbone("timm:mobilenetv3_small_050")
    assert not body.recolour
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    colour = torch.rand(3)
    body._set_colours((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    ours = ((colour - mean) / std).view(3, 1, 1)
    assert body.recolour
    torch.testing.assert_close(ours * body.gain + body.offset, ((colour - 0.5) / 0.25).view(3, 1, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(3, 90), (90, 3), (1, 1)])
def test_a_side_of_less_than_one_cell_becomes_one(bodies, name, size):
    with torch.no_grad():
        features, _ = bodies[name](torch.randn(1, 3, *size))
    stride = NAMES[name][1]
    assert features.isfinite().all()
    for got, side in zip(features.shape[2:], size, strict=True):
        assert got in (max(1, side // stride), -(-side // stride))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), BatchNormAct2d(3)])
@pytest.mark.parametrize("training", [True, False])
def test_a_synchronised_norm_computes_what_it_replaces(norm, training):
    norm = copy.deepcopy(norm).train(training)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
    ours = SyncedNorm(copy.deepcopy(norm)).train(training)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ours(x), norm(x))
    torch.testing.assert_close(ours.running_var, norm.running_var)


def test_no_batch_norm_of_a_single_process_is_left(bodies):
    body = bodies["resnet50"]
    assert sum(isinstance(module, SyncedNorm) for module in body.modules()) == 53
    assert not any(isinstance(module, nn.BatchNorm2d) for module in body.modules())


def test_a_file_with_a_classifier_and_other_heads_loads(small, tmp_path):
    reference = timm.create_model("hiera_tiny_224", img_size=64, num_classes=7)
    extra = {"mask_token": torch.zeros(1), "decoder.weight": torch.zeros(2)}
    torch.save({"model": reference.state_dict() | extra}, tmp_path / "a.pth")
    small.load_pretrained(tmp_path / "a.pth")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        want = reference.eval().forward_intermediates(images, indices=1, intermediates_only=True)[0]
        torch.testing.assert_close(small(images)[0], want)


def test_position_tables_are_interpolated_to_another_size(small, tmp_path):
    reference = timm.create_model("hiera_tiny_224", img_size=96, num_classes=0)
    torch.save(reference.state_dict(), tmp_path / "a.pth")
    small.load_pretrained(tmp_path / "a.pth")
    assert small.model.pos_embed.shape[1] == 16**2 and reference.pos_embed.shape[1] == 24**2
    torch.testing.assert_close(small.model.pos_embed.mean(), reference.pos_embed.mean(), rtol=0, atol=1e-3)


def test_ordinary_imagenet_resnet_weights_load(bodies, tmp_path):
    """The layout that torchvision and timm share."""
    body = copy.deepcopy(bodies["resnet50"])
    weights = {key: torch.full_like(value, 0.5) for key, value in body.model.state_dict().items()}
    counters = {
        f"{key[:-12]}num_batches_tracked": torch.tensor(1) for key in weights if key.endswith("running_mean")
    }
    torch.save(
        weights | counters | {"fc.weight": torch.ones(9, 2048), "fc.bias": torch.ones(9)}, tmp_path / "a.pth"
    )
    body.load_pretrained(tmp_path / "a.pth")
    assert all(bool((value == 0.5).all()) for value in body.model.state_dict().values())


def test_a_file_of_another_network_is_refused_by_its_names(small, tmp_path):
    own = timm.create_model("hiera_tiny_224", img_size=64, num_classes=0).state_dict()
    files = {
        r"lacks pos_embed.*\(\d+ in all\)": {"layer1.0.conv1.weight": torch.ones(1)},
        r"no place for it, blocks\.99\.norm1\.weight": own | {"blocks.99.norm1.weight": torch.ones(1)},
        r"another shape patch_embed\.proj\.bias \(5,\)": own | {"patch_embed.proj.bias": torch.ones(5)},
    }
    for message, content in files.items():
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(ValueError, match=message) as caught:
            small.load_pretrained(tmp_path / "a.pth")
        assert "\n" not in str(caught.value) and "timm:hiera_tiny_224" in str(caught.value)


def test_timm_downloads_only_when_asked_and_fails_in_one_line(small, monkeypatch, tmp_path):
    asked = []

    def offline(name, **options):
        asked.append((name, options["pretrained"]))
        raise OSError("Failed to resolve 'huggingface.co'\nmany more lines")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(ConnectionError, match="--pretrained_path FILE") as caught:
        small.load_pretrained(models.timm.HUB)
    assert "\n" not in str(caught.value) and asked == [("hiera_tiny_224", True)]


def test_wrong_names_are_answered_with_the_nearest_right_one():
    for name, message in {
        "resnet_101": "did you mean resnet101",
        "timm:resnet5": "did you mean resnet5",
        "timm:zzzzzzzzzz": "timm.list_models",
        "timm:resnet18.nonsense": "Invalid pretrained tag",
        "timm:resnet18@64": "leave @64 away",
        "timm:hiera_tiny_224@big": "side of the images in pixels",
    }.items():
        with pytest.raises(ValueError, match=message):
            build_backbone(name)
    assert backbone_name("TIMM:ResNet18") == "timm:resnet18" and backbone_name("Swin_B") in BACKBONES


@dataclass(frozen=True)
class Built(Parts):
    """Parts with a body that is there already."""

    ready: nn.Module = None

    def body(self) -> nn.Module:
        return copy.deepcopy(self.ready)


@pytest.mark.parametrize("backbone", NAMES)
@pytest.mark.parametrize("method", ["FT", "DFT*", "PLOP"])
def test_methods_train_on_it(bodies, backbone, method, monkeypatch):
    monkeypatch.setattr(builders, "PARTS", Built(ready=bodies[backbone]))
    monkeypatch.setattr(builders, "SIZE", 64)
    built = builders.make_method(method, 1)
    built.start_increment(builders.TinyLoader(built.step, batches=1))
    built.net.train()
    losses = built.losses(builders.make_images(), builders.make_labels(built.step, "mixed"))
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    learns = {name.split(".")[0] for name, p in built.net.named_parameters() if p.grad is not None}
    assert learns == ({"cls"} if method == "DFT*" else {"body", "head", "cls"})


def test_a_missing_file_says_how_else_to_start(small):
    with pytest.raises(FileNotFoundError, match="--pretrained_path hub.*--no_pretrained"):
        small.load_pretrained(default_weights("timm:hiera_tiny_224@64"))
    assert default_weights("timm:hiera_tiny_224@64").endswith("pretrained/hiera_tiny_224.pth")
