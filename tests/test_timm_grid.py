"""Every family of timm: its cells cover the image, up to the last pixel."""

import os
from functools import lru_cache

import pytest
import timm
import torch

from models import build_backbone
from models.__main__ import facts
from models.timm_grid import Grid, find_grid

pytestmark = pytest.mark.slow

# The smallest model of each family of timm 1.0.31.
SMALL = """
beit_base_patch16_224 halonet_h1 mobileone_s1 cait_xxs24_224 coat_tiny convit_tiny convmixer_768_32
test_convnext cpubone_nano crossvit_tiny_240 csatv2 cs3darknet_focus_s cspnext_tiny davit_tiny
deit_tiny_patch16_224 densenet121 dla46x_c dpn48b edgenext_xx_small efficientformer_l1
efficientformerv2_s0 efficientnet_lite0 efficientvim_m1 efficientvit_b0 efficientvit_m0
vit_tiny_patch16_dinov3_qkvb fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny
ghostnet_050 hardcorenas_b hgnetv2_b0 hiera_tiny_224 sam2_hiera_tiny hrnet_w18_small iformer_t
inception_next_atto inception_v3 lcnetv2_small levit_128s lowformer_b0
test_mambaout maxvit_pico_rw_256 poolformerv2_s12 gmlp_ti16_224 lcnet_035 mobilevit_xxs
mvitv2_tiny nest_tiny nextvit_small test_nfnet pit_ti_224
pvt_v2_b0 rdnet_tiny regnetx_002 repghostnet_050 repvit_m1 res2next50
resnest14d resnet10t resnetv2_18 rexnet_100 selecsls42 legacy_seresnet18 sequencer2d_s shvit_s1
skresnet18 starnet_s050 swiftformer_xs swin_tiny_patch4_window7_224 swinv2_tiny_window8_256
swinv2_cr_tiny_224 tiny_vit_5m_224 tnt_s_legacy_patch16_224 tresnet_m twins_svt_small
visformer_tiny test_vit vit_tiny_r_s16_p8_224 test_vit_relpos vitamin_small_224
volo_d1_224 ese_vovnet19b_slim_dw legacy_xception xception41p xcit_nano_12_p8_224
""".split()
# Too large to compute with in a test: looked at without.
LARGE = """
deepseek_vit_412m inception_resnet_v2 inception_v4 mobilenetv5_base naflexvit_base_patch16_parfac_gap
nasnetalarge pnasnet5large qwen3_vit_88m vgg11 samvit_base_patch16_224
""".split()
# All of them take twenty minutes: the suite takes every eighth, CSS_ALL_FAMILIES=1 each.
COMPUTED = SMALL if os.environ.get("CSS_ALL_FAMILIES") else SMALL[::8]
ROUND_DOWN = ["focalnet_tiny_srf", "edgenext_xx_small", "test_convnext", "inception_next_atto"]


@lru_cache(maxsize=1)
def body(name, device="cpu"):
    torch.manual_seed(0)
    with torch.device(device):
        net = build_backbone(f"timm:{name}").eval()
    with torch.no_grad():
        for parameter in net.parameters() if device == "cpu" else ():
            if parameter.dim() == 1:  # of norms that start with 0, so that no residual counts
                parameter.uniform_(0.5, 1.0)
    return net


def uneven(net):
    """An image that ends a pixel before its third cell does."""
    return torch.randn(1, 3, 3 * net.stride - 1, 3 * net.stride - 1)


def covers(name):
    """A pixel in the far corner moves the last cell, and there are as many cells as begin in the image."""
    net = body(name)
    images = uneven(net)
    marked = images.clone()
    marked[..., -1, -1] += 30.0
    with torch.no_grad():
        before, after = net(images)[0], net(marked)[0]
    assert not torch.equal(before[..., -1, -1], after[..., -1, -1])
    if net.grid.unit != (0, 0):
        assert before.shape[-2:] == (3, 3)


@pytest.mark.parametrize("name", ROUND_DOWN)
def test_a_family_that_rounds_down_sees_the_last_pixel(name):
    covers(name)


@pytest.mark.parametrize("name", [name for name in COMPUTED if name not in ROUND_DOWN])
def test_a_family_sees_the_last_pixel(name):
    covers(name)


@pytest.mark.parametrize("name", LARGE if os.environ.get("CSS_ALL_FAMILIES") else LARGE[-2:])
def test_a_large_family_has_a_cell_for_the_last_pixel(name):
    with torch.device("meta"), torch.no_grad():
        net = body(name, "meta")
        cells = net(uneven(net).to("meta"))[0].shape[-2:]
    assert cells == ((3, 3) if net.grid.unit != (0, 0) else tuple(s // net.stride for s in net.grid.own))


def test_every_family_of_timm_is_looked_at():
    listed = {timm.models.model_entrypoint(name).__module__.split(".")[-1] for name in [*SMALL, *LARGE]}
    assert set(timm.list_modules()) - listed <= {"gemma4_vit"}  # which decides by values of the image


@pytest.mark.parametrize(("name", "stride"), [("pvt_v2_b0", 32), ("test_convnext", 16)])
def test_the_table_of_backbones_says_the_stride(name, stride):
    assert facts(f"timm:{name}")["stride"] == stride == body(name, "meta").stride


def floors(stride, margin=0):
    """Cells of a net that leaves out what fills no cell."""
    return lambda size: tuple((side - margin) // stride for side in size)


@pytest.mark.parametrize("margin", [0, 1, 11, 27])
@pytest.mark.parametrize("stride", [8, 32])
def test_margins_of_convolutions_without_padding_are_found_and_padded(stride, margin):
    cells = floors(stride, margin)
    grid = find_grid(cells, stride=stride, patch=(1, 1), own=(64, 64))
    assert grid == Grid((stride, stride), (64, 64), margin)
    for size in ((3 * stride, 2 * stride), (3 * stride - 1, stride + 1)):
        assert cells(grid.fit(torch.zeros(1, 3, *size)).shape[-2:]) == (3, 2)


@pytest.mark.parametrize("centred", [True, False])
def test_a_model_of_centred_cells_that_leaves_no_pixel_out_takes_every_size_as_it_is(centred):
    def ceils(size):
        return tuple(-(-side // 16) for side in size)

    for cells, as_it_is in ((ceils, centred), (floors(16), False)):
        grid = find_grid(cells, stride=16, patch=(1, 1), own=(64, 64), centred=centred)
        fit = grid.fit(torch.zeros(1, 3, 33, 48)).shape[-2:]
        assert fit == ((33, 48) if as_it_is else (48, 48))


def test_a_model_of_one_size_gets_that_size():
    def cells(size):
        assert size == (224, 224)
        return 7, 7

    for one in (cells, lambda size: (7, 7)):  # refuses other sizes, or turns them into its own
        grid = find_grid(one, stride=32, patch=(4, 4), own=(224, 224))
        assert grid == Grid((0, 0), (224, 224))
        assert grid.fit(torch.zeros(1, 3, 80, 90)).shape[-2:] == (224, 224)
