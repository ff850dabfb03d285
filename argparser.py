"""Everything that is configurable: run flags, the chosen method's own flags, and the recipe of the setting.

A value comes from the first of: the command line, the checkpoint under test, the recipe that fits the setting,
the method's default, the flag's default. `--explain` prints each value with where it came from.
"""

import argparse
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from dataset import DATASETS
from dataset.increment import IncrementData, increment_data
from methods import METHODS, hyper_parameters, method_named
from models import backbone_name, default_weights
from segmentation_module import Parts
from task_tables import lookup
from tasks import Step
from train import Training
from utils import checkpoint
from utils.distributed import world_size
from utils.flags import DEFAULTS, FLAGS, HINTS, Flag
from utils.layout import RunFiles
from utils.naming import closest
from utils.recipes import find_recipes

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


def parse(argv: list[str] | None = None) -> SimpleNamespace:
    """The resolved configuration of a run, with `hyper` (of the method) and `sources` (where each value is from).

    With `--test`, what is not on the command line comes from the checkpoint under test.

    Raises:
        ValueError: for an unknown flag, name or value, naming the nearest right one.
        FileNotFoundError: if a file that the command line names is not there.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    config = resolve(argv, {})
    if config.ckpt and not config.test:
        raise ValueError("--ckpt names a file to evaluate: add --test, or use --step_ckpt to continue from it")
    if config.test:
        saved = [Path(config.ckpt)] if config.ckpt else run_files(config).checkpoints_saved()
        if saved:
            content = checkpoint.load(saved[0])
            config = resolve(argv, content["config"])
            if config.ckpt:
                config.step = [str(content["step"])]
    return config


def resolve(argv: list[str], stored: dict) -> SimpleNamespace:
    """The configuration from all its layers; `stored` is that of a checkpoint under test, or empty."""
    chosen, _ = peek("method").parse_known_args(argv)
    method = method_named(getattr(chosen, "method", stored.get("method", DEFAULTS["method"])))
    parser = build_parser(method)
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        raise ValueError(unknown_flag(unknown[0], parser, method))
    given = vars(given) | {"method": method}
    given.pop("local_rank", None)
    stored = {name: value for name, value in stored.items() if name not in RUN_ONLY}

    own = {name: default for name, (_, default, _) in hyper_parameters(METHODS[method]).items()}
    setting = names_checked(DEFAULTS | stored | given)
    given |= {name: setting[name] for name in given.keys() & setting.keys()}
    layers = [("default", DEFAULTS), (f"default of {method}", own)]
    for name, recipe in find_recipes(setting):
        for unknown in recipe.keys() - DEFAULTS.keys() - own.keys():
            raise ValueError(f"recipe {name} sets {unknown}, which {method} does not know")
        layers.append((f"recipe {name}", recipe))
    layers += [("checkpoint", stored), ("command line", given)]
    values, sources = {}, {}
    for source, layer in layers:
        for name in layer.keys() & (DEFAULTS.keys() | own.keys()):
            values[name], sources[name] = layer[name], source
    config = SimpleNamespace(**{name: values[name] for name in DEFAULTS})
    config.hyper = {name: values[name] for name in own}
    config.sources = sources
    return check(config)


# What says how to run, not what to compute: never taken over from a checkpoint.
RUN_ONLY = {"test", "explain", "ckpt", "step", "step_ckpt", "overwrite", "data_root", "cache_dir", "checkpoint",
            "results_dir", "logdir", "num_workers", "timeout"}


def names_checked(setting: dict) -> dict:
    """`setting` with the exact names of dataset, task and backbone."""
    dataset = str(setting["dataset"])
    if not dataset.endswith((".yaml", ".yml")):
        dataset = closest(dataset, DATASETS, "dataset")
    return setting | {"dataset": dataset, "task": lookup(Path(dataset).stem, str(setting["task"]))[0],
                      "backbone": backbone_name(setting["backbone"])}


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
    """Plain types and sensible numbers; ValueError says which flag is wrong."""
    for name in ("lr", "epochs", "step"):
        value = getattr(config, name)
        setattr(config, name, list(value) if isinstance(value, list | tuple) else [value])
    for name in ("epochs", "batch_size", "accumulate", "crop_size", "print_interval"):
        value = getattr(config, name)
        if min(value if isinstance(value, list) else [value]) < 1:
            raise ValueError(f"--{name} must be at least 1")
    config.num_workers = min(config.num_workers, os.cpu_count() or 1)
    if config.precision == "auto":
        config.precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
    if config.pretrained_path == "auto":
        config.pretrained_path = str(default_weights(config.backbone))
    if config.no_pretrained:
        config.pretrained_path = ""
    for path in ("step_ckpt", "ckpt"):
        if getattr(config, path) and not Path(getattr(config, path)).is_file():
            raise FileNotFoundError(f"--{path}: no file {getattr(config, path)}")
    return config


# -- from the namespace to what the parts of the framework take -----------------------------------------------------
def run_files(config: SimpleNamespace) -> RunFiles:
    """The files of the run; a seed other than the published 42 is part of its name."""
    seed = "" if config.seed == DEFAULTS["seed"] else f"seed{config.seed}"
    words = [config.method.replace("*", "_STAR"), config.backbone.replace(":", "_").replace("/", "_"), config.name, seed]
    setting = f"{Path(config.dataset).stem}_{config.task}_{config.setting}"
    run = "_".join(word for word in words if word)
    return RunFiles(Path(config.checkpoint), Path(config.results_dir), Path(config.logdir), setting=setting, run=run)


def network_parts(config: SimpleNamespace, *, pretrained: bool) -> Parts:
    """How this run's networks are built; only a network that starts training needs `pretrained` weights."""
    return Parts(config.backbone, output_stride=config.output_stride, pooling=config.pooling,
                 precision=config.precision, pretrained=config.pretrained_path if pretrained else "")


