"""Checkpoints of the published systems, in their exact layouts, become checkpoints of this one."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import run
from analysis import predict
from experiment import checkpoint
from methods import METHODS
from methods.sigmoid_heads import DetachedBackground
from models import build_backbone
from modules.deeplab import DeepLabV3Head
from modules.norms import NORMS
from modules.parallel import ParallelBlock, ParallelHead
from modules.refined_head import RefinedHead
from scripts.convert import convert, flags_from_name, main
from scripts.published_checkpoints import from_eir, from_rcil, same_names
from segmentation_module import Parts, make_model
from tests.dataset_trees import write_folder, write_image, write_voc

pytestmark = pytest.mark.slow

GOLDENS = Path(__file__).parent / "goldens"
BESIDE = {"epoch": 29, "best_score": np.float64(0.5), "scheduler_state": {"base_lrs": [np.float64(0.01)]}}


def shapes(file: str) -> dict[str, list[int]]:
    """Name -> shape of every parameter and buffer that a golden lists."""
    content = json.loads((GOLDENS / file).read_text())
    if "list" in content:
        return {entry[0]: entry[1] for entry in content["list"]}
    parts = (content["parameters"], content["buffers"])
    if isinstance(parts[0], dict):
        return parts[0] | parts[1]
    return {entry["name"]: entry["shape"] for part in parts for entry in part}


def published(names: dict[str, list[int]], path: Path, *, key: str = "model_state") -> Path:
    """A file with these entries; each tensor holds one number, repeated, so that the file stays small."""
    weights = {}
    for number, (name, shape) in enumerate(names.items()):
        value = torch.tensor(number) if name.endswith("num_batches_tracked") else torch.tensor(number / 1000)
        weights[f"module.{name}"] = value.expand(shape)
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": np.float64(0.1)}]}
    torch.save({key: weights, "optimizer_state": optimizer, **BESIDE}, path)
    return path


def test_mib_in_the_published_layout_becomes_a_checkpoint_that_says_what_it_is(tmp_path, capsys):
    names = shapes("mib/model_params_resnet101_15-5_step1.json")
    source = published(names, tmp_path / "15-5-voc_MiB_1.pth")
    assert main([str(source), str(tmp_path / "out.pt"), "--from", "mib"]) == 0
    content = checkpoint.load(tmp_path / "out.pt")
    about = {key: content[key] for key in ("method", "dataset", "task", "step", "converted_from")}
    assert about == {
        "method": "MiB",
        "dataset": "voc",
        "task": "15-5",
        "step": 1,
        "converted_from": "mib: 15-5-voc_MiB_1.pth",
    }
    assert content["config"]["backbone"] == "resnet101" and content["config"]["protocol"] == "mib"
    kept = [name for name in names if not name.endswith("num_batches_tracked")]
    assert set(content["net"]) == set(kept) and content["method_state"] == {}
    first = list(names).index("cls.1.bias")
    assert torch.equal(content["net"]["cls.1.bias"], torch.full((5,), first / 1000))
    lines = capsys.readouterr().out.splitlines()
    assert "taken    body.mod1.conv1.weight" in lines
    assert "dropped  optimizer_state: not part of the network" in lines
    dropped = len(names) - len(kept) + 4
    assert lines[-2] == f"{len(kept)} taken, 0 renamed, {dropped} dropped, 0 missing"


@pytest.mark.parametrize("step", [0, 1])
def test_rcil_in_the_published_layout_keeps_both_branches(tmp_path, step):
    names = shapes(f"rcil/params_voc_15-5s_step{step}.json")
    source = published(names, tmp_path / f"15-5s-voc_RCIL_{step}.pth")
    content = convert(source, "rcil", [], say=lambda _: None)
    assert content["method"] == "RCIL" and content["step"] == step
    assert {name: list(value.shape) for name, value in content["net"].items()} == names


def test_a_pre_allocated_checkpoint_has_the_rows_of_all_steps(tmp_path):
    names = shapes("mib/model_params_resnet101_15-5_step1.json")
    names = {name: shape for name, shape in names.items() if not name.startswith("cls.")}
    for number, rows in enumerate([16, 1, 1, 1, 1, 1]):
        names |= {f"cls.{number}.weight": [rows, 256, 1, 1], f"cls.{number}.bias": [rows]}
    source = published(names, tmp_path / "15-5s-voc_FT-FixBC-P_2.pth")
    content = convert(source, "revisitingcss", [], say=lambda _: None)
    assert (content["method"], content["step"], len(content["net"])) == ("DFT*", 2, 551)


def test_swin_in_the_published_layout_is_recognised(tmp_path):
    entries = json.loads((GOLDENS / "plop_nest/swin_b_keymap.json").read_text())
    names = {f"body.{e['backbone_key']}": e["shape"] for e in entries["entries"] if e["backbone_key"]}
    names |= {
        f"body.{e['backbone_key']}": [128 * 2 ** int(e["backbone_key"][4])] for e in entries["backbone_only"]
    }
    with torch.device("meta"):
        own = make_model(Parts("swin_b"), [11, 1]).state_dict()
    names |= {name: list(value.shape) for name, value in own.items() if not name.startswith("body.")}
    source = published(names, tmp_path / "10-1-voc_PLOP_NEST-SwinB_1.pth")
    content = convert(source, "nest", ["--method", "MiB+NeST"], say=lambda _: None)
    assert content["config"]["backbone"] == "swin_b" and content["method"] == "MiB+NeST"
    assert content["net"].keys() == names.keys()


def by_formula(names: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """The weights that the forward goldens of EIR were computed with (`weight_formula` in cases.json)."""
    weights = {}
    for name, shape in names.items():
        if name.endswith("num_batches_tracked"):
            continue
        steps = torch.arange(int(np.prod(shape)), dtype=torch.float64)
        wave = torch.sin(0.7391 * steps + zlib.crc32(name.encode()) % 1000).view(shape)
        if len(shape) == 4:
            wave = wave * (2 / np.prod(shape[1:])) ** 0.5 * 2**0.5
        elif name.endswith("running_var"):
            wave = 1 + 0.3 * wave
        elif name.endswith(("running_mean", "bias")):
            wave = 0.05 * wave
        else:
            wave = (0.25 if ".bn3." in name else 1) * (1 + 0.1 * wave)
        weights[name] = wave
    return weights


def test_eir_computes_what_the_published_network_computes():
    """The translated weights in our network, against the published network's own output."""
    given = by_formula(shapes("eir/model_5-3_step0_names.json"))
    out = from_eir(given)
    body = build_backbone("timm:resnet101")
    head = RefinedHead(DeepLabV3Head(2048, 256, norm=NORMS["bn_relu"]))
    head.last_bn = NORMS["bn_relu"](256)
    net = DetachedBackground(body, head, [1, 5]).double().eval()
    net.load_state_dict(out.weights)
    assert set(out.renamed) | {name for name in given if name.startswith("cls.")} == set(given)
    with np.load(GOLDENS / "eir/model_5-3_step0_forward.npz") as want, torch.no_grad():
        got = net(torch.from_numpy(want["in_image"]))
        pairs = {"out_logits": got.logits, "out_small_logits": got.logits_small, "out_feature": got.features}
        for name, value in pairs.items():
            torch.testing.assert_close(value, torch.from_numpy(want[name]), rtol=1e-7, atol=1e-7)
        assert float(got.body.abs().mean()) == pytest.approx(float(want["out_backbone_mean_abs"]), rel=1e-7)


