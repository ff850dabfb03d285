"""What a checkpoint says of itself without its tensors: what it says when read whole, and nothing runs."""

import os
import pickle
import zipfile

import pytest
import torch

from experiment import checkpoint
from experiment.peek import about, peek

CONTENT = {
    "step": 3, "identity": {"classes": ["a", "b"], "previous": None}, "lr": 0.1, "groups": [(0, 1), (2,)],
    "net": torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3)).state_dict(),
    "method_state": {"seen": torch.arange(3), "half": torch.zeros(2, dtype=torch.bfloat16)},
}  # fmt: skip


def test_a_checkpoint_says_of_itself_what_reading_it_whole_does(tmp_path):
    path = tmp_path / "step_3.pt"
    checkpoint.save(CONTENT, path)
    whole = checkpoint.load(path)
    seen = peek(path)
    assert seen["net"].keys() == whole["net"].keys() and not any(seen["net"].values())
    assert about(path) == {key: one for key, one in whole.items() if key not in ("net", "method_state")}
    assert about(path)["learned"] == checkpoint.learned(CONTENT)
    checkpoint.save(CONTENT | {"step": 4}, path)
    assert about(path)["step"] == 4


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("made by a file",)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "truncated", "no pickle", "harmful", "list"])
def test_a_file_that_is_no_checkpoint_says_nothing_and_runs_nothing(damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "step_3.pt"
    checkpoint.save(CONTENT, path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage in ("empty", "text"):
        path.write_bytes(b"" if damage == "empty" else b"<html></html>")
    else:
        data = {"no pickle": b"\x80\x02junk", "harmful": pickle.dumps({"step": Harmful()}),
                "list": pickle.dumps([1])}[damage]  # fmt: skip
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
    assert peek(path) == about(path) == {}
    assert not (tmp_path / "made by a file").exists()
