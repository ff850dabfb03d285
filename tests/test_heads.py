"""The head of a network by its name: what it decides, who can use it, and who knows of it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import argparser
from analysis.report.published import published_values
from analysis.report.runs import read_runs
from analysis.report.settings import make_settings
from analysis.trained import load_step
from config import build
from experiment import checkpoint
from methods import METHODS
from methods.base import Method
from methods.closed_form_net import WideHead
from methods.declared import heads_of
from modules.head import Head
from modules.heads import HEADS
from modules.output import Output
from modules.refined_head import RefinedHead
from segmentation_module import make_model
from tests.builders import PARTS, make_images, make_labels, make_method
from train import Training, start

FOLDER = "small_4-1_overlap"
NAMES = list(HEADS)  # a new head is tested here for free


class Joined(Head):
    """A head that reads two maps of the body, and wants other values of the flags."""

    defaults = {"weight_decay": 0.05, "lr": [0.02]}

    def __init__(self, channels: list[int]):
        super().__init__()
        self.convs, self.out_channels = nn.ModuleList(nn.Conv2d(one, 8, 1) for one in channels), 8

    @classmethod
    def fitting(cls, body, parts):
        _, maps = body.eval()(torch.zeros(1, 3, 32, 32))
        return cls([stage.shape[1] for stage in maps.values()][-2:])

    def encode(self, body, maps):
        fine, coarse = (conv(x) for conv, x in zip(self.convs, list(maps.values())[-2:], strict=True))
        return fine + nn.functional.interpolate(coarse, size=fine.shape[-2:])


@dataclass
class Doubled(Output):
    """An output that decides by something else than its small logits."""

    @property
    def logits(self):
        return 2 * super().logits


class Spoken(Joined):
    """A head with an answer, losses and groups of its own, which no formula per pixel can use."""

    answers = "words"
    output = Doubled

    def respond(self, encoded, classify):
        return classify(encoded), {"spoken": encoded.mean((2, 3))}

    def losses(self, out, labels):
        return {"spoken": out.extras["spoken"].square().mean() + 0 * out.logits_small.mean()}

    def param_groups(self, net, lr, weight_decay):
        slow = list(net.body.parameters())
        rest = [*self.parameters(), *net.cls.parameters()]
        return [{"params": slow, "lr": 0.1 * lr}, {"params": rest, "lr": lr, "weight_decay": 0.0}]


class WordMethod(Method):
    """A method for one sort of heads."""

    heads_supported = ("words",)


@pytest.fixture(autouse=True)
def heads(monkeypatch):
    """Two more heads, and a method that needs the second."""
    monkeypatch.setitem(HEADS, "Joined", Joined)
    monkeypatch.setitem(HEADS, "spoken", Spoken)
    monkeypatch.setitem(METHODS, "WordMethod", WordMethod)
    return HEADS


# -- names, defaults, and which method runs on which head
def test_names_are_matched_without_case_and_a_misspelt_one_is_answered_with_the_nearest():
    assert argparser.parse(["--head", "joined"]).head == "Joined"
    assert argparser.parse(["--head", "DeepLab"]).head == argparser.parse([]).head == "deeplab"
    with pytest.raises(ValueError, match="unknown head 'deeplap'; did you mean deeplab?"):
        argparser.parse(["--head", "deeplap"])


@pytest.mark.parametrize(
    ("method", "head", "said"),
    [
        ("RCIL", "joined", "RCIL runs on --head deeplab or pooled, not on Joined"),
        ("MiB", "spoken", "MiB runs on --head deeplab or pooled or Joined, not on spoken"),
        ("WordMethod", "deeplab", "WordMethod runs on --head spoken, not on deeplab"),
    ],
)
def test_a_method_refuses_a_head_that_it_cannot_use_in_a_sentence(method, head, said, cli):
    assert cli("--method", method, "--head", head) == (2, "", f"run.py: error: {said}\n")


def test_a_method_that_builds_no_head_refuses_to_choose_one(cli):
    status, _, err = cli("--method", "RIDGE", "--no-sgd", "--head", "joined", "--step", "0")
    assert status == 2 and "RIDGE without SGD builds no head: leave out --head Joined" in err


def test_every_method_has_a_head_and_takes_the_first_that_it_supports_unasked():
    assert all(heads_of(name) for name in METHODS)
    first = [heads_of(name)[0] for name in METHODS if "deeplab" in heads_of(name)]
    assert len(first) > 30 and set(first) == {"deeplab"}
    config = argparser.parse(["--method", "WordMethod"])
    assert (config.head, config.sources["head"]) == ("spoken", "default of WordMethod")


def test_values_that_a_head_wants_win_over_defaults_and_over_nothing_else(tmp_path):
    (tmp_path / "own.yaml").write_text("lr: 0.3\n")
    words = ["--head", "joined", "--recipe", str(tmp_path / "own.yaml")]
    config = argparser.parse(words)
    assert (config.weight_decay, config.sources["weight_decay"]) == (0.05, "default of head Joined")
    assert config.lr == [0.3] and argparser.parse([]).weight_decay == 1e-4
    assert argparser.parse([*words, "--weight_decay", "0.5"]).weight_decay == 0.5


def test_a_published_row_is_of_its_own_head():
    row = ["--method", "MiB", "--dataset", "voc", "--task", "15-1"]
    assert argparser.parse(row).sources["backbone"].startswith("recipe voc/")
    assert argparser.parse([*row, "--head", "joined"]).sources["backbone"] == "recipe voc"  # the layer
    about = {"method": "MiB", "dataset": "voc", "task": "15-5s", "setting": "overlap", "protocol": "plop"}
    about |= {"backbone": "resnet101"}
    assert published_values(about, 6) and not published_values(about | {"head": "Joined"}, 6)


# -- what a head decides
def test_a_head_reads_the_bodys_maps_also_inside_of_the_heads_that_methods_build_around_it():
    parts = replace(PARTS, head_name="Joined")
    torch.manual_seed(0)
    net = make_model(parts, [3]).eval()
    out = net(make_images())
    assert out.features.shape == (2, 8, *out.attentions["mod3"].shape[-2:])
    for wrapped in (RefinedHead(net.head), WideHead(net.head)):
        around = make_model(parts, [3]).eval()
        around.body, around.head = net.body, wrapped.eval()
        assert around(make_images()).features.shape == out.features.shape
    assert torch.equal(around(make_images()).features, out.features)


def test_a_head_decides_answer_losses_and_groups_of_the_optimizer():
    method = make_method("FT", 0)
    torch.manual_seed(0)
    method.net = method.model = make_model(replace(PARTS, head_name="spoken"), [3])
    out = method.net.train()(make_images())
    assert out.extras["spoken"].shape == (2, 8)
    assert torch.equal(out.logits, 2 * super(Doubled, out).logits)
    assert list(method.losses(make_images(), make_labels(method.step, "mixed"))) == ["spoken"]
    optimizer = start(method, Training(1, 0.1), batches=1, device=torch.device("cpu")).optimizer
    assert [group["initial_lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.1])


@pytest.mark.parametrize("name", NAMES)
def test_every_head_has_a_method_that_trains_it_and_every_weight_of_it_learns(name):
    owner = next(method for method in METHODS if name in heads_of(method))
    method = make_method(owner, 0)
    torch.manual_seed(0)
    method.net = method.model = method.build_model(method.step, replace(PARTS, head_name=name)).train()
    losses = method.losses(make_images(), make_labels(method.step, "mixed"))
    assert all(value.dim() == 0 and torch.isfinite(value) for value in losses.values())
    sum(losses.values()).backward()
    method.after_backward()
    assert all(torch.isfinite(weight.grad).all() for weight in method.net.head.parameters())
    groups = method.param_groups(0.1, 1e-4)
    moved = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(moved) == sorted(map(id, method.net.trainable()))  # each once
    out = method.net.eval()(make_images())
    assert out.logits.shape[:2] == (2, 3) and torch.isfinite(out.logits).all()


@pytest.mark.slow
# -- who knows of it
def test_a_run_on_another_head_stands_beside_the_first_and_is_known_by_it_everywhere(cli, tmp_path):
    for words in ([], ["--head", "joined"]):
        status, _, err = cli("--step", "0", "1", *words)
        assert status == 0, err
    path = tmp_path / f"checkpoints/{FOLDER}/FT_tiny_Joined/step_1.pt"
    content = checkpoint.load(path)
    assert content["identity"]["head"] == content["config"]["head"] == "Joined"
    assert "head.convs.0.weight" in content["net"]
    assert isinstance(load_step(path).method.net.head, Joined)  # predict, visualize, probe, drift

    # Tests know it from the checkpoint, and refuse another.
    result = tmp_path / f"results/{FOLDER}/FT_tiny_Joined/step_1.json"
    before = result.read_text()
    assert cli("--test", "--ckpt", path, defaults=False)[0] == 0 and result.read_text() == before
    assert json.loads(before)["config"]["head"] == "Joined"
    status, _, err = cli("--test", "--ckpt", path, "--head", "deeplab", defaults=False)
    assert status == 2 and "is of head Joined: leave out --head deeplab" in err

    # A step continues its own head alone, and the report tells the two apart.
    status, _, err = cli("--step", "2", "--step_ckpt", path)
    assert status == 2 and "head Joined there, deeplab here" in err
    (setting,) = make_settings(read_runs([tmp_path / "results"]))
    assert {row.label for row in setting.rows} == {"FT (head deeplab)", "FT (head Joined)"}


def test_a_checkpoint_from_before_there_were_heads_is_deeplabs(cli, tmp_path):
    assert cli("--step", "0")[0] == 0
    path = Path(f"checkpoints/{FOLDER}/FT_tiny/step_0.pt")
    content = checkpoint.load(path)
    del content["config"]["head"], content["identity"]["head"]
    checkpoint.save(content, path)
    assert load_step(path).method.net.head.out_channels == 48
    for words in (["--test", "--step", "0"], ["--step", "0", "1"]):  # is tested, not trained again, continued
        status, out, err = cli(*words)
        assert status == 0 and "could not be checked" not in out, err
    status, _, err = cli("--head", "joined", "--step", "1", "--step_ckpt", path)
    assert status == 2 and "head deeplab there, Joined here" in err


def test_runs_on_the_published_head_keep_their_folders():
    words = ["--head", "spoken", "--method", "WordMethod", "--name", "x"]
    folders = [build.run_files(argparser.parse(one)).run for one in ([], words)]
    assert folders == ["FT_tiny", "WordMethod_tiny_spoken_x"]
