"""Checkpoint files: whole or absent, plain, checked."""

import os
import subprocess
import sys

import pytest
import torch

from experiment import checkpoint

CONTENT = {
    "net": {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(3)},
    "config": {"lr": [0.1], "name": "a"},
}


def test_what_is_saved_comes_back_equal(tmp_path):
    checkpoint.save(CONTENT, tmp_path / "deep" / "step_0.pt")
    loaded = checkpoint.load(tmp_path / "deep" / "step_0.pt")
    assert torch.equal(loaded["net"]["w"], CONTENT["net"]["w"])
    assert loaded["config"] == CONTENT["config"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["step_0.pt"]


@pytest.mark.parametrize("size", [0, 10, 300, -1])
def test_truncated_file_is_refused_in_one_line(tmp_path, size):
    path = tmp_path / "step_0.pt"
    checkpoint.save(CONTENT, path)
    os.truncate(path, path.stat().st_size + size if size < 0 else size)
    with pytest.raises(ValueError, match="step_0.pt is damaged") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "step_0.pt"
    checkpoint.save(CONTENT, path)
    data = bytearray(path.read_bytes())
    where = data.index(CONTENT["net"]["w"].numpy().tobytes())
    data[where + 7] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="damaged"):
        checkpoint.load(path)


def test_code_in_a_checkpoint_is_not_executed(tmp_path):
    marker = tmp_path / "executed"

    class Malicious:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    path = tmp_path / "step_0.pt"
    torch.save({"net": Malicious()}, path)
    with pytest.raises(ValueError, match="not executed"):
        checkpoint.load(path)
    assert not marker.exists()


def test_foreign_checkpoint_is_told_how_to_be_converted(tmp_path):
    path = tmp_path / "foreign.pth"
    torch.save({"model_state": {"module.body.w": torch.ones(1)}}, path)
    with pytest.raises(ValueError, match="scripts.convert"):
        checkpoint.load(path)


def test_non_finite_weights_are_never_saved(tmp_path):
    with pytest.raises(FloatingPointError, match="net.w"):
        checkpoint.save({"net": {"w": torch.tensor([1.0, float("nan")])}}, tmp_path / "step_0.pt")
    assert not list(tmp_path.iterdir())


def test_objects_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="config.path"):
        checkpoint.save({"config": {"path": tmp_path}}, tmp_path / "step_0.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_full_disk_leaves_the_previous_file_intact(tmp_path):
    """A file-size limit stands in for a full disk: the write fails half-way, as it would there."""
    path = tmp_path / "step_0.pt"
    checkpoint.save(CONTENT, path)
    before = path.read_bytes()
    script = (
        "import resource, signal, sys, torch; from experiment import checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: checkpoint.save({'net': {'w': torch.ones(1_000_000)}}, sys.argv[1])\n"
        "except OSError as error: print('OSError', error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("OSError")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["step_0.pt"]
