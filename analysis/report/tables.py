"""The report's tables: cells once, and how Markdown, LaTeX and CSV write them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.report.published import nearest
from analysis.report.rows import Row, Stat
from analysis.report.runs import IDENTITY, further
from analysis.report.settings import CONVENTIONS, Setting, named, suffix
from metrics.reported import SHARE
from metrics.table import significant

GROUPS = ("old", "new", "all", "harmonic", "average")


@dataclass
class Cell:
    """One cell: text, value to sort by (None goes last), whether it is the best of its column, a mark, and a
    note in small letters.
    """

    text: str
    value: float | str | None = None
    best: bool = False
    mark: str = ""
    note: str = ""


@dataclass
class Table:
    """Cells under heads; `notes` explain the marks, a, b, ..., and `key` the abbreviations in cells."""

    title: str
    heads: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    key: str = ""

    def mark(self, words: Sequence[str]) -> str:
        """Letters that stand for `words`, which join the notes."""
        self.notes += [word for word in words if word not in self.notes]
        return " ".join(letter(self.notes.index(word)) for word in words)


def letter(number: int) -> str:
    """a, b, ..., z, aa, ..."""
    return (letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def percent(one: Stat | None) -> str:
    """Mean and deviation of shares, in per cent."""
    if one is None:
        return "–"
    deviation = "" if one.std is None else f" ± {100 * one.std:.1f}"
    return f"{round(100 * one.mean, 1) + 0.0:.1f}{deviation}".replace("-", "−")


def count(one: Stat | None) -> str:
    """Mean of whole numbers."""
    return "–" if one is None else f"{one.mean:,.0f}"


def score_table(setting: Setting, convention: str) -> Table:
    """Methods by old, new, all, harmonic mean and average over steps, and what was published."""
    published = any(cell.every for cells in setting.published.values() for cell in cells)
    extra = ["published, all", "off by (band)", "step 0"] if published else ["step 0"]
    heads = [named(group, convention) for group in GROUPS]
    title = f"{setting.measure} in %, convention {convention}: {CONVENTIONS[convention]}"
    made = Table(title, ["method", *heads, *extra, "seeds"])
    if published:
        made.key = "In brackets: I counts background as an old class, X leaves it out."
    best = {group: setting.best(group + suffix(convention)) for group in GROUPS}
    for row in setting.everyone:
        cells = [Cell(row.label, row.label, mark=made.mark(row.marks))]
        for group in GROUPS:
            one = row.of(group + suffix(convention))
            cells.append(Cell(percent(one), one and one.mean, row.label in best[group]))
        known = [] if row.joint else setting.published[row.label]
        if published:
            cells.append(Cell("; ".join(cell.words for cell in known if cell.every) or "–"))
            cells.append(verdict(row, setting, convention))
        cells += [first_step(row, convention, known), Cell(str(len(row.runs)), len(row.runs))]
        made.rows.append(cells)
    return made


def verdict(row: Row, setting: Setting, convention: str) -> Cell:
    """How far a row is from the nearest value published in the same convention."""
    one = row.of(f"all{suffix(convention)}")
    known = [] if row.joint else setting.published[row.label]
    cell = nearest(known, "I" if convention == "N" else convention, one.mean) if one else None
    if cell is None or not row.complete:
        return Cell("–")
    off = cell.off(one.mean)
    inside = "inside" if cell.inside(one.mean) else "OUTSIDE"
    return Cell(f"{off:+.1f}, {inside} ± {cell.band:g}".replace("-", "−"), abs(off))


def first_step(row: Row, convention: str, published: Sequence) -> Cell:
    """The score after step 0, and whether it is as published (which counts background)."""
    name = f"{row.runs[0].kind_of_score}_all{suffix(convention)}"
    one = None if row.joint else row.over_steps(lambda r: r["scores"][name]).get(0)
    known = next((cell.step0 for cell in published if cell.step0), ())
    text = percent(one)
    if one and known and convention != "X":
        inside = "inside" if abs(100 * one.mean - known[0]) <= known[1] else "OUTSIDE"
        text += f", {inside} {known[0]:g} ± {known[1]:g}"
    return Cell(text, one and one.mean)


def cost_table(setting: Setting) -> Table:
    """Methods by what they lose and what they cost."""
    names = ("forgetting", "intransigence", "seconds", "trainable")
    heads = ["forgetting", "intransigence", "training, s", "trainable parameters", "trainable, %",
             "images/s", "peak memory, MiB"]  # fmt: skip
    made = Table("forgetting and cost", ["method", *heads])
    best = {name: setting.best(name) for name in names}
    for row in setting.everyone:
        cells = [Cell(row.label, row.label, mark=made.mark(row.marks))]
        for name, write in zip(names, (percent, percent, count, count), strict=True):
            one = row.of(name)
            cells.append(Cell(write(one), one and one.mean, row.label in best[name]))
        share, rate, memory = (row.of(n) for n in ("trainable_percent", "images_per_second", "peak_memory"))
        cells.append(Cell(significant(share.mean) if share else "–", share and share.mean))
        cells.append(Cell(count(rate), rate and rate.mean))
        cells.append(Cell(f"{memory.mean / 2**20:,.0f}" if memory else "–", memory and memory.mean))
        made.rows.append(cells)
    return made


def further_table(setting: Setting) -> Table | None:
    """Methods by the metrics that no other table shows, with unit and direction; None without any."""
    heads = [one.words for one in further().values()]
    made = Table("further metrics, after the last step", ["method", *heads])
    for row in setting.everyone if heads else ():
        cells = [Cell(row.label, row.label, mark=made.mark(row.marks))]
        for name, metric in further().items():
            one = row.of(name)
            text = percent(one) if metric.unit == SHARE else "–" if one is None else significant(one.mean)
            cells.append(Cell(text, one and one.mean, row.label in setting.best(name)))
        made.rows.append(cells)
    return made if made.rows else None


def number_tables(setting: Setting) -> list[Table]:
    """Every table of numbers of a setting."""
    made = [*(score_table(setting, name) for name in setting.conventions), cost_table(setting)]
    return [*made, *filter(None, [further_table(setting)])]


def config_table(setting: Setting) -> Table | None:
    """Configured values in which rows of one table differ; what only one row has is left to its files."""
    rows = setting.everyone
    made = Table("configured values in which these rows differ", ["value", *(row.label for row in rows)])
    configs = [row.runs[0].config for row in rows]
    for key in sorted(set().union(*configs) - {"method", *IDENTITY}):
        values = [config[key] for config in configs if key in config]
        if len(set(values)) > 1:
            cells = [Cell(config.get(key, "–") or "none") for config in configs]
            made.rows.append([Cell(key, key), *cells])
    return made if made.rows else None


def overview(settings: Sequence[Setting], convention: str) -> Table:
    """Methods by settings: the score of all classes; only settings that have that convention."""
    chosen = [setting for setting in settings if convention in setting.conventions]
    heads = [f"{setting.title}, {setting.detail}".replace(", ", "\n") for setting in chosen]
    measures = " or ".join(dict.fromkeys(setting.measure for setting in chosen))
    title = f"{measures} of all classes in %, convention {convention}: {CONVENTIONS[convention]}"
    made = Table(title, ["method", *heads])
    name = f"all{suffix(convention)}"
    labels = list(dict.fromkeys(row.label for setting in chosen for row in [*setting.rows, *setting.joint]))
    labels.sort(key=lambda label: label.startswith("joint training"))
    for label in labels:
        cells = [Cell(label, label)]
        for setting in chosen:
            row = next((row for row in setting.everyone if row.label == label), None)
            one = row and row.of(name)
            cell = Cell(percent(one), one and one.mean, label in setting.best(name))
            if row:
                cell.mark, cell.note = made.mark(row.marks), beside(row, setting, convention)
            cells.append(cell)
        made.rows.append(cells)
    return made


def beside(row: Row, setting: Setting, convention: str) -> str:
    """The nearest published value with its band, or those of another convention, which is named."""
    one = row.of(f"all{suffix(convention)}")
    known = [] if row.joint else [cell for cell in setting.published[row.label] if cell.every]
    if not known or not one:
        return ""
    cell = nearest(known, "I" if convention == "N" else convention, one.mean)
    if cell is None:
        return known[0].words
    return f"{round(100 * one.mean - cell.off(one.mean), 2):g} ± {cell.band:g}"


# -- formats -----------------------------------------------------------------------------------------------
def markdown(table: Table) -> str:
    """A table that GitHub shows; the best is bold."""
    lines = [table.title, "", row_of(head.replace("\n", ", ") for head in table.heads),
             row_of([":--", *["--:"] * (len(table.heads) - 1)])]  # fmt: skip
    for cells in table.rows:
        texts = []
        for cell in cells:
            text = cell.text.replace("|", "\\|").replace("*", "\\*")
            text = f"**{text}**" if cell.best else text
            text += f" ({cell.note})" if cell.note else ""
            texts.append(f"{text} <sup>{cell.mark}</sup>" if cell.mark else text)
        lines.append(row_of(texts))
    lines += [f"\n<sup>{letter(number)}</sup> {note}" for number, note in enumerate(table.notes)]
    lines += [f"\n{table.key}"] * bool(table.key)
    return "\n".join(lines) + "\n"


def row_of(cells) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--",
         "±": r"$\pm$", "−": "$-$"} | {sign: f"\\{sign}" for sign in "&%$#_{}"}  # fmt: skip


def latex(table: Table, *, name: str) -> str:
    """A table for the booktabs package; the best is bold."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape(table.title)}}}", rf"\label{{tab:{name}}}",
             rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}", r"\toprule",
             " & ".join(escape(head.replace("\n", ", ")) for head in table.heads) + r" \\",
             r"\midrule"]  # fmt: skip
    for cells in table.rows:
        texts = []
        for cell in cells:
            text = rf"\textbf{{{escape(cell.text)}}}" if cell.best else escape(cell.text)
            text += rf" {{\scriptsize ({escape(cell.note)})}}" if cell.note else ""
            texts.append(rf"{text}$^{{\mathrm{{{cell.mark}}}}}$" if cell.mark else text)
        lines.append(" & ".join(texts) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize $^{{\mathrm{{{letter(number)}}}}}$ {escape(note)}"
              for number, note in enumerate(table.notes)]  # fmt: skip
    lines += [rf"\par\footnotesize {escape(table.key)}"] * bool(table.key)
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def escape(text: str) -> str:
    """`text` with the signs that LaTeX reads as commands."""
    return "".join(LATEX.get(sign, sign) for sign in text)
