"""Everything that is configurable: run flags, the chosen method's own flags, and the recipe of the setting.

A value comes from the first of: the command line, the file `--config`, the checkpoint under test, the recipe
that fits the setting, the method's default, the flag's default. `--explain` prints each value with where it
came from.
"""

import os
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from types import SimpleNamespace

import yaml

from config.flags import CONTENT, DEFAULTS, checked, flag_names
from config.help import answer_help
from config.parser import build_parser, command_line, one_spelling, peek, unknown_flag
from config.published_command_lines import Line, translate
from config.recipes import find_recipes, is_file, named, read_values, source_of
from config.values import check_cache, flat, run_files
from dataset import DATASETS, first_task, has_one_label
from methods import method_named
from methods.declared import declared, heads_of
from models import backbone_name, default_weights
from modules.heads import HEADS, head_named
from task_tables import lookup
from utils import gpu
from utils.cores import usable_cores
from utils.naming import closest
from utils.outline import declared_of

# What a checkpoint does not decide for a test of it, or for an analysis.
NOT_FROM_CHECKPOINTS = flag_names("place", "call", "rounding")

FOUND_BY = ("method", "dataset", "task", "setting")
NOT_NEGATIVE = "lr weight_decay backbone_lr clip_grad ckpt_interval timeout num_workers seed".split()
NOT_IN_FILES = {"explain", "yaml", "config", "recipe"}


def parse(argv: list[str] | None = None) -> SimpleNamespace:
    """The resolved configuration of a run, with `hyper` (of the method) and `sources` (of each value).

    With `--test`, what is not on the command line comes from the checkpoint under test.

    Raises:
        ValueError: for an unknown flag, name or value, naming the nearest right one.
        FileNotFoundError: if a file that the command line names is not there.
        SystemExit: with 0, if `--help` was asked for and given.
    """
    argv = one_spelling(sys.argv[1:] if argv is None else argv)
    answer_help(argv)
    config = resolve(argv, {})
    if config.yaml and not config.explain:
        raise ValueError("--yaml says how --explain prints: add --explain")
    if config.ckpt and not config.test:
        raise ValueError("--ckpt names a file to evaluate: add --test; or continue from it with --step_ckpt")
    if config.test:
        saved = [Path(config.ckpt)] if config.ckpt else run_files(config).checkpoints_saved()
        if saved:
            from experiment import checkpoint  # brings PyTorch, which what is typed does not need

            content = checkpoint.load(saved[0])
            typed, config = config, resolve(argv, content["config"])
            for name in ("method", "task", "setting", "backbone", "head") if typed.ckpt else ():
                own = content[name] if name in ("method", "task") else (DEFAULTS | content["config"])[name]
                if getattr(config, name) != own:
                    raise ValueError(
                        f"{config.ckpt} is of {name} {own}: leave out --{name} {getattr(typed, name)}"
                    )
            if config.ckpt:
                config.step = [str(content["step"])]
    return config


def parse_values(values: Mapping[str, object]) -> SimpleNamespace:
    """The same for flags and their values by name, from Python: `{"method": "MiB", "epochs": [30, 5]}`.

    Raises:
        ValueError, FileNotFoundError: as `parse`.
    """
    config = parse(command_line(values))
    for name in [name for name, value in values.items() if value is False and getattr(config, name, False)]:
        raise ValueError(f"{name} is on by {config.sources[name]}, and no call turns it off: change it there")
    return config


def resolve(argv: list[str], stored: dict) -> SimpleNamespace:
    """The configuration from all its layers; `stored` is that of a checkpoint under test, or empty."""
    return check(merge(argv, stored))


