"""A loss that is not finite stops the run, is explained, and is kept for another look."""

import pytest
import torch

from experiment import checkpoint
from methods.base import Method


@pytest.fixture
def broken(monkeypatch):
    """Fine-tuning whose loss becomes nan in its fourth batch."""
    calls = [0]
    real = Method.losses

    def losses(self, images, labels):
        calls[0] += 1
        values = real(self, images, labels)
        return values | {"extra": values["ce"] * (float("nan") if calls[0] == 4 else 0.5)}

    monkeypatch.setattr(Method, "losses", losses)
    return calls


def test_it_names_term_and_batch_saves_the_images_and_no_checkpoint(cli, tmp_path, broken):
    status, _, err = cli("--method", "FT", "--step", "0")
    assert status == 2 and err.count("\n") == 1
    assert "'extra' is nan in epoch 0, batch 3" in err and "--replay_batch" in err
    (file,) = tmp_path.rglob("*.pt")
    content = checkpoint.load(file)
    assert len(content["ids"]) == len(content["images"]) == 4
    assert content["images"].dtype == torch.uint8


def test_the_batch_can_be_replayed(cli, tmp_path, broken):
    cli("--method", "FT", "--step", "0")
    (file,) = tmp_path.rglob("*.pt")
    broken[0] = 3
    status, out, err = cli("--method", "FT", "--replay_batch", file)
    assert status == 0, err
    assert "extra: nan" in out and "weights that are not finite: none" in out
    status, out, err = cli("--method", "FT", "--replay_batch", file)
    assert status == 0 and "extra: nan" not in out
