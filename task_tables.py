"""The published tasks as data: which classes, in which order, how many per step.

The portions "15-1" are 15 classes first, then 1 per step; more than two numbers are one step each. Background
is not counted.
Sources: tasks.py of MiB, PLOP, NeST, RevisitingCSS and RCIL; EIR's own names are in `ALIASES`.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

from utils.naming import closest

# Class orders besides 1, 2, 3, ...; VOC's letters are PLOP's 22 permutations, base classes before the bar.
VOC_ORDERS = {
    "b": "12 9 20 7 15 8 14 16 5 19 4 1 13 2 11 | 17 3 6 18 10",
    "c": "13 19 15 17 9 8 5 20 4 3 10 11 18 16 7 | 12 14 6 1 2",
    "d": "15 3 2 12 14 18 20 16 11 1 19 8 10 7 17 | 6 5 13 9 4",
    "e": "7 5 3 9 13 12 14 19 10 2 1 4 16 8 17 | 15 18 6 11 20",
    "f": "7 13 5 11 9 2 15 12 14 3 20 1 16 4 18 | 8 6 10 19 17",
    "g": "7 5 9 1 15 18 14 3 20 10 4 19 11 17 16 | 12 8 6 2 13",
    "h": "12 9 19 6 4 10 5 18 14 15 16 3 8 7 11 | 13 2 20 17 1",
    "i": "13 10 15 8 7 19 4 3 16 12 14 11 5 20 6 | 2 18 9 17 1",
    "j": "1 14 9 5 2 15 8 20 6 16 18 7 11 10 19 | 3 4 17 12 13",
    "k": "16 13 1 11 12 18 6 14 5 3 7 9 20 19 15 | 4 2 10 8 17",
    "l": "10 7 6 19 16 8 17 1 14 4 9 3 15 11 12 | 2 18 20 13 5",
    "m": "18 4 14 17 12 10 7 3 9 1 8 15 6 13 2 | 5 11 20 16 19",
    "n": "5 4 13 18 14 10 19 15 7 9 3 2 8 16 20 | 1 12 11 6 17",
    "o": "9 12 13 18 7 1 15 17 10 8 4 5 20 16 6 | 14 19 11 2 3",
    "p": "9 12 13 18 2 11 15 17 10 8 4 5 20 16 6 | 14 19 1 7 3",
    "q": "3 14 13 18 2 11 15 17 10 8 4 5 20 16 6 | 12 19 1 7 9",
    "r": "3 14 13 1 2 11 15 17 7 8 4 5 9 16 19 | 12 6 18 10 20",
    "s": "3 14 6 1 2 11 12 17 7 20 4 5 9 16 19 | 15 13 18 10 8",
    "t": "3 15 13 1 2 11 18 17 7 20 8 5 9 16 19 | 14 6 12 10 4",
    "u": "3 15 13 14 6 11 18 17 7 20 8 4 9 16 10 | 1 2 12 19 5",
    "v": "1 2 12 14 6 19 18 17 5 20 8 4 9 16 10 | 3 15 13 11 7",
    "w": "1 2 12 14 13 19 18 7 11 20 8 4 9 16 10 | 3 15 6 5 17",
}
# MiB's permutations of ADE20K: two portions of 50, then five of 10; each step lists its classes in ascending
# order.
ADE_ORDERS = {
    "b": """
        1 9 14 18 22 24 25 27 28 29 32 38 42 45 46 47 48 49 54 56 58 61 62 63 69 74 75 76 77 81 82 84
        90 93 96 100 103 104 109 117 119 121 123 128 129 130 134 135 136 144 |
        3 5 6 8 10 12 13 19 21 23 26 31 33 34 36 39 40 43 44 53 55 57 60 70 71 80 86 87 91 95 99 101
        105 106 107 113 116 120 125 126 131 132 133 140 142 143 147 148 149 150 |
        11 16 50 64 66 73 89 92 145 146 | 30 37 51 52 72 85 98 114 115 138 |
        2 35 65 97 110 111 112 118 124 141 | 4 7 15 41 67 78 79 88 108 139 |
        17 20 59 68 83 94 102 122 127 137""",
    "c": """
        5 10 11 12 13 16 17 19 20 23 27 28 30 31 32 33 37 43 46 52 56 57 65 66 69 70 74 76 77 79 82
        83 86 87 105 109 110 111 119 128 129 132 133 134 138 142 143 144 146 147 |
        1 6 8 9 14 24 25 26 29 34 35 36 40 41 44 45 48 50 54 61 63 67 68 71 78 81 84 85 90 94 95 96
        97 98 99 102 106 112 114 115 118 120 121 123 124 126 135 136 139 149 |
        3 4 7 18 39 64 73 101 113 137 | 47 51 55 60 62 80 116 127 140 148 |
        22 42 49 58 59 89 91 92 108 125 | 2 38 53 100 104 117 130 131 141 145 |
        15 21 72 75 88 93 103 107 122 150""",
}

# dataset -> published name -> (portions, class order); no order: as the dataset numbers its classes.
TASKS: dict[str, dict[str, tuple[str, str]]] = {
    "voc": {
        "offline": ("20", ""),
        "19-1": ("19-1", ""),
        "19-1b": ("19-1", "1 2 3 4 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 | 5"),
        "15-5": ("15-5", ""),
        "15-5s": ("15-1", ""),
        **{f"15-5s_{letter}": ("15-1", order) for letter, order in VOC_ORDERS.items()},
        "10-5-5": ("10-5", ""),
        "10-1": ("10-1", ""),
        "5-3": ("5-3", ""),
    },
    "ade": {
        "offline": ("150", ""),
        "100-50": ("100-50", ""),
        "100-10": ("100-10", ""),
        "100-5": ("100-5", ""),
        "50": ("50-50", ""),
        **{f"100-50{letter}": ("100-50", order) for letter, order in ADE_ORDERS.items()},
        **{f"100-10{letter}": ("100-10", order) for letter, order in ADE_ORDERS.items()},
        **{f"50{letter}": ("50-50", order) for letter, order in ADE_ORDERS.items()},
    },
    "cityscape": {"10-9": ("10-9", "")},
    "imagenet100": {"offline": ("100", ""), "50-10": ("50-10", "")},
    # Portions of domains (cities), not of classes.
    "cityscapes_domain": {
        "offline": ("21", ""),
        "11-5": ("11-5", ""),
        "11-1": ("11-1", ""),
        "1-1": ("1-1", ""),
    },
}

# Names of papers and of EIR (whose 5-3-60, ... differ in the size of its memory, not in the classes).
ALIASES: dict[str, dict[str, str]] = {
    "voc": {
        "15-1": "15-5s",
        **{f"15-1_{letter}": f"15-5s_{letter}" for letter in VOC_ORDERS},
        "10-5": "10-5-5",
        **dict.fromkeys(("5-3-60", "5-3-140", "5-3-180"), "5-3"),
    },
    "ade": {"50-50": "50", "50-50b": "50b", "50-50c": "50c"},
    "cityscape": {},
    "imagenet100": {},
    "cityscapes_domain": {},
}

ASCENDING = {"ade"}  # datasets whose steps list their classes in ascending order, whatever the task's order
NUM_DOMAINS = {"cityscapes_domain": 21}
STEPS = "steps"  # the task that the description of one's own data names
OFFLINE = ("offline", "joint")  # every dataset has them


def task_names(dataset: str) -> list[str]:
    """Published names of the tasks of `dataset`, then other names of the same."""
    return [*TASKS.get(dataset, OFFLINE[:1]), *ALIASES.get(dataset, {})]


def lookup(dataset: str, task: str) -> tuple[str, str, list[int]]:
    """Published name of `task`, its portions, and its class order ([]: the dataset's).

    Raises:
        ValueError: if there is no such task; the message names the nearest.
    """
    published, aliases = TASKS.get(dataset, {}), ALIASES.get(dataset, {})
    if task.lower() == STEPS and dataset not in TASKS:
        return STEPS, "", []
    if re.fullmatch(r"\d+(-\d+)+", task) and task not in published and task not in aliases:
        return task, task, []
    try:
        name = closest(task, [*published, *aliases, *OFFLINE], f"task of {dataset}")
    except ValueError as error:
        raise ValueError(f"{error} (or class counts such as 6-1: 6 first, then 1 per step)") from None
    name = "offline" if name in OFFLINE else aliases.get(name, name)
    portions, order = published.get(name, ("all", ""))
    return name, portions, [int(label) for label in order.replace("|", " ").split()]


def portion_out(items: Sequence[int], portions: str, what: str) -> list[tuple[int, ...]]:
    """`items` per step: "15-1" = 15, then 1 each; "10-5-5" = as counted; "20" or "all" = at once.

    Raises:
        ValueError: if the counts do not add up; the message names `what` and the possible counts.
    """
    total = len(items)
    counts = [total] if portions == "all" else [int(count) for count in portions.split("-")]
    if len(counts) == 2:
        base, increment = counts
        rest = total - base
        if base < 1 or rest < 1:
            raise ValueError(f"{what}: the first step takes 1 to {total - 1} of {total}, as in {total - 1}-1")
        if increment < 1 or rest % increment:
            possible = ", ".join(f"{base}-{size}" for size in range(1, rest + 1) if rest % size == 0)
            raise ValueError(f"{what}: {rest} of {total} remain after {base}; possible: {possible}")
        counts = [base] + [increment] * (rest // increment)
    if sum(counts) != total or min(counts) < 1:
        raise ValueError(f"{what}: the counts must be positive and add up to {total}, not {sum(counts)}")
    ends = accumulate(counts)
    return [tuple(items[end - count : end]) for count, end in zip(counts, ends, strict=True)]