def step_data(config: SimpleNamespace, step: Step, dataset) -> IncrementData:
    """The images that a step trains and is tested on."""
    return increment_data(dataset, step, setting=config.setting, protocol=config.protocol, crop_size=config.crop_size,
                          evaluation=config.eval, index_dir=config.index_dir, cache_dir=config.cache_dir,
                          seed=config.seed)


def training(config: SimpleNamespace, steps: list[int], index: int) -> Training:
    """Numbers of the optimisation of step `index`."""
    return Training(
        epochs=of_step(config, "epochs", steps, index), lr=of_step(config, "lr", steps, index),
        weight_decay=config.weight_decay, accumulate=config.accumulate, print_interval=config.print_interval,
        scale_loss=config.precision == "fp16",
    )


def batch_size(config: SimpleNamespace) -> int:
    """Images per process and batch.

    Raises:
        ValueError: if the global batch does not divide evenly.
    """
    parts = world_size() * config.accumulate
    if config.batch_size % parts:
        raise ValueError(f"--batch_size {config.batch_size} does not divide by processes x accumulation = {parts}")
    return config.batch_size // parts


def flat(config: SimpleNamespace) -> dict:
    """All resolved values, the method's own among them, in plain types."""
    return {name: getattr(config, name) for name in DEFAULTS} | config.hyper


def explain(config: SimpleNamespace) -> str:
    """One line per value: name, value, where it comes from."""
    return "\n".join(f"{name:18} {value!s:28} {config.sources[name]}" for name, value in flat(config).items())


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


def of_step(config: SimpleNamespace, name: str, steps: list[int], index: int):
    """Value of the per-step flag `name` at step `index`; the last value stands for all that follow.

    On the command line the values are aligned with the steps asked for, elsewhere with the task's steps.
    """
    values = getattr(config, name)
    position = steps.index(index) if config.sources[name] == "command line" else index
    return values[min(position, len(values) - 1)]
