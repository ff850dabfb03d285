"""Scopes of flags are true: what step 0 does not depend on leaves its bits, the rest changes its hash."""

import pytest
import torch

import argparser
from config import build, reuse
from config.flags import FLAGS, SCOPES
from experiment import checkpoint
from tasks import make_step
from tests.conftest import SMALL

SCOPE = {flag.name: flag.scope for flags in FLAGS.values() for flag in flags}
DECIDE_STEP_0 = ("chain", "weights", "rounding")
# Another value than that of the small task, for every flag that has values to choose from.
OTHER = {
    "protocol": "mib", "masking": "new", "ignore_test_bg": True, "eval": "full", "recipe": "auto",
    "setting": "sequential", "skip_bad_images": True, "no_pretrained": True, "name": "other", "date": "today",
    "checkpoint": "elsewhere", "results_dir": "r", "logdir": "l", "cache_dir": "c", "no_share": True,
    "overwrite": True, "backbone": "resnet18", "output_stride": 16, "pooling": 16, "precision": "bf16",
    "norm": "lean", "epochs": 2, "lr": 0.02, "batch_size": 8, "accumulate": 2, "weight_decay": 0.1,
    "queries": 9, "decoder_layers": 3, "mask_points": 99, "backbone_lr": 0.5, "unlabelled_background": True,
    "head": "mask", "optimizer": "adamw", "clip_grad": 1.0,
    "lr_warmup": 0.2, "crop_size": 24, "seed": 1, "num_workers": 1, "print_interval": 3, "ckpt_interval": 0.0,
    "timeout": 60.0,
    "val_share": 0.2, "cache": "ram", "compile": True, "tf32": True, "deterministic": True,
}  # fmt: skip
# What names a file, cuts one data set only, or says what is to be done at all; `task` and `method` have tests
# of their own.
NOT_VARIED = {
    *("method", "dataset", "task", "step", "test", "explain", "data_root", "index_dir", "pretrained_path"),
    *("track", "pixel_decoder", "yaml", "config", "step_ckpt", "ckpt", "replay_batch", "leaky_split"),
    *("accept", "profile", "cache_limit"),
}


def flags_of(name: str) -> list[str]:
    """The command line that gives the flag its other value."""
    return [f"--{name}"] + ([] if OTHER[name] is True else [str(OTHER[name])])


def test_every_flag_has_a_scope_and_is_varied_here_or_named():
    assert set(SCOPE.values()) == SCOPES.keys()
    assert OTHER.keys() | NOT_VARIED == SCOPE.keys() and not OTHER.keys() & NOT_VARIED


@pytest.fixture(scope="module")
def hash_of(small_data):
    """`hash_of(*argv)`: under which name the small task shares its step 0."""

    def call(*argv: str) -> str:
        config = argparser.parse(["--dataset", str(small_data), "--task", "4-1", *SMALL, *argv])
        dataset = build.run_dataset(config)
        step = make_step(dataset, config.task)
        about = reuse.about_step(config, build.step_data(config, step, dataset))
        about["identity"] |= {"images": "the same", "pretrained": ""}
        return reuse.step0_of_others(config, step, about).path.name

    return call


@pytest.mark.parametrize("name", OTHER)
def test_a_flag_changes_the_hash_of_step_0_exactly_if_its_scope_says_that_it_matters(name, hash_of, here):
    assert (hash_of(*flags_of(name)) != hash_of()) == (SCOPE[name] in DECIDE_STEP_0)


@pytest.fixture(scope="module")
def plain(small_data, tmp_path_factory):
    """Weights of step 0 of the small task."""
    import run

    root = tmp_path_factory.mktemp("plain")
    folders = [f"--{name}={root / name}" for name in ("checkpoint", "results_dir", "logdir", "cache_dir")]
    assert run.main(["--dataset", str(small_data), "--task", "4-1", *SMALL, "--step", "0", *folders]) == 0
    return checkpoint.load(next(root.glob("checkpoint/small*/*/step_0.pt")))["net"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OTHER if SCOPE[name] not in (*DECIDE_STEP_0, "images")])
def test_what_does_not_matter_for_step_0_leaves_its_bits(name, plain, cli, tmp_path):
    status, _, err = cli("--step", "0", "--no_share", *(flags_of(name) if name != "no_share" else ()))
    assert status == 0, err
    (file,) = tmp_path.glob("*/small_4-1_*/*/step_0.pt")
    weights = checkpoint.load(file)["net"]
    assert weights.keys() == plain.keys()
    assert all(torch.equal(weights[key], value) for key, value in plain.items())
