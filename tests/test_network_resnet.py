"""Bodies and head: shapes, strides, names, and weights read from files."""

import pytest
import torch
import torch.nn.functional as F

from models import BACKBONES
from models.resnet import ResNet, tiny
from modules.deeplab import DeepLabV3Head
from modules.parallel import ParallelHead
from modules.residual import ResidualBlock
from segmentation_module import Parts, make_model

RESNETS = ["resnet18", "resnet50", "resnet101", "tiny"]


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", RESNETS)
def test_body_reaches_its_output_stride(name, output_stride):
    with torch.device("meta"):
        body = BACKBONES[name](output_stride=output_stride).eval()
        features, maps = body(torch.empty(2, 3, 64, 96))
    assert features.shape == (2, body.out_channels, 64 // output_stride, 96 // output_stride)
    assert list(maps) == body.stages
    assert all(value.shape[0] == 2 for value in maps.values())


def test_dilations_are_the_published_ones():
    def dilations(output_stride):
        with torch.device("meta"):
            body = BACKBONES["resnet101"](output_stride=output_stride)
        return [body.get_submodule(name).block1.convs.conv2.dilation[0] for name in body.stages]

    assert dilations(16) == [1, 1, 1, 2]
    assert dilations(8) == [1, 1, 2, 4]
    assert dilations(32) == [1, 1, 1, 1]


def test_another_output_stride_is_refused():
    with pytest.raises(ValueError, match="8, 16 or 32, not 64"):
        tiny(output_stride=64)
    with pytest.raises(ValueError, match="8 or 16, not 4"):
        DeepLabV3Head(8, 4, output_stride=4)


def test_tiny_network_has_less_than_half_a_million_parameters():
    net = make_model(Parts("tiny", output_stride=8), [7])
    assert sum(p.numel() for p in net.parameters()) < 500_000


@pytest.mark.parametrize("channels", [(4, 8), (4, 4, 8)])
def test_map_for_distillation_is_the_sum_before_the_activation(channels):
    block = ResidualBlock(8, channels).eval()
    x = torch.randn(2, 8, 5, 5)
    out, before = block.with_map(x)
    assert before.min() < 0
    torch.testing.assert_close(out, F.leaky_relu(before, 0.01))
    torch.testing.assert_close(out, block(x))
    torch.testing.assert_close(before, block.convs(x) + x)


def test_stage_maps_survive_the_rest_of_the_network():
    body = tiny().train()
    features, maps = body(torch.randn(2, 3, 32, 32))
    kept = {name: value.clone() for name, value in maps.items()}
    sum(value.sum() for value in maps.values()).add(features.sum()).backward()
    assert all(torch.equal(value, kept[name]) for name, value in maps.items())
    assert maps["mod4"].min() < 10 * features.min() < 0  # before and after the leaky ReLU


def test_image_pooling_sees_all_in_training_and_a_window_in_evaluation():
    head = DeepLabV3Head(6, 4, pooling=3)
    x = torch.randn(2, 6, 7, 5)
    assert head.train().image(x).shape[-2:] == (1, 1)
    windowed = head.eval().image(x)
    assert windowed.shape == (2, 4, 7, 5)
    centre = F.avg_pool2d(x, 3, stride=1)
    want = head.pool_red_conv(head.global_pooling_bn(head.global_pooling_conv(centre)))
    torch.testing.assert_close(windowed[:, :, 1:-1, 1:-1], want)
    torch.testing.assert_close(windowed[:, :, 0], windowed[:, :, 1])
    head.pooling = 32
    torch.testing.assert_close(
        head.image(x).expand(2, 4, 7, 5), head.image(x.mean((2, 3), keepdim=True)).expand(2, 4, 7, 5)
    )


@pytest.mark.parametrize("kind", [DeepLabV3Head, ParallelHead])
def test_without_a_window_image_pooling_sees_all_in_evaluation_too(kind):
    """The published head with pooling None: the global mean, on maps of any size."""
    whole, wide = kind(6, 4, pooling=0), kind(6, 4, pooling=10**6)
    wide.load_state_dict(whole.state_dict())
    x = torch.randn(2, 6, 40, 35)
    torch.testing.assert_close(whole.eval()(x), wide.eval()(x))
    shifted = kind(6, 4, pooling=3)
    shifted.load_state_dict(whole.state_dict())
    assert not torch.allclose(whole(x), shifted.eval()(x))


def test_a_run_may_pool_all_of_the_image(cli):
    assert cli("--method", "FT", "--step", "0", "--pooling", "0")[0] == 0
    status, _, err = cli("--method", "FT", "--step", "0", "--pooling", "-1", "--name", "other")
    assert status == 2 and "0 for the whole map, not -1" in err


def test_head_starts_from_xavier_scaled_for_its_activation():
    head = DeepLabV3Head(64, 32)
    fan = 9 * (64 + 32)
    assert head.map_convs[1].weight.std().item() == pytest.approx((2 / 1.0001 * 2 / fan) ** 0.5, rel=0.05)


def test_one_image_can_be_trained_on():
    net = make_model(Parts("tiny", output_stride=8), [3]).train()
    net(torch.randn(1, 3, 32, 32)).logits.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_frozen_network_records_no_graph():
    net = make_model(Parts("tiny", output_stride=8), [3, 1])
    net.freeze(net.body, net.head, net.cls[0])
    out = net.train()(torch.randn(1, 3, 32, 32))
    assert not out.features.requires_grad and out.logits_small.requires_grad


# -- weights from files -----------------------------------------------------------------------------------


def published(prefix):
    """A network, and a file like the published ones: prefix, classifier, a counter, the rest of a run."""
    source = tiny()
    state = {prefix + name: value for name, value in source.state_dict().items()}
    state |= {
        prefix + "classifier.fc.weight": torch.zeros(5, 72),
        prefix + "classifier.fc.bias": torch.zeros(5),
    }
    state[prefix + "mod1.bn1.num_batches_tracked"] = torch.tensor(3)
    return source, {"state_dict": state, "epoch": 90, "arch": "net", "best_prec1": 77.0}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("legacy", [False, True])
def test_published_file_loads_with_and_without_prefix(tmp_path, prefix, legacy):
    source, content = published(prefix)
    path = tmp_path / "tiny.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    body = tiny()
    body.load_pretrained(str(path))
    for name, value in source.state_dict().items():
        assert torch.equal(body.state_dict()[name], value), name


def test_missing_file_says_where_to_get_it_and_what_to_do_without(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pretrained/README.md.*--no_pretrained") as error:
        tiny().load_pretrained(str(tmp_path / "resnet101.pth.tar"))
    assert "\n" not in str(error.value)


def test_file_of_another_network_names_the_first_entries_that_differ(tmp_path):
    _, content = published("module.")
    torch.save(content, tmp_path / "tiny.pth")
    other = ResNet([(24, 24)], (1,), stem_channels=24, stem_kernel=3)
    with pytest.raises(ValueError, match=r"mod2\.block2\.convs\.conv1\.weight") as error:
        other.load_pretrained(str(tmp_path / "tiny.pth"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "truncated legacy", "web page", "empty", "pickled object"])
def test_file_that_holds_no_weights_is_one_line(tmp_path, damage):
    path = tmp_path / "weights.pth"
    torch.save(published("")[1], path, _use_new_zipfile_serialization="legacy" not in damage)
    if damage.startswith("truncated"):
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "web page":
        path.write_text("<!DOCTYPE html><html><body>Quota exceeded</body></html>")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        torch.save({"state_dict": tiny()}, path)
    with pytest.raises(ValueError, match=r"weights\.pth") as error:
        tiny().load_pretrained(str(path))
    assert "\n" not in str(error.value)