def merge(argv: list[str], stored: dict) -> SimpleNamespace:
    """The value of each flag from the topmost layer that has one, as it stands there."""
    stored = {name: value for name, value in stored.items() if name not in NOT_FROM_CHECKPOINTS}
    line = translate(argv, processes=int(os.environ.get("WORLD_SIZE", 1))) or Line(argv)
    chosen = peek(line.argv, "method", "recipe", "config") | line.values
    file = read_values(chosen["config"]) if "config" in chosen else {}
    wanted = str((DEFAULTS | file | chosen)["recipe"])
    recipe_file = read_values(wanted) if is_file(wanted) else {}
    row = named(wanted)
    below = (row.identity if row else line.defaults) | recipe_file
    method = method_named((DEFAULTS | below | stored | file | chosen)["method"])
    typed = read_flags(line.argv, method)
    own = {name: default for name, (_, default, _) in declared(method).items()}

    setting = below | stored | file | line.values | typed | {"method": method}
    dataset = str((DEFAULTS | setting)["dataset"])
    suggested = {} if "task" in setting or dataset == DEFAULTS["dataset"] else {"task": first_task(dataset)}
    if has_one_label(dataset):
        suggested["head"] = next(name for name in HEADS if declared_of(HEADS, name, "answers") == "images")
    usual = {"head": heads_of(method)[0]}
    layers = [("default", DEFAULTS), (f"default of {dataset}", suggested)]
    layers.append((f"default of {method}", own | (usual if usual.items() - DEFAULTS.items() else {})))
    known = DEFAULTS.keys() | own.keys()
    found_by = {key: (DEFAULTS | suggested | setting)[key] for key in FOUND_BY}
    for name, recipe in find_recipes(open_setting(usual | suggested | setting), layers_only=bool(line.notes)):
        if not row:  # it was found by these, and they came from elsewhere
            recipe = {key: value for key, value in recipe.items() if (key, value) not in found_by.items()}
        layers.append((f"recipe {name}", from_file(f"recipe {name}", recipe, known, method)))
    layers.append((f"file {wanted}", from_file(wanted, recipe_file, known, method)))
    layers += [("published default", {} if row else line.defaults), ("checkpoint", stored)]
    layers.append((f"file {chosen.get('config')}", from_file(str(chosen.get("config")), file, known, method)))
    layers += [("published flag", line.values), ("command line", typed)]
    head = head_named(str([layer["head"] for _, layer in layers if "head" in layer][-1]))
    layers.insert(1, (f"default of head {head}", declared_of(HEADS, head, "defaults")))
    values, sources = {}, {}
    for source, layer in layers:
        for name in layer.keys() & (DEFAULTS.keys() | own.keys()):
            values[name], sources[name] = layer[name], source
    values = names_checked(values)
    config = SimpleNamespace(**{name: values[name] for name in DEFAULTS})
    config.hyper = {name: values[name] for name in own}
    config.method, config.sources, config.notes = method, sources, line.notes
    return config


def from_file(name: str, values: dict, known: Set[str], method: str) -> dict[str, object]:
    """The `values` of a recipe or file called `name`, as the command line would have read them.

    Raises:
        ValueError: for a flag that is not `known`, or a value that the command line would not take.
    """
    for unknown in values.keys() - known:
        try:
            closest(unknown, known, "flag")
        except ValueError as error:
            hint = str(error).partition("; ")[2]
            raise ValueError(f"{name} sets {unknown}, which {method} does not know; {hint}") from None
    return {key: checked(key, value, method) for key, value in values.items()}


def restore(stored: dict, **changes) -> SimpleNamespace:
    """The configuration that a checkpoint stores, for looking at its network; with `changes`.

    Recipes have no say: what a run did not know yet has its default.
    """
    kept = {name: value for name, value in stored.items() if name not in NOT_FROM_CHECKPOINTS}
    method = method_named(kept["method"])
    own = {name: default for name, (_, default, _) in declared(method).items()}
    values = names_checked({name: (DEFAULTS | kept | changes)[name] for name in DEFAULTS})
    config = SimpleNamespace(**values, sources=dict.fromkeys(values, "checkpoint"), notes=[])
    config.method, config.hyper = method, {name: kept.get(name, default) for name, default in own.items()}
    return check(config)


def read_flags(argv: list[str], method: str) -> dict[str, object]:
    """What `argv` says, by flag; ValueError for a flag that does not exist."""
    parser = build_parser(method)
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        before = argv[argv.index(unknown[0]) - 1] if unknown[0] in argv[1:] else ""
        raise ValueError(unknown_flag(unknown[0], before, parser, method))
    return {name: value for name, value in vars(given).items() if name != "local_rank"}


