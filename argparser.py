"""Everything that is configurable: run flags, the chosen method's own flags, and the recipe of the setting.

A value comes from the first of: the command line, the checkpoint under test, the recipe that fits the setting,
the method's default, the flag's default. `--explain` prints each value with where it came from.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from dataset import DATASETS
from dataset.increment import PROTOCOLS, SETTINGS
from methods import METHODS, hyper_parameters, method_named
from models import BACKBONES
from segmentation_module import PRECISIONS
from utils.naming import closest
from utils.recipes import find_recipes

# What people type who come from the published code bases, and what it is called here.
HINTS = {
    "--overlapped": "--setting overlap", "--disjoint": "--setting disjoint", "--no-pretrained": "--no_pretrained",
    "--gpu": "CUDA_VISIBLE_DEVICES", "--resume": "nothing: the same command continues", "--learning_rate": "--lr",
}


@dataclass(frozen=True)
class Flag:
    """One run flag: how argparse reads it, and its default."""

    name: str
    default: object
    help: str
    kind: type = str
    choices: tuple = ()
    nargs: str = ""
    aliases: tuple = ()


FLAGS: dict[str, tuple[Flag, ...]] = {
    "what to run": (
        Flag("method", "FT", f"one of {', '.join(METHODS)}"),
        Flag("dataset", "shapes", f"one of {', '.join(DATASETS)}; or the YAML file of your own data"),
        Flag("task", "4-1", "published name (15-5s), papers' name (15-1), any B-I, or offline (joint training)"),
        Flag("step", "all", "steps to run: 0, several (0 1 2), a range (1-5), or all", nargs="+"),
        Flag("setting", "overlap", "which images a step sees", choices=SETTINGS),
        Flag("protocol", "plop", "what old, future and void pixels count as", choices=PROTOCOLS),
        Flag("test", False, "evaluate the saved checkpoints of the steps instead of training", kind=bool),
        Flag("explain", False, "print every resolved value and where it comes from, and stop", kind=bool),
        Flag("recipe", "auto", "auto: the recipe that fits the setting; none; or a recipe's name"),
    ),
    "where things are": (
        Flag("data_root", "", "folder of the dataset"),
        Flag("index_dir", "", "published .npy image lists to use instead of computed ones"),
        Flag("pretrained_path", "auto", "backbone weights; auto: the published file of the backbone in pretrained/"),
        Flag("no_pretrained", False, "start the backbone from random weights", kind=bool),
        Flag("step_ckpt", "", "checkpoint of the previous step, if not at its usual place"),
        Flag("ckpt", "", "with --test: evaluate this file"),
        Flag("checkpoint", "checkpoints", "folder for checkpoints"),
        Flag("results_dir", "results", "folder for result tables"),
        Flag("logdir", "logs", "folder for TensorBoard"),
        Flag("cache_dir", "cache", "folder for the scan of which image shows which class"),
        Flag("name", "", "suffix that tells this run from others of the same method and setting"),
        Flag("overwrite", False, "train steps again that are finished already", kind=bool),
    ),
    "network": (
        Flag("backbone", "tiny", f"one of {', '.join(BACKBONES)}"),
        Flag("output_stride", 16, "stride of the last feature map", kind=int, choices=(8, 16)),
        Flag("pooling", 32, "window of the head's image pooling in evaluation", kind=int),
        Flag("precision", "auto", "auto: bf16 on a GPU that has it, else fp32",
             choices=("auto", *PRECISIONS)),
    ),
    "training": (
        Flag("epochs", (30,), "per step: the first value is the first step's, the last one repeats", kind=int, nargs="+"),
        Flag("lr", (0.01, 0.001), "per step, like --epochs", kind=float, nargs="+"),
        Flag("batch_size", 24, "images per optimizer step, over all processes and accumulated batches", kind=int),
        Flag("accumulate", 1, "split each optimizer step into this many batches (less memory)", kind=int),
        Flag("weight_decay", 1e-4, "on every trainable parameter", kind=float),
        Flag("crop_size", 512, "side of the training crops and of the test view", kind=int),
        Flag("eval", "crop", "test on the centre crop (published) or on full images", choices=("crop", "full")),
        Flag("seed", 42, "of weights, order and augmentation", kind=int),
        Flag("num_workers", 4, "loader processes per process", kind=int),
        Flag("print_interval", 10, "iterations between two looks at the losses", kind=int),
        Flag("ckpt_interval", 10.0, "minutes between two saves of an unfinished step", kind=float),
        Flag("timeout", 1800.0, "seconds after which a process that waits for the others gives up", kind=float),
        Flag("deterministic", False, "only deterministic GPU kernels (slower)", kind=bool),
    ),
}
DEFAULTS = {flag.name: flag.default for flags in FLAGS.values() for flag in flags}


class Parser(argparse.ArgumentParser):
    """Answers mistakes with one line."""

    def error(self, message: str):
        """Raise what `run.py` prints as one line, instead of usage and exit."""
        raise ValueError(message)


def build_parser(method: str) -> Parser:
    """Run flags and the flags of `method`; nothing has a default here, so that what was typed is known."""
    parser = Parser(prog="run.py", description=__doc__, allow_abbrev=False, argument_default=argparse.SUPPRESS,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            add_flag(group, flag)
    group = parser.add_argument_group(f"hyper-parameters of {method}")
    for name, (kind, default, text) in hyper_parameters(METHODS[method]).items():
        add_flag(group, Flag(name, default, text, kind=kind), both_ways=True)
    parser.add_argument("--overlap", dest="setting", action="store_const", const="overlap", help=argparse.SUPPRESS)
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


def parse(argv: list[str] | None = None, *, checkpoint: dict | None = None) -> SimpleNamespace:
    """The resolved configuration of a run, with `hyper` (of the method) and `sources` (where each value is from).

    Args:
        argv: command line without the program's name. checkpoint: configuration stored in a checkpoint under test.

    Raises:
        ValueError: for an unknown flag, name or value, naming the nearest right one.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    checkpoint = checkpoint or {}
    chosen, _ = peek("method").parse_known_args(argv)
    method = method_named(getattr(chosen, "method", checkpoint.get("method", DEFAULTS["method"])))
    parser = build_parser(method)
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        raise ValueError(unknown_flag(unknown[0], parser, method))
    given = vars(given)
    given.pop("local_rank", None)

    method_defaults = {name: default for name, (_, default, _) in hyper_parameters(METHODS[method]).items()}
    known = DEFAULTS | method_defaults
    layers = {"default": DEFAULTS, f"{method}'s default": method_defaults}
    setting = DEFAULTS | checkpoint | given | {"method": method}
    for name, recipe in find_recipes(setting):
        for unknown in recipe.keys() - known.keys():
            raise ValueError(f"recipe {name} sets {unknown}, which {method} does not know")
        layers[f"recipe {name}"] = recipe
    layers |= {"checkpoint": checkpoint, "command line": given | {"method": method}}
    values, sources = {}, {}
    for source, layer in layers.items():
        for name in layer.keys() & known.keys():
            values[name], sources[name] = layer[name], source
    if "method" not in given:
        sources["method"] = "default"
    config = SimpleNamespace(**{name: values[name] for name in DEFAULTS})
    config.hyper = {name: values[name] for name in method_defaults}
    config.sources = sources
    return check(config)


