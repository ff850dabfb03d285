"""One table over methods and seeds."""

import re

import pytest

from scripts import compare
from tests.conftest import SMALL

pytestmark = pytest.mark.slow


def test_methods_share_step_0_and_appear_in_one_table(small_data, tmp_path, capfd):
    words = ["--methods", "FT", "mib", "joint", "--seeds", "42", "1", "--out", str(tmp_path / "out")]
    words += ["--", "--dataset", str(small_data), "--task", "4-1", *SMALL]
    assert compare.main(words) == 0
    shown = capfd.readouterr().out
    assert shown.count("step 0 is that of FT") == 2
    rows = [line.split(" | ") for line in (tmp_path / "out/table.md").read_text().splitlines()]
    assert [row[0].strip("| ") for row in rows] == ["method", "---", "FT", "MiB", "joint"]
    assert all(re.fullmatch(r"-?\d+\.\d \+- \d+\.\d", cell.strip(" |")) for row in rows[2:] for cell in row[1:])


def test_an_unknown_method_is_named_before_anything_runs(tmp_path, capfd):
    assert compare.main(["--methods", "FT", "MBI", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean MiB" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
