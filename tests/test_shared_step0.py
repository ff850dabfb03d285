"""Step 0 is trained once for all runs that would train it alike, and for no other."""

import pytest
import torch

from experiment import checkpoint
from modules.classifiers import regroup

pytestmark = pytest.mark.slow


def weights(tmp_path, run, step=0, task="4-1", setting="overlap"):
    return checkpoint.load(tmp_path / f"checkpoints/small_{task}_{setting}/{run}/step_{step}.pt")


def equal(one, other):
    return all(torch.equal(one["net"][key], other["net"][key]) for key in one["net"])


def test_a_second_method_takes_the_step_0_that_it_would_have_trained(cli, tmp_path):
    cli("--method", "FT", "--step", "0")
    status, out, err = cli("--method", "MiB", "--step", "0")
    assert status == 0, err
    assert "step 0 is that of FT, small 4-1" in out
    adopted = weights(tmp_path, "MiB_tiny")
    assert adopted["adopted_from"] == "FT, small 4-1" and adopted["config"]["method"] == "MiB"
    status, out, err = cli("--method", "MiB", "--step", "0", "--no_share", "--name", "own")
    assert status == 0 and "is that of" not in out, err
    assert equal(adopted, weights(tmp_path, "MiB_tiny_own"))


@pytest.mark.parametrize(
    "other",
    [
        ["--method", "DFT*"],
        ["--method", "LWF-MC"],
        ["--method", "EWC"],
        ["--lr", "0.5"],
        ["--seed", "3"],
        ["--task", "3-1"],
        ["--batch_size", "8"],
        ["--crop_size", "24"],
        ["--protocol", "mib"],
        ["--setting", "disjoint"],
        ["--epochs", "2"],
        ["--weight_decay", "0"],
    ],
    ids=" ".join,
)
def test_a_step_0_that_differs_in_anything_is_trained(cli, other):
    cli("--method", "FT", "--step", "0")
    status, out, err = cli("--method", "FT", "--name", "other", "--step", "0", *other)
    assert status == 0 and "is that of" not in out, err


@pytest.mark.parametrize(
    "same",
    [["--task", "4-2"], ["--lr", "0.01", "0.7"], ["--num_workers", "1"], ["--eval", "full"]],
    ids=" ".join,
)
def test_what_step_0_does_not_depend_on_does_not_matter(cli, same):
    cli("--method", "FT", "--step", "0")
    status, out, err = cli("--method", "FT", "--name", "other", "--step", "0", *same)
    assert status == 0 and "step 0 is that of FT" in out, err


def test_rows_that_exist_from_the_start_are_shared_between_portions_of_the_same_classes(cli, tmp_path):
    cli("--method", "DFT*", "--step", "0", "--task", "4-1")
    status, out, err = cli("--method", "DFT*", "--step", "all", "--task", "4-2")
    assert status == 0 and "step 0 is that of DFT*, small 4-1" in out, err
    one, other = weights(tmp_path, "DFT_STAR_tiny"), weights(tmp_path, "DFT_STAR_tiny", task="4-2")
    assert len(one["net"]["cls.1.weight"]) == 1 and len(other["net"]["cls.1.weight"]) == 2
    rows = torch.cat([one["net"]["cls.1.weight"], one["net"]["cls.2.weight"]])
    assert torch.equal(other["net"]["cls.1.weight"], rows)


def test_regrouping_keeps_every_row_in_order():
    weights = {"body.a": torch.zeros(1)}
    for kind in ("weight", "bias"):
        weights |= {f"cls.{k}.{kind}": torch.rand(rows, 3) for k, rows in enumerate((4, 1, 1))}
    again = regroup(regroup(weights, [4, 2]), [4, 1, 1])
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[key], weights[key]) for key in weights)


def test_an_overwritten_step_0_is_trained_again(cli):
    cli("--method", "FT", "--step", "0")
    status, out, err = cli("--method", "FT", "--step", "0", "--overwrite")
    assert status == 0 and "is that of" not in out, err


def test_published_chains_of_two_methods_go_on_under_their_common_name(cli, tmp_path):
    """FT at step 0 and MiB by flags later, with one --name, as the published code links steps."""
    cli("--method", "FT", "--step", "0", "--name", "chain")
    later = ["--unce", "--unkd", "--loss_kd", "10", "--step", "1", "--name", "chain", "--lr", "0.003"]
    status, _, err = cli("--method", "FT", *later)
    assert status == 0, err
    assert weights(tmp_path, "MiB_tiny_chain", step=1)["method"] == "MiB"
    assert cli("--method", "PLOP", "--step", "1", "--name", "another")[0] == 2
