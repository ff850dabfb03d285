"""One page per method, docs/methods/*.md: from docstrings, flags, recipes and published numbers.

    python -m scripts.method_pages             after a change of any of these
    python -m scripts.method_pages --check     says what is out of date, and has exit status 1 then

The docstring of a method begins with its idea, and has a paragraph `Equation: ...`. What the published code
does oddly, and what happens here, is read from REPRODUCING.md, as are seconds per step, from its table of all
methods, and what an iteration takes, from that of `python -m scripts.benchmark methods`.
"""

import argparse
import inspect
import re
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.cite import bibtex, keys_about
from config.published import JOINT, Published, read_published
from config.recipes import rows
from methods import METHODS, hyper_parameters
from methods.base import Method
from methods.build import step0_as
from methods.closed_form import ClosedForm
from scripts.from_recipes import ROOT, write_stale

FOLDER = ROOT / "docs" / "methods"
REPRODUCING = ROOT / "REPRODUCING.md"
TEMPLATE = "method_page.md.jinja"
# Systems whose oddities concern a method of another name, in REPRODUCING.md's table of methods.
SYSTEMS = {
    "DFT*": "RevisitingCSS", "EWC": "MiB", "PI": "MiB", "RW": "MiB", "RIDGE": "SegACIL", "EIR-softmax": "EIR",
    "SSUL-M": "SSUL", "DKD-M": "DKD", "STAR-M": "STAR", "ALIFE-M": "ALIFE",
}  # fmt: skip
HOOKS = [name for name, value in vars(Method).items() if callable(value) and not name.startswith("__")]
NEEDS = {
    "needs_teacher": "the network of the step before as teacher",
    "needs_background": "a background class",
    "needs_new_classes": "steps that bring classes",
}
SYMBOLS = """\
`z`: logits of the network, `u`: of the old one (the teacher), `y`: labels, `f`: features before the
classifiers, `h`: maps of all stages; `old` and `new` are classes of earlier steps and of this one. Losses are
means over pixels, and words with an underscore are flags."""


def file_name(name: str) -> str:
    """Of the page of a method."""
    return f"{name.replace('*', '_star').replace('+', '_').lower()}.md"


def paragraphs(kind: type[Method]) -> tuple[str, str, list[str]]:
    """Idea, equation, and what else the class's docstring says; what programmers need is left out.

    Raises:
        ValueError: if there is no paragraph `Equation: ...`.
    """
    parts = inspect.cleandoc(vars(kind)["__doc__"]).split("\n\n")
    at = next((number for number, part in enumerate(parts) if part.startswith("Equation: ")), 0)
    if not at:
        raise ValueError(f"the docstring of {kind.__name__} lacks a paragraph `Equation: ...`")
    rest = [part for part in parts[at + 1 :] if not part.startswith(("Attributes:", "Hyper-parameters"))]
    return "\n".join(parts[:at]), parts[at].removeprefix("Equation: "), rest


def hooks(kind: type[Method]) -> list[tuple[str, ...]]:
    """Name, class, file and meaning of each hook that is overridden, in the order of `Method`."""
    found = []
    for name in HOOKS:
        owner = next(ancestor for ancestor in kind.__mro__ if name in vars(ancestor))
        if owner is not Method:
            words = inspect.getdoc(getattr(Method, name)).split("\n")[0]
            found.append((name, owner.__name__, f"{owner.__module__.replace('.', '/')}.py", words))
    return found


def flags(kind: type[Method]) -> list[tuple[str, object, str]]:
    """Flag, default and help of each hyper-parameter."""
    found = []
    for name, (type_, default, words) in hyper_parameters(kind).items():
        flag = f"--{name} / --no_{name}" if type_ is bool else f"--{name}"
        found.append((flag, "none" if default == "" else default, words))
    return found


def numbers(name: str) -> list[list[str]]:
    """Cells of the published numbers, and of recipes without one."""
    found = [one for one in read_published() if one.method == name]
    known = {recipe for one in found for recipe in one.recipe}
    bare = [row for row in rows() if row.method == name and row.name not in known]
    return [number(one) for one in found] + [
        [f"{row.dataset} {row.task} {row.setting}", row.backbone, *("-" * 5), link(row.name)] for row in bare
    ]


def number(one: Published) -> list[str]:
    """Cells of one published number."""
    values = ["-" if value is None else f"{value:g}" for value in (one.old, one.new, one.all)]
    source = "; ".join(filter(None, [f"{one.source} ({one.evidence})", one.note]))
    scripts = ", ".join(map(link, one.recipe)) or "-"
    what = f"{one.dataset} {one.task} {one.setting}"
    return [what, one.backbone, *values, one.convention, source, scripts]