def open_setting(setting: dict) -> dict:
    """What recipes are looked up by; without a backbone if nobody asked for one, so that theirs is used."""
    exact = names_checked(DEFAULTS | setting)
    return exact if "backbone" in setting else {key: exact[key] for key in exact.keys() - {"backbone"}}


def names_checked(setting: dict) -> dict:
    """`setting` with the exact names of dataset, task, backbone and head."""
    dataset = str(setting["dataset"])
    if not dataset.endswith((".yaml", ".yml")):
        dataset = closest(dataset, DATASETS, "dataset")
    task = lookup(Path(dataset).stem, str(setting["task"]))[0]
    names = {"backbone": backbone_name(setting["backbone"]), "head": head_named(str(setting["head"]))}
    return setting | {"dataset": dataset, "task": task} | names


def check(config: SimpleNamespace) -> SimpleNamespace:
    """Plain types and sensible numbers; ValueError says which flag is wrong."""
    for name in ("lr", "epochs", "step"):
        value = getattr(config, name)
        setattr(config, name, list(value) if isinstance(value, list | tuple) else [value])
    profile = ["profile"] * (config.profile != 0 or config.sources["profile"] == "command line")
    for name in ("epochs", "batch_size", "accumulate", "crop_size", "print_interval", *profile):
        value = getattr(config, name)
        if min(value if isinstance(value, list) else [value]) < 1:
            raise ValueError(f"--{name} must be at least 1")
    if config.sources["overwrite"] == "command line":
        config.overwrite = config.overwrite or ["all"]
    known = {*DEFAULTS, *config.hyper, *CONTENT}
    config.accept = [closest(name, known, "value for --accept") for name in config.accept]
    if config.head not in (usable := heads_of(config.method)):
        raise ValueError(f"{config.method} runs on --head {' or '.join(usable)}, not on {config.head}")
    check_cache(config.cache, config.cache_limit)
    for name, whole in (("lr_warmup", "optimizer steps"), ("val_share", "training images")):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"--{name} is a share of the {whole}: 0 (none) or more, below 1")
    for name in NOT_NEGATIVE:
        value = getattr(config, name)
        most = 2**63 if isinstance(value, int) else float("inf")
        if not all(0 <= one < most for one in (value if isinstance(value, list) else [value])):
            raise ValueError(f"--{name} must be a number, 0 or more, not {value}")
    config.num_workers = min(config.num_workers, usable_cores())
    typed = config.sources["precision"] == "command line"
    if config.precision == "fp16" and not typed and not gpu.found():
        config.precision, config.sources["precision"] = "fp32", "fp16 needs a GPU"
    if config.precision == "auto":
        config.precision = "bf16" if gpu.has_bf16() else "fp32"
    if config.pretrained_path == "auto":
        config.pretrained_path = str(default_weights(config.backbone))
    if config.no_pretrained:
        config.pretrained_path = ""
    for path in ("step_ckpt", "ckpt", "replay_batch"):
        if getattr(config, path) and not Path(getattr(config, path)).is_file():
            raise FileNotFoundError(f"--{path}: no file {getattr(config, path)}")
    return config


def explain(config: SimpleNamespace) -> str:
    """One line per value: name, value, where it comes from; before them, the source of each recipe in use.

    With `--yaml` a file for `--config` instead, which has every value and needs no recipe.
    """
    if config.yaml:
        values = {name: value for name, value in flat(config).items() if name not in NOT_IN_FILES}
        values = {name: list(one) if isinstance(one, tuple) else one for name, one in values.items()}
        text = yaml.safe_dump(values | {"recipe": "none"}, sort_keys=False, default_flow_style=None)
        return f"# repeats a run: python run.py --config FILE\n{text.rstrip()}"
    used = dict.fromkeys(source for source in config.sources.values() if source.startswith("recipe "))
    lines = [*config.notes, *(f"{name}: {source_of(name.removeprefix('recipe '))}" for name in used)]
    lines += [f"{name:18} {value!s:28} {config.sources[name]}" for name, value in flat(config).items()]
    return "\n".join(lines)
