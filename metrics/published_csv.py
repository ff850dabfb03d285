"""The results CSV of the published systems, and the five lines that their averaging script prints.

One row per step, no header: step, IoU of every class of the whole task in learning order, mean IoU over the
classes that occur. "X": the class is learned but absent from the test labels; "x": it is not learned yet.
"""

from collections.abc import Iterable, Sequence

ABSENT, NOT_LEARNED = "X", "x"


def published_row(step: int, iou: Sequence[float | None], miou: float, *, num_classes: int) -> str:
    """One row, without the line break.

    Args:
        step: number of the step.
        iou: of every learned class in learning order; None if absent from the labels.
        miou: mean over the classes that occur.
        num_classes: classes of the whole task.
    """
    cells = [ABSENT if value is None else str(float(value)) for value in iou]
    cells += [NOT_LEARNED] * (num_classes - len(cells))
    return ",".join([str(step), *cells, str(float(miou))])


def read_rows(lines: Iterable[str]) -> list[list[str]]:
    """Cells of every row; empty lines are skipped.

    Raises:
        ValueError: if there is no row, or a malformed one; the message has its number.
    """
    rows = [line.strip().split(",") for line in lines if line.strip()]
    if not rows:
        raise ValueError("no rows: this is no results CSV")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]) or len(row) < 3:
            raise ValueError(f"row {number} has {len(row)} cells, row 1 has {len(rows[0])}")
        try:
            int(row[0]), float(row[-1])
            [float(cell) for cell in row[1:-1] if cell not in (ABSENT, NOT_LEARNED)]
        except ValueError as error:
            raise ValueError(f"row {number} is no results row: {error}") from None
    return rows


def split_columns(rows: list[list[str]]) -> tuple[list[int], list[int]]:
    """Columns of the classes learned at the first row's step, and of the others."""
    classes = range(1, len(rows[0]) - 1)
    first = next((column for column in classes if rows[0][column] == NOT_LEARNED), len(rows[0]) - 1)
    return list(range(1, first)), list(range(first, len(rows[0]) - 1))


def percent(share: float) -> str:
    """As the published script prints it."""
    return str(round(100 * share, 2))


def published_summary(rows: list[list[str]]) -> list[str]:
    """The lines that the published average_csv.py prints, verbatim.

    Absent and unlearned classes count as 0 in the two group means, and a single row has none; see
    `honest_summary` for means over the present classes.
    """
    last = rows[-1]
    means = []
    for columns in split_columns(rows):
        total = sum(float(last[column]) for column in columns if last[column] not in (ABSENT, NOT_LEARNED))
        means.append(total / len(columns) if columns and len(rows) > 1 else 0.0)
    average = sum(float(row[-1]) for row in rows) / len(rows)
    return [
        f"Last Step: {int(last[0])}",
        f"Final Mean IoU {percent(float(last[-1]))}",
        f"Average Mean IoU {percent(average)}",
        f"Mean IoU first {percent(means[0])}",
        f"Mean IoU last {percent(means[1])}",
    ]


def honest_summary(rows: list[list[str]]) -> list[str]:
    """Group means of the last row over the classes that have an IoU, with class 0 and without it."""
    first, later = split_columns(rows)
    lines = []
    for name, columns in (("all", first + later), ("first", first), ("last", later)):
        foreground = [column for column in columns if column > 1]
        for suffix, chosen in (("", columns), (" without class 0", foreground)):
            cells = [rows[-1][column] for column in chosen]
            numbers = [float(cell) for cell in cells if cell not in (ABSENT, NOT_LEARNED)]
            value = percent(sum(numbers) / len(numbers)) if numbers else "-"
            lines.append(f"Mean over {len(numbers)} present classes, {name}{suffix}: {value}")
    return lines
