"""Names in any script: letters, not boxes; or numbers, and what they mean said in text."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import ImageDraw, ImageFont

from analysis.drift_figures import draw_classes
from analysis.figures import save_figure, style
from dataset.base import voc_palette
from utils.pictures import fonts
from utils.pictures.confusion import confusion_picture
from utils.pictures.fonts import font, font_file, legible, written
from utils.pictures.segmentations import comparison

BOX = "\U0010fffe"  # no font has it


@pytest.fixture(autouse=True)
def only_matplotlibs_fonts(monkeypatch):
    """Whatever this machine has installed."""
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [])
    font_file.cache_clear()
    fonts._said.clear()
    yield
    font_file.cache_clear()


@pytest.mark.parametrize("text", ["Straße", "œuvre", "дорога", "δρόμος", "čtvrť", "ạ̈", "đường", "طريق"])
def test_letters_beyond_english_are_drawn_and_no_boxes(text):
    chosen = font(text, 20)
    missing = np.asarray(chosen.getmask(BOX)).tolist()
    for letter in set(text):
        assert np.asarray(chosen.getmask(letter)).tolist() != missing, letter
    assert written(text) == text and legible({3: text}) == {3: text}


def test_english_looks_as_ever():
    assert font("road", 14).getname() == ImageFont.load_default(14).getname()


def test_names_that_no_font_has_become_numbers_with_the_legend_in_text_once(caplog):
    names = {0: "background", 7: "道路", 9: "Straße"}
    for _ in range(2):
        assert legible(names) == {0: "background", 7: "7", 9: "Straße"}
    (record,) = caplog.records
    assert "no installed font" in record.message and "7 = 道路" in record.message


def test_other_text_that_no_font_has_shows_the_codes_of_its_letters():
    assert written("run 道") == r"run \u9053" and written("run 1") == "run 1"


def test_an_installed_font_that_has_the_letters_is_chosen(monkeypatch):
    folder = Path(get_data_path()) / "fonts/ttf"
    installed = [str(folder / name) for name in ("cmb10.ttf", "LastResortHE-Regular.ttf", "STIXGeneral.ttf")]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: installed)
    assert Path(font_file(frozenset([0x4E]))).stem == "DejaVuSans"
    letter = next(iter(fonts.charmap(installed[2]) - fonts.charmap(str(folder / "DejaVuSans.ttf"))))
    assert Path(font_file(frozenset([letter]))).stem == "STIXGeneral"
    assert Path(font_file(frozenset([0x9053]))).stem == "DejaVuSans"  # nobody has it: not the font of boxes
    assert fonts.families([chr(letter)]) == ["DejaVu Sans", "STIXGeneral"]


def test_pictures_and_figures_take_any_name(monkeypatch, tmp_path):
    """No text is drawn in a font that lacks a letter of it, and matplotlib does not warn."""
    drawn = []
    real = ImageDraw.ImageDraw.text

    def text(self, place, words, fill, letters, *rest, **options):
        missing = np.asarray(letters.getmask(BOX)).tolist()
        foreign = [letter for letter in words if not letter.isascii()]
        boxes = [one for one in foreign if np.asarray(letters.getmask(one)).tolist() == missing]
        drawn.append(words)
        assert not boxes, words
        return real(self, place, words, fill, letters, *rest, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    labels = np.arange(4).reshape(2, 2)
    names = ("Hintergründe", "дорога", "道路", "Straße")
    comparison([np.zeros((2, 2, 3), np.uint8)], [labels], {"実験 ä": [labels]}, class_names=names,
               palette=voc_palette(), caption="после 道")  # fmt: skip
    assert {"Hintergründe", "дорога", "2", r"\u5b9f\u9a13 ä", r"после \u9053"} <= set(drawn)
    confusion_picture(np.eye(4), list(legible(dict(enumerate(names))).values()), names)
    shown = list(legible(dict(enumerate(names))).values())
    keys = ("feature", "row", "alignment", "recall", "nearest_mean")
    rows = [{"class": name, "step": 0, "taught": 0} | dict.fromkeys(keys, 0.5) for name in shown]
    with warnings.catch_warnings(), style(shown):
        warnings.simplefilter("error")
        save_figure(draw_classes("FT", rows, shown), tmp_path / "a.png")
