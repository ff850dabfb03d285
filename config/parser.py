"""The parser of the run flags and of the chosen method's own; answers mistakes with one line."""

import argparse
from collections.abc import Collection, Mapping

from config.flags import DEFAULTS, FLAGS, Flag
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

# The flags that a first run needs; `--help` shows these.
FIRST_RUN = (
    "method", "dataset", "data_root", "task", "step", "backbone", "epochs", "lr", "batch_size", "explain",
)  # fmt: skip

# What people type who come from the published code bases, and what it is called here.
HINTS = {
    "--overlapped": "--setting overlap",
    "--disjoint": "--setting disjoint",
    "--gpu": "CUDA_VISIBLE_DEVICES",
    "--resume": "nothing: the same command continues",
    "--learning_rate": "--lr",
}


class Switch(argparse.Action):
    """A boolean hyper-parameter: `--name` turns it on, `--no_name` off."""

    def __init__(self, option_strings: list[str], dest: str, **options):
        super().__init__([*option_strings, f"--no_{dest}"], dest, nargs=0, **options)

    def __call__(self, parser, namespace, values, option_string=None):
        """Note which of the two was typed."""
        setattr(namespace, self.dest, not option_string.startswith("--no_"))


class Parser(argparse.ArgumentParser):
    """Answers mistakes with one line."""

    def error(self, message: str):
        """Raise what `run.py` prints as one line, instead of usage and exit."""
        if "ignored explicit argument" in message:  # --name=false
            option = message.removeprefix("argument ").split(":")[0].split("/")[0]
            message = takes_no_value(option, self._option_string_actions[option])
        raise ValueError(message)


def one_spelling(argv: list[str]) -> list[str]:
    """`argv` with every `--no-name` written `--no_name`."""
    return [f"--no_{word[5:]}" if word.startswith("--no-") else word for word in argv]


def takes_no_value(option: str, action: argparse.Action) -> str:
    """What to say about a value after the switch `option`."""
    off = f"--no_{action.dest} turns it off" if isinstance(action, Switch) else "leave it out to turn it off"
    return f"{option} takes no value: it turns on, {off}"


def build_parser(
    method: str, *, only: Collection[str] = DEFAULTS, description: str = DESCRIPTION
) -> Parser:
    """Run flags and the flags of `method`; nothing has a default here, so that what was typed is known.

    Args:
        method: a key of METHODS, or "" for run flags alone.
        only: names of the run flags that it has.
    """
    parser = Parser(
        prog="run.py",
        usage="python run.py [--flag value ...]",
        description=description,
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32),
    )
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            if flag.name in only:
                add_flag(group, flag)
    group = parser.add_argument_group(f"hyper-parameters of {method}")
    for name, (kind, default, text) in declared(method).items() if method else ():
        add_flag(group, Flag(name, default, "weights", text, kind=kind), both_ways=True)
    hidden = {"action": "store_const", "const": "overlap", "help": argparse.SUPPRESS}
    # Answered before anything is parsed, by `config.help`.
    parser.add_argument("-h", "--help", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--overlap", dest="setting", **hidden)  # the published spelling
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)  # launchers pass it
    return parser


def add_flag(group, flag: Flag, *, both_ways: bool = False) -> None:
    """Tell argparse about `flag`; a boolean hyper-parameter can be turned both on and off."""
    default = " ".join(map(str, flag.default)) if isinstance(flag.default, tuple) else flag.default
    said = "" if default == "" or (flag.kind is bool and not both_ways) else f" (default: {default})"
    text = f"{flag.help}{said}".replace("%", "%%")
    if flag.kind is bool:
        action = Switch if both_ways else "store_true"
        group.add_argument(f"--{flag.name}", action=action, help=text)
    else:
        choices, nargs = flag.choices or None, flag.nargs or None
        group.add_argument(f"--{flag.name}", type=flag.kind, choices=choices, nargs=nargs, help=text)


def command_line(values: Mapping[str, object]) -> list[str]:
    """The words that give each flag its value: `{"method": "MiB", "epochs": [30, 5], "no_share": True}`.

    A switch of the run that is False is left out: the command line has no word for it.

    Raises:
        ValueError: for None, which is no value, and for help.
    """
    if "help" in values:
        raise ValueError("help is for the command line: python run.py --help")
    words, switches = [], {flag.name for flags in FLAGS.values() for flag in flags if flag.kind is bool}
    for name, value in values.items():
        if value is None:
            raise ValueError(f"{name} cannot be None: leave it out for what recipe, method or default say")
        if isinstance(value, bool):
            words += [f"--{name}"] if value else [] if name in switches else [f"--no_{name}"]
        elif isinstance(value, list | tuple | range):
            words += [f"--{name}", *map(str, value)]
        else:
            words.append(f"--{name}={value}")  # so that a name may begin with a hyphen
    return words


def peek(argv: list[str], *names: str) -> dict[str, str]:
    """Values of those flags that `argv` has, before it is known which others there are."""
    parser = Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name in names:
        parser.add_argument(f"--{name}")
    return vars(parser.parse_known_args(argv)[0])


def unknown_flag(word: str, before: str, parser: Parser, method: str) -> str:
    """What to say about a `word` that is no flag's; `before` is the one before it on the command line."""
    flag = word.split("=")[0]
    if flag in HINTS:
        return f"unknown flag {flag}; use {HINTS[flag]}"
    if not flag.startswith("-"):
        action = parser._option_string_actions.get(before)
        if action is not None and action.nargs == 0:
            return f"{word!r} belongs to no flag; {takes_no_value(before, action)}"
        return f"{word!r} belongs to no flag"
    for other in METHODS:
        if flag.lstrip("-").removeprefix("no_") in declared(other):
            return f"{flag} is a hyper-parameter of {other}, not of {method}"
    options = [option for action in parser._actions for option in action.option_strings]
    try:
        closest(flag, options, "flag")
    except ValueError as error:
        return str(error)
    return f"unknown flag {flag}"
