"""The notebook of a first run: as its script has it, with small outputs, and it runs."""

import pytest

from scripts.notebook import FILE, PARAMETERS, execute, notebook
from tests.conftest import ROOT, SMALL

nbformat = pytest.importorskip("nbformat")


def test_the_committed_notebook_has_the_cells_of_its_script_and_small_outputs():
    found = nbformat.read(FILE, 4)
    assert [cell.source for cell in found.cells] == [cell.source for cell in notebook().cells]
    outputs = [output for cell in found.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert any("forgetting" in output.get("text", "") for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
    assert FILE.stat().st_size < 300_000


@pytest.mark.slow
def test_the_notebook_runs_on_small_images(small_data, tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    made = notebook()
    (cell,) = [cell for cell in made.cells if PARAMETERS in cell.metadata.get("tags", [])]
    small = {flag.removeprefix("--"): value for flag, value in zip(SMALL[::2], SMALL[1::2], strict=True)}
    small |= {"dataset": str(small_data)}
    cell.source = f"values = {small}\nout = Path({str(tmp_path / 'out')!r})"
    pretrain = next(cell for cell in made.cells if "pretrain([])" in cell.source)
    pretrain.source = pretrain.source.replace("if not FILE", "FILE = ''\nif FILE and not FILE")
    made = execute(made, ROOT / "analysis" / "examples", timeout=600)
    text = "".join(output.get("text", "") for cell in made.cells for output in cell.get("outputs", []))
    assert text.count("step 2:") == 2 and "FT, small 4-1" in text