def peek(name: str) -> Parser:
    """A parser that looks for one flag only."""
    parser = Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument(f"--{name}")
    return parser


def unknown_flag(word: str, parser: Parser, method: str) -> str:
    """What to say about a flag that does not exist."""
    flag = word.split("=")[0]
    if flag in HINTS:
        return f"unknown flag {flag}; use {HINTS[flag]}"
    if not flag.startswith("-"):
        return f"{word!r} belongs to no flag"
    for other, kind in METHODS.items():
        if flag.lstrip("-").removeprefix("no-") in hyper_parameters(kind):
            return f"{flag} is a hyper-parameter of {other}, not of {method}"
    options = [option for action in parser._actions for option in action.option_strings]
    try:
        closest(flag, options, "flag")
    except ValueError as error:
        return str(error)
    return f"unknown flag {flag}"


def check(config: SimpleNamespace) -> SimpleNamespace:
    """Plain types, exact names and sensible numbers; ValueError says which flag is wrong."""
    config.backbone = closest(config.backbone, BACKBONES, "backbone")
    if not config.dataset.endswith((".yaml", ".yml")):
        config.dataset = closest(config.dataset, DATASETS, "dataset")
    for name in ("epochs", "batch_size", "accumulate", "crop_size", "print_interval"):
        values = getattr(config, name)
        if min(values if isinstance(values, list | tuple) else [values]) < 1:
            raise ValueError(f"--{name} must be at least 1")
    for name in ("lr", "epochs", "step"):
        value = getattr(config, name)
        setattr(config, name, list(value) if isinstance(value, list | tuple) else [value])
    if config.no_pretrained:
        config.pretrained_path = ""
    for path in ("step_ckpt", "ckpt"):
        if getattr(config, path) and not Path(getattr(config, path)).is_file():
            raise FileNotFoundError(f"--{path}: no file {getattr(config, path)}")
    return config


def steps_of(words: list[str], num_steps: int) -> list[int]:
    """Step numbers that `--step` means, in order: "all", "2", "0 1 2", "1-5".

    Raises:
        ValueError: if the task has no such step.
    """
    steps = []
    for word in words:
        first, _, last = str(word).partition("-")
        if word == "all":
            steps += range(num_steps)
        elif first.isdigit() and (last.isdigit() or not last):
            steps += range(int(first), int(last or first) + 1)
        else:
            raise ValueError(f"--step {word}: use a number, a range such as 1-5, or all")
    if not steps or max(steps) >= num_steps:
        raise ValueError(f"--step {' '.join(words)}: the task has steps 0 to {num_steps - 1}")
    return steps


def per_step(values: list, steps: list[int], index: int, source: str):
    """The value of step `index` from a list that the last value of fills up.

    A list on the command line is aligned with the steps given there; a recipe's with the task's steps.
    """
    position = steps.index(index) if source == "command line" else index
    return values[min(position, len(values) - 1)]
