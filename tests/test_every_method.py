"""Every method as a user runs it: three steps, one after the other or at once, and tested again."""

import shutil

import pytest
import torch

from experiment import checkpoint
from methods import METHODS

# One of them goes with the quick tests.
methods = [name if name == "MiB" else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]


@pytest.mark.parametrize("name", methods)
def test_three_steps_continue_at_a_step_and_retest_to_the_same_numbers(cli, tmp_path, name):
    status, trained, err = cli("--method", name)
    assert status == 0, err
    (folder,) = tmp_path.glob("checkpoints/small_4-1_overlap/*_tiny*")
    results = tmp_path / "results" / folder.relative_to(tmp_path / "checkpoints")

    apart = tmp_path / "apart" / folder.relative_to(tmp_path / "checkpoints")
    apart.mkdir(parents=True)
    shutil.copy(folder / "step_0.pt", apart)
    for step in ("1", "2"):
        status, _, err = cli("--method", name, "--step", step, "--checkpoint", "apart", "--results_dir", "b")
        assert status == 0, err
    together, stepwise = (checkpoint.load(place / "step_2.pt")["net"] for place in (folder, apart))
    assert together.keys() == stepwise.keys()
    assert all(torch.equal(together[key], stepwise[key]) for key in together)

    before = {path.name: path.read_text() for path in results.iterdir()}
    for path in results.iterdir():
        path.unlink()
    status, tested, err = cli("--method", name, "--test")
    assert status == 0, err
    assert {path.name: path.read_text() for path in results.iterdir()} == before
    assert table(tested) == table(trained)


def table(out: str) -> list[str]:
    """The last table that a run printed and what follows it, but not how long all took."""
    lines = out.splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith("step  classes"))
    return [line for line in lines[start:] if not line.startswith("Run continue")]
