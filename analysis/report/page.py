"""The report as one HTML page that needs nothing else: no network, no files beside it."""

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.report.curves import Series, coinciding, lines
from analysis.report.logged import loss_curves, samples
from analysis.report.maps import cell_colours, class_map, confusions
from analysis.report.runs import Run
from analysis.report.scatter import Point, scatter
from analysis.report.settings import CONVENTIONS, Setting, joint_iou, suffix
from analysis.report.svg import swatch
from analysis.report.tables import config_table, letter, number_tables, overview, percent
from metrics.view import result_files

TEMPLATES = Path(__file__).resolve().parent / "templates"


def page(settings: Sequence[Setting], out: Path) -> str:
    """The whole page, for the folder `out`; well-formed as XML, too."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["letter"] = letter
    used = {convention for setting in settings for convention in setting.conventions}
    return environment.get_template("report.html").render(
        settings=[about(setting) for setting in settings],
        overviews=[overview(settings, name) for name in CONVENTIONS if name in used]
        if len(settings) > 1
        else [],
        conventions={name: words for name, words in CONVENTIONS.items() if name in used},
        colours=cell_colours(),
        runs=[one_run(row.label, run, out) for s in settings for row in s.everyone for run in row.runs],
        differences={row.label: row.differences for s in settings for row in s.everyone if row.differences},
        made=datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
    )


def about(setting: Setting) -> dict:
    """What the page shows of one setting."""
    joint = joint_iou(setting)
    devices = {run.last["versions"].get("device") for row in setting.everyone for run in row.runs}
    return {
        "key": setting.key, "title": setting.title, "detail": setting.detail, "summary": summary(setting),
        "tables": number_tables(setting),
        "config": config_table(setting),
        "legend": legend(setting),
        "curves": curves(setting), "tradeoff": tradeoff(setting), "prices": prices(setting),
        "devices": sorted(map(str, devices)),
        "maps": [(row.label, swatch(row.number), class_map(row, joint), confusions(row))
                 for row in setting.rows],
        "joint_label": setting.joint[0].label if setting.joint else "",
        "large": len(setting.longest.last["classes"]) > 25,
        "long": setting.num_steps > 6,
        "seeds": max(len(row.runs) for row in setting.rows),
        "sources": sources(setting),
    }  # fmt: skip


def sources(setting: Setting) -> list[str]:
    """Where the published values come from."""
    found: dict[str, list[str]] = {}
    for label, cells in setting.published.items():
        for cell in cells:
            if cell.every:
                found.setdefault(cell.source, []).append(f"{label} {cell.words}")
    return [f"{source}: {', '.join(dict.fromkeys(words))}" for source, words in sorted(found.items())]


def summary(setting: Setting) -> list[tuple[str, str, str]]:
    """What stands out: what, who, how much."""
    name = f"all{suffix(setting.conventions[0])}"
    found = []
    for what, key, write in (
        (f"highest {setting.measure} of all classes", name, lambda one: f"{percent(one)} %"),
        ("highest of old classes", f"old{suffix(setting.conventions[0])}", lambda one: f"{percent(one)} %"),
        ("highest of new classes", f"new{suffix(setting.conventions[0])}", lambda one: f"{percent(one)} %"),
        ("least forgetting", "forgetting", lambda one: f"{percent(one)} points"),
        ("fewest trainable parameters", "trainable", lambda one: f"{one.mean:,.0f}"),
        ("shortest incremental training", "seconds", lambda one: f"{one.mean:,.0f} s"),
    ):
        best = [row for row in setting.rows if row.label in setting.best(key)]
        if best:
            found.append((what, ", ".join(row.label for row in best), write(best[0].of(key))))
    if setting.joint and (one := setting.joint[0].of(name)):
        found.append(("all classes at once reach", setting.joint[0].label, f"{percent(one)} %"))
    return found


def legend(setting: Setting) -> list[tuple[str, int, str]]:
    """Swatch, number and label of each row."""
    entries = [(swatch(row.number), row.number, row.label) for row in setting.rows]
    if setting.joint:
        entries.append((swatch(0, star=True), -1, setting.joint[0].label))
    return entries


def curves(setting: Setting) -> list[tuple[str, str]]:
    """Captions and charts of the scores over the steps, of all, old and new classes."""
    last, sign, measure = setting.longest.last, setting.conventions[0], setting.measure
    if setting.num_steps == 1:
        return []
    sizes = [sum(entry["step"] <= step for entry in last["classes"]) for step in range(last["step"] + 1)]
    ticks, made = [str(step) for step in range(len(sizes))], []
    for group, words in (
        ("all", "all classes seen so far"),
        ("old", "classes of step 0"),
        ("new", "later classes"),
    ):
        name = f"{setting.longest.kind_of_score}_{group}{suffix(sign)}"
        series = []
        for row in setting.rows:
            steps = row.over_steps(lambda result, name=name: result["scores"][name])
            points = [(step, 100 * one.mean, one.std and 100 * one.std) for step, one in steps.items()]
            series += [Series(row.label, row.number, points)] if points else []
        one = setting.joint[0].of(group + suffix(sign)) if setting.joint else None
        levels = [(setting.joint[0].label, 100 * one.mean)] if one else []
        if series:
            picture = lines(
                series,
                title=f"{measure} of {words} over the steps",
                x_ticks=ticks,
                levels=levels,
                x_label=f"step (classes: {sizes[0]} to {sizes[-1]})",
                y_label=f"{measure}, %",
            )
            made.append((f"{measure} of {words}, {CONVENTIONS[sign]}{in_words(coinciding(series))}", picture))
    return made


def in_words(groups: Sequence[Sequence[Series]]) -> str:
    """Which curves are one, if any are."""
    same = [" and ".join(one.label for one in group) for group in groups if len(group) > 1]
    return f"; one curve: {', '.join(same)}" if same else ""


def tradeoff(setting: Setting) -> str:
    """Old against new classes after the last step; "" where there are no new ones."""
    sign, points = setting.conventions[0], []
    for row in setting.everyone:
        old, new = (row.of(group + suffix(sign)) for group in ("old", "new"))
        if not (row.complete and old and new):
            continue
        note = f"{len(row.runs)} seeds" if len(row.runs) > 1 else ""
        points.append(Point(row.label, row.number, 100 * old.mean, 100 * new.mean, note, star=row.joint))
        for cell in [] if row.joint else setting.published[row.label]:
            if cell.convention == sign and cell.old is not None and cell.new is not None:
                note = f"published, {cell.source}"
                points.append(Point(row.label, row.number, cell.old, cell.new, note, hollow=True))
    if not points:
        return ""
    return scatter(
        points,
        title=f"{setting.measure} of old against new classes",
        x_label=f"old classes (of step 0), {setting.measure} %",
        y_label=f"new classes, {setting.measure} %",
        harmonics=True,
    )


def prices(setting: Setting) -> list[tuple[str, str]]:
    """Captions and charts of what incremental training costs against what it reaches."""
    name, made, measure = f"all{suffix(setting.conventions[0])}", [], setting.measure
    for key, caption, label in (
        ("trainable", f"trainable parameters against {measure}",
         "trainable parameters (mean over steps ≥ 1)"),
        ("seconds", f"training time against {measure}", "seconds of training (all steps ≥ 1)"),
    ):
        points = []
        for row in setting.rows:
            price, reached = row.of(key), row.of(name)
            if row.complete and price and reached and price.mean > 0:
                points.append(Point(row.label, row.number, price.mean, 100 * reached.mean))
        if len(points) > 1:
            made.append((caption, scatter(points, title=caption, x_label=label, log=True,
                                          y_label=f"all classes, {measure} %")))  # fmt: skip
    return made


def one_run(label: str, run: Run, out: Path) -> dict:
    """What the list of runs says of one; its files are linked from the folder `out`."""
    last, versions, files = run.last, run.last["versions"], result_files(run.path)[run.kind]
    return {
        "label": label, "seed": run.seed, "setting": " ".join(run.setting[:3]), "path": str(run.path),
        "steps": f"{last['step']} of {last['num_steps'] - 1}", "images": last["images"],
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items() if value),
        "files": [(file.stem.replace("_", " "), relative(file, out)) for file in files],
        "losses": loss_curves(run), "samples": samples(run),
    }  # fmt: skip


def relative(file: Path, folder: Path) -> str:
    """How a page in `folder` names `file`."""
    return quote(os.path.relpath(file.resolve(), folder.resolve()).replace(os.sep, "/"))