def link(recipe: str) -> str:
    """The script of a recipe, from a page."""
    return f"[{recipe}](../../scripts/{recipe}.sh)"


def table_below(heading: str, text: str, *, headed: bool = False) -> list[list[str]]:
    """Cells of the rows of the first Markdown table below a heading; `headed`: of its first line, too."""
    lines = re.search(r"(^\|.+\n)+", text.split(heading, 1)[1], flags=re.MULTILINE)[0].splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return [cells[0], *cells[2:]] if headed else cells[2:]


def oddities(name: str, text: str) -> list[list[str]]:
    """Rows of REPRODUCING.md about the systems of the method: kept, fixed, or an option."""
    systems = {SYSTEMS[name]} if name in SYSTEMS else {name, *name.split("+")}
    return [row for row in table_below("### Methods\n", text) if systems & set(row[0].split(", "))]


def cost(name: str, text: str) -> str:
    """Time of an iteration, and of a step of the embedded task, over that of fine-tuning, where measured."""
    if name == "FT":
        return "What the others are measured against."
    said = []
    ratios = {cells[0]: cells[-1] for cells in table_below("## What an iteration costs", text)}
    if issubclass(METHODS[name], ClosedForm):
        said.append("After step 0 a step is one pass over its images, without a gradient.")
    if name in ratios:
        said.append(f"In multiples of FT's iteration: {ratios[name]} (ResNet-101, two images of 128 pixels,")
        said.append("16 old of 21 classes, one CPU thread; of larger images, work per weight counts less).")
    head, *lines = table_below("## All methods on the embedded task", text, headed=True)
    table = {cells[0]: dict(zip(head, cells, strict=True))["s / step"] for cells in lines}
    if name in table:
        seconds, base = (float(table[key].split(" ")[0]) for key in (name, "FT"))
        said.append(f"An incremental step of the embedded task took {seconds / base:.1f} times FT's:")
        said.append(f"{table[name]} s against {table['FT']} s (three seeds, one core of a shared machine).")
    return "\n".join(said) or "Not measured."


def page(name: str, kind: type[Method], text: str) -> str:
    """The page of a method; `text` is that of REPRODUCING.md."""
    idea, equation, rest = paragraphs(kind)
    loader = FileSystemLoader(Path(__file__).parent)
    jinja = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return jinja.get_template(TEMPLATE).render(
        name=name, paper=inspect.getdoc(sys.modules[kind.__module__]).split("\n")[0], idea=idea,
        equation=equation, symbols=SYMBOLS, rest=rest, hooks=hooks(kind),
        needs=[words for flag, words in NEEDS.items() if getattr(kind, flag)], step0=step0_as(kind),
        flags=flags(kind), numbers=numbers(name), cost=cost(name, text), oddities=oddities(name, text),
        papers=bibtex(keys_about([f"method {name}"])),
    ).rstrip() + "\n"  # fmt: skip


def index() -> str:
    """The list of all pages."""
    lines = ["| `--method` | idea | own hooks | flags | published numbers |", "|---|---|--:|--:|--:|"]
    for name, kind in METHODS.items():
        sentence = paragraphs(kind)[0].replace("\n", " ").split(". ")[0].rstrip(".")
        count = sum(one.method == name for one in read_published())
        cells = [f"[{name}]({file_name(name)})", sentence, len(hooks(kind)), len(flags(kind)), count]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    joint = sum(one.method == JOINT for one in read_published())
    end = f"Joint training of all classes (`--task offline`) has {joint} published numbers."
    about = "Written by `python -m scripts.method_pages` from docstrings, recipes and `data/published.csv`."
    return "\n\n".join(["# Methods", about, "\n".join(lines), end]) + "\n"


def wanted() -> dict[Path, str]:
    """Every page with the text it should have."""
    text = REPRODUCING.read_text(encoding="utf-8")
    pages = {FOLDER / file_name(name): page(name, kind, text) for name, kind in METHODS.items()}
    return pages | {FOLDER / "README.md": index()}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m scripts.method_pages", description=about)
    parser.add_argument("--check", action="store_true", help="change nothing, only say what is out of date")
    return write_stale(wanted(), check=parser.parse_args(arguments).check)


if __name__ == "__main__":
    sys.exit(main())
