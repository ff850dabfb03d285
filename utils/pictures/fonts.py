"""Fonts for text in any script: Pillow's own has nothing beyond English, so others are looked for."""

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

log = logging.getLogger(__name__)
_said: set[str] = set()  # legends that this process gave already


def font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of `size` pixels that has every letter of `text`, or as many as any has."""
    if text.isascii():
        return ImageFont.load_default(size)
    return ImageFont.truetype(font_file(letters(text)), size)


def written(text: str) -> str:
    r"""`text` as it can be drawn: letters that no installed font has as their code, such as \u9053."""
    if text.isascii():
        return text
    lacking = letters(text) - charmap(font_file(letters(text)))
    return "".join(ascii(letter)[1:-1] if ord(letter) in lacking else letter for letter in text)


def legible(names: Mapping[int, str]) -> dict[int, str]:
    """Names of labels as they can be drawn: the number where no installed font has the letters.

    What the numbers mean is then said in the program's output, once.
    """
    drawn = {label: name if written(name) == name else str(label) for label, name in names.items()}
    lost = [f"{label} = {name}" for label, name in names.items() if drawn[label] != name]
    text = ", ".join(lost)
    if lost and text not in _said:
        _said.add(text)
        log.warning(f"no installed font has the letters of some class names; pictures show numbers: {text}")
    return drawn


def families(texts: Iterable[str]) -> list[str]:
    """Names of the fonts that matplotlib needs for `texts`, its own first; each is made known to it."""
    from matplotlib.font_manager import FontProperties, fontManager

    found = ["DejaVu Sans"]
    for path in sorted({font_file(letters(text)) for text in texts if not text.isascii()}):
        fontManager.addfont(path)
        found.append(FontProperties(fname=path).get_name())
    return list(dict.fromkeys(found))


def letters(text: str) -> frozenset[int]:
    """Codes of the letters of `text` that not every font has."""
    return frozenset(ord(letter) for letter in text if not letter.isascii())


@lru_cache
def font_file(codes: frozenset[int]) -> str:
    """The font that has all of `codes`, or most: matplotlib's DejaVu Sans, else one that is installed."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import findSystemFonts

    own = str(Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf")
    if codes <= charmap(own):
        return own
    installed = sorted(findSystemFonts(), key=lambda path: (*unusual(Path(path).stem.lower()), path))
    best = max([own, *installed], key=lambda path: len(codes & charmap(path)))  # the first of equals
    return best


def unusual(stem: str) -> tuple[bool, bool]:
    """How far a font file is from a plain upright sans, for sorting."""
    styled = any(word in stem for word in ("bold", "italic", "oblique", "light", "thin", "black", "mono"))
    return styled, "sans" not in stem and "gothic" not in stem


@lru_cache
def charmap(path: str) -> frozenset[int]:
    """Codes of the letters that the font file at `path` has; none if Pillow cannot draw with it."""
    from matplotlib.ft2font import FT2Font

    if "lastresort" in path.lower():  # has a box for every letter
        return frozenset()
    try:
        ImageFont.truetype(path, 14)
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
