"""One table over methods and seeds."""

import re

import pytest

from scripts import compare
from tests.conftest import SMALL

pytestmark = pytest.mark.slow


def test_methods_share_step_0_and_appear_in_one_table(small_data, tmp_path, capfd):
    argv = ["--methods", "FT", "mib", "joint", "--seeds", "42", "--out", str(tmp_path / "out")]
    argv += ["--", "--dataset", str(small_data), "--task", "4-1", *SMALL]
    assert compare.main(argv) == 0
    shown = capfd.readouterr().out
    assert shown.count("step 0 is that of FT") == 1
    rows = [line.split(" | ") for line in (tmp_path / "out/table.md").read_text().splitlines()]
    assert [row[0].strip("| ") for row in rows] == ["method", "---", "FT", "MiB", "joint"]
    cells = [cell.strip(" |") for row in rows[2:] for cell in row[1:]]
    assert cells.pop(15) == "-"  # after one step nothing is forgotten
    assert all(re.fullmatch(r"-?\d+\.\d", cell) for cell in cells)


def test_an_unknown_method_is_named_before_anything_runs(tmp_path, capfd):
    assert compare.main(["--methods", "FT", "MBI", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean MiB" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_seeds_give_mean_and_standard_deviation():
    def run(iou: float) -> list[dict]:
        classes = [{"label": 0, "step": 0, "iou": 0.5}, {"label": 3, "step": 1, "iou": iou}]
        cost = {"seconds": 2.0, "peak_memory_bytes": 3e6}
        return [
            {"classes": classes[:1], "cost": cost},
            {"classes": classes, "cost": cost, "over_steps": {"mean_forgetting": 0.1}},
        ]

    last = compare.table({"FT": [run(0.1), run(0.3)]}).splitlines()[-1]
    assert last == "| FT | 35.0 +- 7.1 | 50.0 +- 0.0 | 20.0 +- 14.1 | 10.0 +- 0.0 | 2.0 +- 0.0 | 3.0 +- 0.0 |"
