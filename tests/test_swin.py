"""Swin as the published segmentation code runs it."""

import pytest
import timm
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from models import build_backbone
from models.swin import Swin, published_names, swin_b
from modules.deeplab import DeepLabV3Head
from segmentation_module import SegmentationModel
from utils.distributed import distribute

TINY = dict(embed_dim=8, depths=(2, 2, 2), num_heads=(2, 2, 4), window_size=3)


@pytest.fixture
def body():
    torch.manual_seed(0)
    return Swin(**TINY, min_size=12).eval()


def official(body: Swin) -> dict[str, torch.Tensor]:
    """A file in the layout of the official classification models."""
    weights = {key: value for key, value in body.state_dict().items() if not key.startswith("norm")}
    weights |= {"norm.weight": torch.ones(32), "norm.bias": torch.ones(32)}
    weights |= {"head.weight": torch.ones(10, 32), "head.bias": torch.ones(10)}
    return weights | {"layers.0.blocks.1.attn_mask": torch.zeros(4, 9, 9)}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_swin_b_has_the_published_number_of_parameters():
    with torch.device("meta"):
        body = build_backbone("Swin_B")
        head = DeepLabV3Head(body.out_channels, body.head_channels)
    assert (parameters(body), parameters(head)) == (86_880_376, 7_932_928)
    rates = [block.drop_path.rate for stage in body.layers for block in stage.blocks]
    assert rates == pytest.approx([0.3 * k / 23 for k in range(24)])


def test_output_stride_is_left_to_the_head():
    with torch.device("meta"):
        assert parameters(swin_b(output_stride=8)) == parameters(swin_b(output_stride=16))
        features, maps = swin_b()(torch.zeros(1, 3, 512, 512))
    assert features.shape == (1, 1024, 16, 16)
    assert [tuple(m.shape[1:]) for m in maps.values()] == [(128, 128, 128), (256, 64, 64), (512, 32, 32)]


@pytest.mark.parametrize("size", [(48, 48), (12, 12), (33, 47), (50, 70)])
def test_any_size_gives_a_grid_that_covers_the_image(body, size):
    features, maps = body(torch.randn(1, 3, *size))
    grids = [tuple(-(-side // stride) for side in size) for stride in (4, 8, 16)]
    assert [tuple(m.shape[2:]) for m in [*maps.values(), features]] == grids
    assert list(maps) == ["stage0", "stage1"] and features.shape[1] == body.out_channels == 32


def test_whole_windows_give_what_timm_computes_from_its_own_file(body, tmp_path):
    """Where nothing is padded, padding before or after the shift is the same."""
    options = dict(img_size=48, window_size=3, embed_dim=8, depths=(2, 2), num_heads=(2, 2), num_classes=5)
    reference = timm.models.swin_transformer.SwinTransformer(**options).eval()
    torch.save(reference.state_dict(), tmp_path / "timm.pth")
    body = Swin(embed_dim=8, depths=(2, 2), num_heads=(2, 2), window_size=3).eval()
    body.load_pretrained(tmp_path / "timm.pth")
    images = torch.randn(2, 3, 48, 48)
    features, maps = body(images)
    stages = reference.forward_intermediates(images, intermediates_only=True)
    for got, want, norm in zip([*maps.values(), features], stages, [body.norm0, body.norm1], strict=True):
        torch.testing.assert_close(
            got, norm(want.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5
        )


def test_stochastic_depth_acts_in_training_only(body):
    images = torch.randn(2, 3, 24, 24)
    assert torch.equal(body(images)[0], body(images)[0])
    body.train()
    assert not torch.equal(body(images)[0], body(images)[0])
    assert body.eval() is body
    assert torch.equal(body(images)[0], body(images)[0])


def test_a_dropped_branch_leaves_the_mean_unchanged(body):
    drop = body.layers[-1].blocks[-1].drop_path.train()
    kept = drop(torch.ones(4000, 1, 1))
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert kept.mean() == pytest.approx(1, abs=0.05)


def test_every_parameter_learns(body):
    features, _ = body.train()(torch.randn(2, 3, 30, 30))
    features.square().sum().backward()
    idle = {name for name, parameter in body.named_parameters() if parameter.grad is None}
    assert idle == {f"norm{stage}.{kind}" for stage in (0, 1) for kind in ("weight", "bias")}


def test_autocast_stays_close_to_full_precision(body):
    images = torch.randn(1, 3, 33, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = body(images)[0]
    torch.testing.assert_close(rough.float(), body(images)[0], rtol=0, atol=0.05)


def test_an_image_smaller_than_a_window_is_refused(body):
    with pytest.raises(ValueError, match="8x40 are smaller than one window of 12"):
        body(torch.randn(1, 3, 8, 40))
    with torch.device("meta"):
        assert swin_b().min_size == 48


def test_the_official_layout_loads_and_leaves_the_stage_norms_alone(body, tmp_path):
    torch.save({"model": official(body)}, tmp_path / "swin.pth")
    other = Swin(**TINY)
    other.load_pretrained(tmp_path / "swin.pth")
    for key, value in body.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key


def test_a_file_of_another_network_is_refused_by_its_names(body, tmp_path):
    torch.save(
        {"model": official(body) | {"layers.0.blocks.2.norm1.weight": torch.ones(8)}}, tmp_path / "a.pth"
    )
    with pytest.raises(
        ValueError, match=r"no place for it, layers\.0\.blocks\.2\.norm1\.weight \(1 in all\)"
    ):
        body.load_pretrained(tmp_path / "a.pth")
    torch.save({"mod1.conv1.weight": torch.ones(2)}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"lacks patch_embed.*mod1\.conv1\.weight"):
        body.load_pretrained(tmp_path / "b.pth")
    wider = Swin(**TINY | {"embed_dim": 16})
    torch.save(wider.state_dict(), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="another shape patch_embed"):
        body.load_pretrained(tmp_path / "c.pth")


def test_only_the_classifier_the_final_norm_and_masks_are_dropped(body):
    dropped = official(body).keys() - published_names(official(body)).keys()
    masks = {"layers.0.blocks.1.attn_mask"}
    assert dropped == {"norm.weight", "norm.bias", "head.weight", "head.bias"} | masks


def two_iterations(rank: int, address: str, results: str) -> None:
    """Training that reads no map, then training that does, on other images than the other process has."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    torch.manual_seed(0)
    net = SegmentationModel(Swin(**TINY), DeepLabV3Head(32, 8), [3])
    model = distribute(net, torch.device("cpu"))
    torch.manual_seed(rank)
    for reads in (False, False, True, True):
        net.zero_grad()
        out = model(torch.randn(2, 3, 24, 24))
        # Without a gradient neither decay nor momentum moves them, as published.
        assert net.body.norm0.weight.grad is None
        loss = out.logits_small.square().mean()
        if reads:
            loss = loss + sum(stage.pow(3).mean() for stage in out.attentions.values())
        loss.backward()
    torch.save({name: parameter.grad for name, parameter in net.named_parameters()}, f"{results}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_several_processes_train_it_with_and_without_reading_the_maps(tmp_path):
    mp.spawn(two_iterations, (f"file://{tmp_path}/rendezvous", str(tmp_path)), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, gradient in one.items():
        assert gradient.abs().sum() > 0 and torch.equal(gradient, other[name]), name
