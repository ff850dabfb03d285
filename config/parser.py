"""The parser of the run flags and of the chosen method's own; answers mistakes with one line."""

import argparse

from config.flags import FLAGS, Flag
from methods import METHODS
from methods.declared import declared
from utils.naming import closest

DESCRIPTION = """
A value comes from the first of: the command line, the file --config, the checkpoint under test, the recipe
of the published row that fits (method, dataset, task, setting, backbone), the layers of scripts/recipes.yaml
that fit, the method's default, the flag's default. --explain prints each value with where it comes from.

Command lines of MiB, PLOP, RCIL, NeST and RevisitingCSS run unchanged. One that has a flag which only they
have (--overlap, --opt_level, --task_num, --pod, --unce, ...) is read as theirs: --batch_size counts
per process, a missing --overlap means --setting disjoint, and what is missing otherwise is as their parsers
assume it (resnet101, fp32, ...). The first line of the output says what was understood. In every other
command line --batch_size is the global batch, whatever the number of processes.
"""

# What people type who come from the published code bases, and what it is called here.
HINTS = {
    "--overlapped": "--setting overlap",
    "--disjoint": "--setting disjoint",
    "--no-pretrained": "--no_pretrained",
    "--gpu": "CUDA_VISIBLE_DEVICES",
    "--resume": "nothing: the same command continues",
    "--learning_rate": "--lr",
}


class Parser(argparse.ArgumentParser):
    """Answers mistakes with one line."""

    def error(self, message: str):
        """Raise what `run.py` prints as one line, instead of usage and exit."""
        raise ValueError(message)


def build_parser(method: str) -> Parser:
    """Run flags and the flags of `method`; nothing has a default here, so that what was typed is known."""
    parser = Parser(
        prog="run.py",
        description=DESCRIPTION,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            add_flag(group, flag)
    group = parser.add_argument_group(f"hyper-parameters of {method}")
    for name, (kind, default, text) in declared(method).items():
        add_flag(group, Flag(name, default, "weights", text, kind=kind), both_ways=True)
    hidden = {"action": "store_const", "const": "overlap", "help": argparse.SUPPRESS}
    parser.add_argument("--overlap", dest="setting", **hidden)  # the published spelling
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)  # launchers pass it
    return parser


def add_flag(group, flag: Flag, *, both_ways: bool = False) -> None:
    """Tell argparse about `flag`; a boolean hyper-parameter can be turned both on and off."""
    default = " ".join(map(str, flag.default)) if isinstance(flag.default, tuple) else flag.default
    text = f"{flag.help} (default: {default})".replace("%", "%%")
    if flag.kind is bool:
        action = argparse.BooleanOptionalAction if both_ways else "store_true"
        group.add_argument(f"--{flag.name}", action=action, help=text)
    else:
        choices, nargs = flag.choices or None, flag.nargs or None
        group.add_argument(f"--{flag.name}", type=flag.kind, choices=choices, nargs=nargs, help=text)


def peek(argv: list[str], *names: str) -> dict[str, str]:
    """Values of those flags that `argv` has, before it is known which others there are."""
    parser = Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name in names:
        parser.add_argument(f"--{name}")
    return vars(parser.parse_known_args(argv)[0])


def unknown_flag(word: str, parser: Parser, method: str) -> str:
    """What to say about a flag that does not exist."""
    flag = word.split("=")[0]
    if flag in HINTS:
        return f"unknown flag {flag}; use {HINTS[flag]}"
    if not flag.startswith("-"):
        return f"{word!r} belongs to no flag"
    for other in METHODS:
        if flag.lstrip("-").removeprefix("no-") in declared(other):
            return f"{flag} is a hyper-parameter of {other}, not of {method}"
    options = [option for action in parser._actions for option in action.option_strings]
    try:
        closest(flag, options, "flag")
    except ValueError as error:
        return str(error)
    return f"unknown flag {flag}"
