"""Files of weights: what is read, and what is refused in one line."""

import argparse
import os

import numpy as np
import pytest
import torch
from torch import nn

from models.pretrained import fill, read_file, read_weights

WEIGHTS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


class Foreign:
    """Something that only its own code can rebuild."""


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("should_not_be_there",)


def refusal(path) -> str:
    with pytest.raises(ValueError) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "model_state"])
def test_wrappers_and_the_prefix_of_ddp_are_taken_off(tmp_path, wrapper):
    content = {f"module.{key}": value for key, value in WEIGHTS.items()}
    torch.save({wrapper: content, "epoch": 3} if wrapper else content, tmp_path / "a.pth")
    read = read_weights(tmp_path / "a.pth")
    assert read.keys() == WEIGHTS.keys() and torch.equal(read["weight"], WEIGHTS["weight"])


@pytest.mark.parametrize("key", ["", "state_dict", "net", "teacher", "model_ema", "state_dict/model", 7])
@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "_orig_mod.", "backbone.", "model.", "encoder.", "module.encoder_q.", "a.b.c._orig_mod."],
)
def test_a_network_is_found_by_its_names_whatever_is_around_it(tmp_path, key, prefix):
    content = {f"{prefix}{name}": value for name, value in WEIGHTS.items()} | {"other.head": torch.ones(3)}
    for word in reversed(str(key).split("/")) if key != "" else ():
        content = {word: content, "epoch": 3, "optimizer": {"state": {0: {"momentum": torch.ones(2)}}}}
    torch.save(content, tmp_path / "a.pth")
    read = read_weights(tmp_path / "a.pth", WEIGHTS)
    assert torch.equal(read["weight"], WEIGHTS["weight"])
    assert read.keys() == WEIGHTS.keys() | ({"other.head"} if prefix in ("", "_orig_mod.") else set())


@pytest.mark.parametrize(
    ("good", "bad"),
    [("teacher", "student"), ("model_ema", "model"), ("module.encoder_q.", "module.encoder_k.")],
)
def test_of_two_copies_the_one_that_its_authors_evaluate_is_taken(tmp_path, good, bad):
    copies = {bad: {name: -value - 1 for name, value in WEIGHTS.items()}, good: WEIGHTS}
    if "." in good:
        copies = {f"{prefix}{name}": v for prefix, own in copies.items() for name, v in own.items()}
    torch.save(copies, tmp_path / "a.pth")
    assert torch.equal(read_weights(tmp_path / "a.pth", WEIGHTS)["weight"], WEIGHTS["weight"])


def test_of_two_copies_that_nobody_can_tell_apart_none_is_taken(tmp_path):
    torch.save({"first": WEIGHTS, "second": WEIGHTS}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="under first and under second"):
        read_weights(tmp_path / "a.pth", WEIGHTS)


def test_numpy_arrays_are_read(tmp_path):
    arrays = {name: value.numpy() for name, value in WEIGHTS.items()}
    torch.save({"state_dict": arrays}, tmp_path / "a.pth")
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", weight=np.array([Foreign()]))
    for name in ("a.pth", "a.npz"):
        assert torch.equal(read_weights(tmp_path / name)["weight"], WEIGHTS["weight"])
    assert "more than arrays" in refusal(tmp_path / "b.npz")


def test_the_weights_of_a_checkpoint_of_ours_are_found_in_it(tmp_path):
    from experiment import checkpoint

    net = {f"body.{name}": value for name, value in WEIGHTS.items()} | {"cls.0.weight": torch.ones(2)}
    checkpoint.save({"net": net, "method_state": {}}, tmp_path / "step_0.pt")
    assert read_weights(tmp_path / "step_0.pt", WEIGHTS).keys() == WEIGHTS.keys()


@pytest.mark.parametrize("zipped", [True, False])
def test_scores_and_options_beside_the_weights_do_not_hinder(tmp_path, zipped):
    options = argparse.Namespace(lr=0.1)
    extra = {"best_score": np.float64(0.5), "hist": np.arange(3), "opts": options, "epoch": np.int64(3)}
    file = tmp_path / "a.pth"
    torch.save({"model_state": WEIGHTS, **extra}, file, _use_new_zipfile_serialization=zipped)
    read = read_file(file)
    assert read["best_score"] == 0.5 and read["opts"].lr == 0.1 and read["hist"].tolist() == [0, 1, 2]
    assert read_weights(file).keys() == WEIGHTS.keys()


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    save_file(WEIGHTS, tmp_path / "a.safetensors")
    assert torch.equal(read_weights(tmp_path / "a.safetensors")["bias"], WEIGHTS["bias"])
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-9])
    assert "truncated" in refusal(tmp_path / "b.safetensors")


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, content in enumerate([Foreign(), Harmful()]):
        torch.save({"state_dict": WEIGHTS, "extra": content}, tmp_path / f"{number}.pth")
        assert "more than tensors" in refusal(tmp_path / f"{number}.pth")
    assert not (tmp_path / "should_not_be_there").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_called_truncated(tmp_path, zipped, keep):
    torch.save({"a": torch.randn(1000)}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "b.pth").write_bytes(content[: int(len(content) * keep)])
    assert "truncated" in refusal(tmp_path / "b.pth")


@pytest.mark.parametrize(
    "page", ["<!DOCTYPE html><html>", "\n  <html><body>quota exceeded", "<?xml version='1.0'?>"]
)
def test_a_web_page_under_the_name_of_a_file_is_recognised(tmp_path, page):
    (tmp_path / "a.pth").write_text(page)
    assert "web page" in refusal(tmp_path / "a.pth")


def test_a_missing_file_says_where_weights_come_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pretrained/README\.md"):
        read_weights(tmp_path / "a.pth")
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path)


@pytest.mark.parametrize("content", [torch.ones(2), {}, {"a": 1}, [1, 2], {"state_dict": {"a": "b"}}])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    assert "no weights" in refusal(tmp_path / "a.pth")


def test_weights_of_another_network_are_named():
    module = nn.Linear(3, 2)
    with pytest.raises(
        ValueError, match=r"lacks bias .*no place for it, scale .*weight \(4, 3\) for \(2, 3\)"
    ):
        fill(module, {"weight": torch.ones(4, 3), "scale": torch.ones(1)}, source="a.pth")
    fill(module, {"weight": torch.ones(2, 3)}, source="a.pth", may_lack={"bias"})
    assert torch.equal(module.weight, torch.ones(2, 3))


def test_where_names_do_not_fit_the_nearest_on_both_sides_and_how_many_fit_are_shown():
    own = {"conv1.weight": torch.ones(2, 3), "bn1.bias": torch.ones(2), "fc.bias": torch.ones(2)}
    module = nn.Module()
    for name, value in own.items():
        module.register_module(name.split(".")[0], part := nn.Module())
        part.register_parameter(name.split(".")[1], nn.Parameter(value))
    given = {"stem.conv.weight": torch.ones(2, 3), "stem.norm.bias": torch.ones(2), "fc.bias": torch.ones(2)}
    with pytest.raises(ValueError) as caught:
        fill(module, given, source="a.pth")
    words = str(caught.value)
    assert "1 of 3 entries fit" in words
    assert "conv1.weight ~ stem.conv.weight, bn1.bias ~ stem.norm.bias" in words and "\n" not in words
