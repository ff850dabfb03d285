"""Values of flags, and the choice among them by training images that no run of the search trained on."""

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import mean

from config.flags import DEFAULTS, flag_names
from methods import METHODS, hyper_parameters
from scripts.comparison_table import JOINT, by_seed, spread
from utils.naming import closest

Values = tuple[tuple[str, str], ...]  # flags with the words of their values, in the order of the grid
Tried = Mapping[tuple[str, Values], Sequence[list[dict]]]  # results of every seed, by method and combination


def read_grid(words: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """The values of each flag from words such as `loss_kd=1,10` and `lr="0.01 0.001,0.1 0.01"`.

    Args:
        names: of the methods, at least one of which has to know each flag.

    Raises:
        ValueError: for a word that is no grid, and for a flag that is none or that decides no weight.
    """
    weights = flag_names("weights", "later", "chain")
    own = {flag for name in names for flag in hyper_parameters(METHODS[run_as(name)])}
    grid: dict[str, list[str]] = {}
    for word in words:
        flag, equals, values = word.partition("=")
        listed = [" ".join(value.split()) for value in values.split(",")]
        if not equals or not all(listed):
            raise ValueError(f"--grid {word}: write flag=value,value, such as loss_kd=1,10,100")
        flag = flag.removeprefix("--")
        if flag in DEFAULTS and flag not in weights | own:
            raise ValueError(f"--grid {flag} decides no weight, so there is nothing to choose")
        grid[closest(flag, [*weights, *own], f"flag of {', '.join(names)} for --grid")] = listed
    return grid


def run_as(name: str) -> str:
    """The method that a row of the comparison runs: joint training is that of fine-tuning."""
    return "FT" if name == JOINT else name


def combinations(grid: Mapping[str, Sequence[str]], name: str) -> list[Values]:
    """Every combination of the values of those flags that the method `name` knows."""
    known = DEFAULTS.keys() | hyper_parameters(METHODS[run_as(name)]).keys()
    flags = [flag for flag in grid if flag in known]
    return [tuple(zip(flags, values, strict=True)) for values in product(*(grid[flag] for flag in flags))]


def words_of(values: Values) -> list[str]:
    """What the command line of a run says for `values`."""
    words = []
    for flag, value in values:
        if value.lower() in ("true", "false"):
            words.append(f"--{flag}" if value.lower() == "true" else f"--no-{flag}")
        else:
            words += [f"--{flag}", *value.split()]
    return words


def in_words(values: Values) -> str:
    """`values` for people: "loss_kd 10, lr 0.01"."""
    return ", ".join(f"{flag} {value}" for flag, value in values) or "as given"


def folder_name(values: Values) -> str:
    """`values` as part of the name of a run: "loss_kd10_lr0.01-0.001"."""
    return "_".join(f"{flag}{value.replace(' ', '-')}" for flag, value in values)


def choose(tried: Tried) -> dict[str, Values]:
    """For each method the combination with the best mean over seeds of the mIoU of all classes at the end.

    Args:
        tried: results of the search, by method and combination; of equal ones the first is taken.

    Raises:
        ValueError: if not all were tested on the same images, or one on images of the test set.
    """
    last = [results[-1]["test"] for seeds in tried.values() for results in seeds]
    images = {test["images"] for test in last}
    if len(images) > 1 or not all(test["view"]["val_share"] for test in last):
        raise ValueError(
            f"the runs of the search were tested on different images: {', '.join(sorted(images))}"
        )
    best: dict[str, tuple[float, Values]] = {}
    for (name, values), seeds in tried.items():
        reached = mean([*by_seed(seeds).values()] or [-1.0])
        if name not in best or reached > best[name][0]:
            best[name] = reached, values
    return {name: values for name, (_, values) in best.items()}


def chosen_lines(tried: Tried, chosen: Mapping[str, Values]) -> str:
    """What was chosen, by what, and how the others did: the text under the table."""
    view = next(iter(tried.values()))[0][-1]["test"]
    share, images = 100 * view["view"]["val_share"], view["images"].split()[0]
    lines = [
        f"Values chosen on {share:g} % of the training images ({images}), on which no run of the search "
        "trained; no test image was looked at. mIoU of all classes there:"
    ]
    for name, values in chosen.items():
        others = [
            f"{in_words(other)}: {spread([*by_seed(seeds).values()])}" + " (chosen)" * (other == values)
            for (method, other), seeds in tried.items()
            if method == name
        ]
        lines.append(f"- {name}: {'; '.join(others)}")
    return "\n".join(lines)
