"""Features of a frozen network kept for all epochs: the same losses, and a network that is asked V times."""

import numpy as np
import pytest
import torch

import increments
import train
from experiment import features
from experiment.features import reserve

WORDS = ["--step", "0", "1", "--epochs", "4", "--batch_size", "2"]


def losses_of(cli, monkeypatch, method: str, cache: str) -> tuple[list[float], list[int], str]:
    """Losses of step 1 in order, images that went through the network's body while it trained, and output."""
    seen, values = [], []
    real_fit, real_read = increments.optimise, train.read_losses

    def optimise(config, method, *rest, **more):
        hook = method.net.body.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        # Folded copies of the body are what runs, and they are made of it, hooks and all.
        real_fit(config, method, *rest, **more)
        hook.remove()

    def read(pending, progress, batch):
        values.append(real_read(pending, progress, batch))
        return values[-1]

    with monkeypatch.context() as patch:
        patch.setattr(train, "read_losses", read)
        assert cli("--method", method, *WORDS, "--step", "0", "--no_share")[0] == 0
        values.clear()
        patch.setattr(increments, "optimise", optimise)
        name = cache.replace(":", "") or "plain"
        words = ["--method", method, *WORDS, "--step", "1", "--overwrite", "--cache", cache or "none"]
        status, out, err = cli(*words)
        assert status == 0, (name, err)
    return values, seen, out


@pytest.mark.parametrize("method", ["DFT*", "SSUL"])
@pytest.mark.slow
def test_with_as_many_views_as_epochs_the_losses_are_the_same_bit_by_bit(cli, monkeypatch, method):
    plain, images, _ = losses_of(cli, monkeypatch, method, "")
    kept, fewer, out = losses_of(cli, monkeypatch, method, "features:4:exact")
    assert kept == plain and len(plain) >= 8 and "4 views each" in out
    assert sum(fewer) >= sum(images)  # the views of a whole epoch, the images that fill no batch among them
    rounded, half, out = losses_of(cli, monkeypatch, method, "features:2")
    assert sum(half) == sum(fewer) / 2
    same_views = slice(len(plain) // 2)  # the third epoch shows the first view again
    values = [[loss for row in rows[same_views] for loss in row.values()] for rows in (rounded, plain)]
    assert rounded != plain and np.allclose(*values, rtol=1e-3)


def test_old_images_that_a_method_mixes_in_are_not_looked_for_among_features(cli):
    words = ["--method", "SSUL-M", "--epochs", "1", "--batch_size", "2", "--cache", "features:1"]
    status, out, err = cli(*words, "--step", "0", "1")
    assert status == 0, err
    assert "no effect on SSUL-M at step 1: its network is not frozen here, or sees more than" in out


def test_a_method_that_trains_its_network_says_that_nothing_is_kept(cli):
    status, out, _ = cli("--method", "FT", "--step", "0", "--cache", "features")
    assert status == 0
    assert "--cache features has no effect on FT at step 0: its network is not frozen here" in out
    status, _, err = cli("--cache", "feature:3")
    assert status == 2 and "features:V" in err


def test_what_the_disk_has_no_room_for_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(features.shutil, "disk_usage", lambda _: type("", (), {"free": 1000}))
    with pytest.raises(ValueError, match="has 0 MB free; take fewer views"):
        reserve(tmp_path, [(4, 10, 8, 2, 2)], [torch.float16], said.append)
    assert not said
    (kept,) = reserve(tmp_path, [(2, 2, 4, 2, 2)], [torch.bfloat16], said.append)
    assert kept.dtype == torch.bfloat16 and kept.shape == (2, 2, 4, 2, 2) and not list(tmp_path.iterdir())
    assert "features of 2 images, 2 views each" in said[0]