def test_eir_in_the_published_layout_is_described_by_its_backbone_and_norm(tmp_path):
    folder = tmp_path / "overlap_5-3_EIR" / "step_0"
    folder.mkdir(parents=True)
    names = shapes("eir/model_5-3_step0_names.json")
    source = published(names, folder / "checkpoint-epoch60.pth", key="state_dict")
    config = convert(source, "eir", [], say=lambda _: None)["config"]
    assert (config["backbone"], config["norm"], config["setting"]) == ("timm:resnet101", "bn_relu", "overlap")


def reloaded(unit):
    """An RCIL unit as the published program reads a merged one: a bias, and a norm with eps again."""
    unit.add_biases()
    convs, norm = unit.branch()
    with torch.no_grad():
        for conv in convs:
            conv.bias.normal_()
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.5, 2)
    return unit.double().eval()


def test_norms_behind_merged_convolutions_of_rcil_are_folded_exactly():
    torch.manual_seed(0)
    theirs = {"body": reloaded(ParallelBlock(8, (4, 4, 8))), "head": reloaded(ParallelHead(8, 4))}
    ours = {"body": ParallelBlock(8, (4, 4, 8), merged=True), "head": ParallelHead(8, 4, merged=True)}
    given = {f"{part}.{key}": v for part, unit in theirs.items() for key, v in unit.state_dict().items()}
    weights = from_rcil(given).weights
    assert weights.keys() == given.keys()
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    for part, unit in ours.items():
        state = {key.removeprefix(f"{part}."): v for key, v in weights.items() if key.startswith(f"{part}.")}
        unit.double().eval().load_state_dict(state)
        torch.testing.assert_close(unit(x), theirs[part](x), rtol=1e-12, atol=1e-12)


