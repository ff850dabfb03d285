"""The leaderboard as one HTML page that needs nothing else: no network, no files beside it."""

import datetime
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.cite import backbone_topics, bibtex, keys_about, project_entry
from analysis.leaderboard.entries import Entry, evidence_words
from analysis.report.page import TEMPLATES as REPORT
from config.published import CONVENTIONS, EVALUATIONS

TEMPLATES = Path(__file__).resolve().parent / "templates"
NAMES = tuple(field.name for field in fields(Entry))
DATASETS = {"voc": "PASCAL VOC", "ade": "ADE20K", "cityscapes_domain": "Cityscapes by domain"}


def page(entries: Sequence[Entry], *, unfinished: int = 0) -> str:
    """The whole page; well-formed as XML, too. `unfinished`: own runs that are not on it."""
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, REPORT]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    published = [entry for entry in entries if not entry.own]
    return environment.get_template("leaderboard.html").render(
        data={
            "names": NAMES,
            "rows": [[getattr(entry, name) for name in NAMES] for entry in entries],
            "datasets": DATASETS, "conventions": CONVENTIONS, "evaluations": EVALUATIONS,
            "evidence": evidence_words(), "references": references(entries),
        },
        numbers=len(published), methods=len({entry.method for entry in published if not entry.joint}),
        sources=len({entry.source for entry in published}), own=len(entries) - len(published),
        unfinished=unfinished, conventions=CONVENTIONS, evaluations=EVALUATIONS, evidence=evidence_words(),
        made=datetime.datetime.now().astimezone().strftime("%d %B %Y"),
    )  # fmt: skip


def references(entries: Sequence[Entry]) -> dict:
    """BibTeX of what the entries are about: `entries` by key, and keys by method, backbone and data set."""
    topics = {f"method {entry.method}": [f"method {entry.method}"] for entry in entries}
    topics |= {f"dataset {entry.dataset}": [f"dataset {entry.dataset}"] for entry in entries}
    topics |= {f"backbone {entry.backbone}": backbone_topics(entry.backbone) for entry in entries}
    keys = {topic: keys_about(words) for topic, words in topics.items()}
    used = dict.fromkeys(key for found in keys.values() for key in found)
    return {"project": project_entry(), "keys": keys, "entries": {key: bibtex([key]) for key in used}}
