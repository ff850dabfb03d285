"""The check of downloaded weights."""

import hashlib

import pytest
import timm
import torch

from models import WEIGHTS
from pretrained.check import backbone_for, known_hash, main


@pytest.fixture
def folder(tmp_path):
    """A folder with one good file."""
    weights = timm.create_model("mobilenetv3_small_050").state_dict()
    torch.save(weights, tmp_path / "mobilenetv3_small_050.pth")
    return tmp_path


def test_a_good_file_is_ok_and_published_ones_are_missing(folder, capsys):
    assert main([str(folder)]) == 0
    out = capsys.readouterr().out
    digest = hashlib.sha256((folder / "mobilenetv3_small_050.pth").read_bytes()).hexdigest()
    assert f"sha256 {digest}" in out and "fits --backbone timm:mobilenetv3_small_050; nothing known" in out
    for file in WEIGHTS.values():
        assert f"missing  {file}" in out


def test_a_file_with_another_hash_than_noted_is_bad(folder, capsys):
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  mobilenetv3_small_050.pth\n")
    assert main([str(folder)]) == 1
    assert "not 0000000000000000...: download it again" in capsys.readouterr().out


def test_a_file_of_another_network_is_bad(tmp_path, capsys):
    torch.save({"conv1.weight": torch.ones(1)}, tmp_path / "resnet101_iabn_sync.pth.tar")
    (tmp_path / "swin_base_patch4_window12_384.pth").write_text("<html>")
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "lacks mod1.conv1.weight" in out and "is a web page" in out and out.count("BAD ") == 2


def test_names_tell_reader_and_hash(tmp_path):
    assert backbone_for(tmp_path / "resnet50-0676ba61.pth") == "timm:resnet50"
    assert backbone_for(tmp_path / "resnet101_iabn_sync.pth.tar") == "resnet101"
    assert backbone_for(tmp_path / "convnext_tiny.fb_in1k.safetensors") == "timm:convnext_tiny.fb_in1k"
    assert known_hash(tmp_path / "resnet50-0676ba61.pth") == "0676ba61"
    assert known_hash(tmp_path / "swin_base_patch4_window12_384.pth") == ""


def test_a_folder_that_is_not_there_is_said(tmp_path, capsys):
    assert main([str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err