def test_a_converted_checkpoint_is_evaluated_by_run(tmp_path, monkeypatch, capsys):
    """From a file of the published layout to a table of results."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    write_voc(tmp_path / "voc", {}, {"a": [0, 3], "b": [16, 2], "c": [5, 16]})
    net = make_model(Parts("tiny", output_stride=8), [16, 1])
    weights = {f"module.{key}": value for key, value in net.state_dict().items()}
    torch.save({"model_state": weights, **BESIDE}, tmp_path / "theirs.pth")
    flags = "--dataset voc --task 15-1 --step 1 --backbone tiny --output_stride 8 --crop_size 32".split()
    assert main(["theirs.pth", "ours.pt", "--from", "plop", "--method", "FT", *flags]) == 0
    assert run.main(["--test", "--ckpt", "ours.pt", "--data_root", "voc", "--num_workers", "0"]) == 0
    assert "mIoU" in capsys.readouterr().out


def test_a_checkpoint_of_own_data_is_converted_tested_and_predicts_alone(tmp_path, monkeypatch, capsys):
    """PLOP's file on classes of one's own: the YAML has their names."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    images = {"a": [0, 1], "b": [2, 1], "c": [3, 0]}
    write_folder(tmp_path / "own", images, images, classes=("background", "cat", "dog", "cow"))
    net = make_model(Parts("tiny", output_stride=8), [3, 1])
    weights = {f"module.{key}": value for key, value in net.state_dict().items()}
    torch.save({"model_state": weights, **BESIDE}, tmp_path / "2-1-pets_PLOP_1.pth")
    flags = "--dataset own/pets.yaml --backbone tiny --output_stride 8 --crop_size 32".split()
    assert main(["2-1-pets_PLOP_1.pth", "ours.pt", "--from", "plop", *flags]) == 0
    content = checkpoint.load(tmp_path / "ours.pt")
    assert content["card"]["class_names"] == ["background", "cat", "dog", "cow"] and content["step"] == 1
    assert run.main(["--test", "--ckpt", "ours.pt", "--num_workers", "0"]) == 0
    assert "mIoU" in capsys.readouterr().out
    (tmp_path / "own").rename(tmp_path / "gone")
    write_image(tmp_path / "p.jpg")
    assert predict.cli(["ours.pt", "p.jpg"]) == 0


def test_what_names_of_files_tell():
    for name, flags in {
        "15-5s-voc_MiB_1.pth": "--dataset voc --task 15-5s --step 1",
        "100-50-ade_FT-FixBC-P_0.pth": "--dataset ade --task 100-50 --step 0",
        "overlap_5-3_EIR/step_2/checkpoint-epoch60.pth": "--dataset voc --setting overlap --task 5-3 "
        "--step 2",
        "6-1-camvid_PLOP_NEST_2.pth": "--dataset camvid --task 6-1 --step 2",
        "something.pth": "",
    }.items():
        assert flags_from_name(Path(name)) == flags.split(), name


def refusal(capsys, *argv) -> str:
    assert main([str(value) for value in argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(tmp_path, capsys):
    names = shapes("rcil/params_voc_15-5s_step1.json")
    source, target = published(names, tmp_path / "15-5s-voc_RCIL_1.pth"), tmp_path / "out.pt"
    wrong = "no place for it, body.mod2.block1.convs.conv2.bias"
    assert wrong in refusal(capsys, source, target, "--from", "mib")
    assert "lacks cls.2.weight" in refusal(capsys, source, target, "--from", "rcil", "--step", "2")
    assert "another shape cls.0.weight" in refusal(capsys, source, target, "--from", "rcil", "--task", "19-1")
    assert "same file" in refusal(capsys, source, source, "--from", "rcil")
    unnamed = source.rename(tmp_path / "a.pth")
    assert "add --dataset" in refusal(capsys, unnamed, target, "--from", "rcil")
    assert "unknown flag '--tsk'" in refusal(
        capsys, unnamed, target, "--from", "rcil", *"--dataset voc --step 1 --task 15-5s --tsk 3".split()
    )
    (tmp_path / "page.pth").write_text("<html>")
    assert "web page" in refusal(capsys, tmp_path / "page.pth", target, "--from", "mib")
    assert not target.exists()


def test_every_system_names_a_method():
    from scripts.published_checkpoints import SYSTEMS

    for system in SYSTEMS.values():
        assert system.flags.split()[1] in METHODS
    assert same_names({"a.num_batches_tracked": torch.tensor(1)}).weights == {}
