"""Pages of the methods: fresh, whole, and with links that lead somewhere."""

import re

import pytest

from methods import METHODS, hyper_parameters
from methods.base import Method
from scripts import from_recipes, method_pages

PAGES = {path: path.read_text(encoding="utf-8") for path in sorted(method_pages.FOLDER.glob("*.md"))}


def test_pages_are_what_docstrings_recipes_and_numbers_say():
    assert method_pages.main(["--check"]) == 0
    assert {path.name for path in PAGES} == {"README.md", *map(method_pages.file_name, METHODS)}


def test_a_stale_page_is_named_and_mended(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(from_recipes, "ROOT", tmp_path)
    files = {tmp_path / "docs" / "plop.md": "new\n"}
    assert from_recipes.write_stale(files, check=True) == 1
    assert capsys.readouterr().out == "out of date: docs/plop.md\n" and not (tmp_path / "docs").exists()
    assert from_recipes.write_stale(files, check=False) == 0
    assert (tmp_path / "docs" / "plop.md").read_text() == "new\n"
    assert from_recipes.write_stale(files, check=True) == 0


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_its_idea_in_three_sentences_and_its_equation(name):
    idea, equation, _ = method_pages.paragraphs(METHODS[name])
    assert len(re.findall(r"[.:](?=\s|$)", idea)) >= 3, idea
    assert "=" in equation
    flags = set(re.findall(r"\b[a-z]{2,}(?:_[a-z]{2,})+\b", equation)) - {"theta_old"}
    assert flags <= set(hyper_parameters(METHODS[name]))


def test_a_method_without_an_equation_is_refused_by_name():
    class Bare(Method):
        """Nothing but an idea."""

    with pytest.raises(ValueError, match="Bare lacks a paragraph `Equation"):
        method_pages.paragraphs(Bare)


def test_hooks_flags_costs_and_oddities_are_those_of_the_method():
    plop = PAGES[method_pages.FOLDER / "plop.md"]
    assert "| `start_increment` | PLOP (`methods/plop.py`) |" in plop and "`build_model`" not in plop
    assert "--true_median / --no_true_median" in plop and "kept; `--true_median`" in plop
    assert "step of the embedded task took 1.2 times" in plop
    assert "douillard2021plop" in plop
    assert "[voc/eir_15-1-overlap]" in PAGES[method_pages.FOLDER / "eir.md"]  # a recipe without a number
    assert "without a gradient" in PAGES[method_pages.FOLDER / "lda.md"]
    assert "multiples of FT's iteration: time " in PAGES[method_pages.FOLDER / "dkd-m.md"]


def test_every_link_leads_to_a_file():
    for path, text in PAGES.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert (path.parent / target).is_file(), (path, target)
