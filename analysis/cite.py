"""BibTeX of what runs used: methods, backbones, heads, data sets, and this program.

    python -m analysis.cite results/voc_15-5s_overlap >> paper.bib
    python -m analysis.cite --all                                      # every entry

RESULTS are folders of result files (`step_<k>.json`) at any depth. What belongs to what is said in one table,
`analysis/references.bib`, by the field `about`, which is not printed.
"""

import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import yaml

from analysis.commands import Parser, main
from analysis.report.runs import Run, read_runs

FILE = Path(__file__).resolve().parent / "references.bib"
PROJECT = Path(__file__).resolve().parent.parent / "CITATION.cff"
# What the names of backbones begin with or contain, and what is cited for it.
BACKBONES = {
    "resnet": ("resnet",), "tiny": ("resnet",), "swin": ("swin",), "timm:": ("timm",), "dinov2": ("dinov2",),
    "vit": ("vit",), "segformer": ("segformer",), "mask2former": ("mask2former",),
}  # fmt: skip
INPLACE = ("resnet18", "resnet50", "resnet101")  # by these names in the in-place-ABN layout


@cache
def references(path: Path = FILE) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Text of each entry without `about`, and what it is about (such as "method MiB"), by key.

    Raises:
        ValueError: if an entry is about nothing.
    """
    found = {}
    for entry in re.findall(r"^@.+?^}$", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        key = entry.partition("{")[2].partition(",")[0]
        about = re.search(r"^  about = \{(.+)\},\n", entry, flags=re.MULTILINE)
        if not about:
            raise ValueError(f"{path}: {key} has no field `about`")
        found[key] = entry.replace(about[0], ""), tuple(about[1].split("; "))
    return found


def keys_about(topics: Iterable[str]) -> list[str]:
    """Keys of the entries about any of `topics`, in file order."""
    wanted = set(topics)
    return [key for key, (_, about) in references().items() if wanted & set(about)]


def backbone_topics(name: str) -> list[str]:
    """What is cited for the backbone `name`, and for the head on top of it."""
    head = "head mask" if name.startswith("mask2former") else "head deeplab"
    words = [word for part, cited in BACKBONES.items() if part in name for word in cited]
    words += ["iabn"] * (name in INPLACE)
    return [head, *(f"backbone {word}" for word in words)]


def topics_of(run: Run) -> list[str]:
    """What a run used."""
    last, config = run.last, run.last["config"]
    head, *body = backbone_topics(str(config.get("backbone", "")))
    head = f"head {config['head']}" if config.get("head") else head
    return [f"method {last['method']}", f"dataset {last['dataset']}", head, *body]


def project_entry() -> str:
    """What CITATION.cff says, as BibTeX."""
    about = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))
    authors = " and ".join(f"{{{author['name']}}}" for author in about["authors"])
    lines = [f"  title = {{{about['title']}}},", f"  author = {{{authors}}},",
             f"  version = {{{about['version']}}},"]  # fmt: skip
    return "\n".join(["@software{continual_segmentation,", *lines, "}"])


def bibtex(keys: Iterable[str]) -> str:
    """The entries of `keys`."""
    return "\n\n".join(references()[key][0] for key in keys)


def work(options: Namespace) -> None:
    """Print the entries; what has none is named in a comment."""
    if not options.results and not options.all:
        raise ValueError("name folders of results, or --all")
    known = list(dict.fromkeys(topic for _, about in references().values() for topic in about))
    used = known if options.all else [topic for run in read_runs(options.results) for topic in topics_of(run)]
    keys, without = keys_about(used), [topic for topic in dict.fromkeys(used) if topic not in known]
    print(f"{project_entry()}\n\n{bibtex(keys)}")
    if without:
        print(f"\n% without a paper in the table: {', '.join(without)}")


def parser() -> Parser:
    """The flags."""
    made = Parser("cite", __doc__.split("\n")[0])
    made.add_argument("results", nargs="*", metavar="RESULTS", help="folders of result files, at any depth")
    made.add_argument("--all", action="store_true", help="every entry")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """Command line of this program."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
