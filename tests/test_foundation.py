"""Frozen vision transformers, with random weights, as features of methods that train nothing."""

import pytest
import torch

from experiment import checkpoint
from methods.build import build_method
from models import build_backbone
from segmentation_module import Parts
from tasks import Step
from tests.builders import GROUPS, TinyLoader
from train import Training

# The smallest of each family: name, channels, patch, tokens before those of the patches.
FAMILIES = {
    "DINOv2 with registers": ("vit_small_patch14_reg4_dinov2", 384, 14, 5),
    "DINOv3": ("vit_tiny_patch16_dinov3_qkvb", 192, 16, 5),
    "CLIP": ("vit_xsmall_patch16_clip_224", 256, 16, 1),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    """A body, and what is to be expected of it."""
    name, *expected = FAMILIES[request.param]
    torch.manual_seed(0)
    return build_backbone(f"timm:{name}").eval(), name, *expected


@pytest.mark.slow
def test_patch_tokens_are_a_map_without_class_and_register_tokens(family):
    body, _, channels, patch, extra = family
    images = torch.randn(1, 3, 3 * patch, 4 * patch)
    with torch.no_grad():
        tokens = body.model.forward_features(images * body.gain + body.offset)  # its own colours
        features, _ = body(images)
    assert body.model.num_prefix_tokens == extra and tokens.shape == (1, extra + 12, channels)
    torch.testing.assert_close(features, tokens[:, extra:].mT.unflatten(2, (3, 4)))


@pytest.mark.parametrize("size", [(64, 64), (50, 71)])
def test_crops_that_are_no_multiple_of_the_patch_are_covered(family, size):
    body, _, channels, patch, _ = family
    with torch.no_grad():
        features, maps = body(torch.randn(2, 3, *size))
    assert features.shape == (2, channels, *(-(-side // patch) for side in size))
    assert {stage.shape for stage in maps.values()} == {features.shape}
    assert features.isfinite().all()


@pytest.mark.parametrize("method", ["PROTOTYPES", "LDA", "RIDGE"])
def test_two_steps_without_training_leave_the_transformer_as_it_was(family, method, monkeypatch):
    body, name, channels, _, _ = family
    monkeypatch.setattr(Parts, "body", lambda parts: body)
    hyper = {"sgd": False} if method == "RIDGE" else {}
    before = {key: value.clone() for key, value in body.state_dict().items()}
    how = {"hyper": hyper, "training": Training(epochs=1, lr=0.1), "device": torch.device("cpu")}
    previous = None
    for index in range(2):
        built = build_method(
            method, Step("test", "2-1", index, GROUPS), Parts(name), previous=previous, **how
        )
        if index:
            built.start_increment(TinyLoader(built.step))
        assert built.fit_step(TinyLoader(built.step, batches=1))
        previous = {"step": index, "net": built.net.state_dict(), "method_state": built.state_dict()}
    assert all(torch.equal(value, before[key]) for key, value in body.state_dict().items())
    assert [classifier.weight.shape[:2] for classifier in built.net.cls] == [(3, channels), (1, channels)]
    out = built.net.eval()(torch.randn(1, 3, 50, 71))
    assert built.predict(out.logits).shape == (1, 50, 71)


@pytest.mark.slow
def test_a_task_runs_from_end_to_end_on_a_frozen_transformer(cli, tmp_path):
    backbone = "timm:vit_tiny_patch16_224"
    status, out, err = cli("--method", "LDA", "--backbone", backbone, "--no_pretrained", "--crop_size", "40")
    assert status == 0, err
    (folder,) = tmp_path.glob("checkpoints/small_4-1_overlap/LDA_*")
    first, last = (checkpoint.load(folder / f"step_{index}.pt") for index in (0, 2))
    body = [key for key in first["net"] if key.startswith("body.")]
    assert len(body) > 100 and all(torch.equal(first["net"][key], last["net"][key]) for key in body)
    assert last["net"]["cls.0.weight"].shape == (5, 192, 1, 1)
    assert "Final Mean IoU" in out
