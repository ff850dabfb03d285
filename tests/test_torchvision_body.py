"""`--backbone timm:resnet101` is the body of torchvision's DeepLabV3, which many rows were published with."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet101
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import deeplabv3_resnet101

from models import build_backbone
from modules.abn import ABN
from segmentation_module import Parts

COUNTER = "num_batches_tracked"  # of ordinary batch norms; ours have none


@pytest.fixture(scope="module")
def reference():
    """Torchvision's body at stride 8, with running statistics that do something."""
    torch.manual_seed(0)
    body = deeplabv3_resnet101(weights=None, weights_backbone=None).backbone.eval()
    for name, tensor in body.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return body


@pytest.fixture(scope="module")
def at_stride_16(reference):
    """The same weights where only the last stage dilates."""
    net = resnet101(weights=None, replace_stride_with_dilation=[False, False, True])
    body = IntermediateLayerGetter(net, {"layer4": "out"}).eval()
    body.load_state_dict(reference.state_dict())
    return body


@pytest.fixture(scope="module")
def ours(reference):
    """`ours[stride]`, with the weights of the reference under their own names."""
    weights = {name: x for name, x in reference.state_dict().items() if not name.endswith(COUNTER)}
    bodies = {stride: build_backbone("timm:resnet101", output_stride=stride).eval() for stride in (8, 16)}
    for body in bodies.values():
        body.model.load_state_dict(weights)  # strict: no name more, no name less
    return bodies


@pytest.mark.slow
# Crops of the published rows are 512 or 513 wide: whole multiples of the stride, and one more.
@pytest.mark.parametrize("size", [(64, 96), (65, 65), (50, 71)])
@pytest.mark.parametrize("stride", [8, 16])
def test_features_are_those_of_torchvisions_deeplabv3_to_the_last_bit(
    reference, at_stride_16, ours, stride, size
):
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = {8: reference, 16: at_stride_16}[stride](images)["out"]
        got, maps = ours[stride](images)
    assert torch.equal(got, want)
    assert maps["stage3"] is got and got.shape[1:] == (2048, *(-(-side // stride) for side in size))


def test_running_statistics_move_by_a_hundredth_as_where_the_rows_were_published(reference, ours):
    theirs, own = copy.deepcopy(reference), copy.deepcopy(ours[8])
    images = torch.randn(2, 3, 33, 33, generator=torch.Generator().manual_seed(2))
    for norm in (module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = 0.01
    with torch.no_grad():
        theirs.train()(images), own.train()(images)
    moved = own.model.state_dict()
    for name, want in theirs.state_dict().items():
        if not name.endswith(COUNTER):
            torch.testing.assert_close(moved[name], want, msg=lambda m, name=name: f"{name}: {m}")


def test_norms_of_the_head_keep_their_momentum(ours):
    parts = Parts(backbone="timm:resnet101", norm="bn_relu")
    norms = [module for module in parts.head(ours[16]).modules() if isinstance(module, ABN)]
    assert {norm.momentum for norm in norms} == {0.1}
    assert {module.momentum for module in ours[16].modules() if isinstance(module, ABN)} == {0.01}
