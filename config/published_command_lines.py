"""Command lines of the published systems, read with `config/published_flags.py`."""

import json
from argparse import SUPPRESS
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.parser import Parser, peek
from config.published_flags import (
    COMBINATIONS,
    FIXED,
    IDLE,
    LATER,
    LATER_PRESETS,
    METHOD_OPTIONS,
    POD,
    PRECISION,
    PRESETS,
    REFUSED,
    SIGNS,
    SPATIAL,
    SWITCHES,
    Combination,
)
from dataset import DATASETS
from dataset.rules import MASKINGS
from task_tables import NUM_DOMAINS
from tasks import named_step
from utils.naming import closest

# Options that mean the same here, under the same name.
SAME = "dataset task lr name backbone checkpoint results_dir crop_size output_stride pooling weight_decay"


@dataclass(frozen=True)
class Line:
    """What a published command line means.

    Args:
        argv: arguments that mean the same here.
        values: flags and hyper-parameters by name, translated from the other arguments.
        defaults: what the published parsers assume where nothing is said.
        notes: what was understood, and what has no effect, for the user.
    """

    argv: list[str]
    values: dict[str, object] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def translate(argv: list[str], *, processes: int = 1) -> Line | None:
    """What `argv` means if it is a command line of a published system; None if it is one of ours.

    It is theirs if it has a flag that only they have; `--overlap` alone counts only with their data sets.

    Args:
        argv: arguments of the command line.
        processes: number of processes; a published --batch_size counts per process.

    Raises:
        ValueError: for a flag, or a combination of flags, without an equivalent here, with the reason.
    """
    given = {text.split("=")[0].lstrip("-").replace("-", "_") for text in argv if text.startswith("--")}
    named = {"method": "FT", "dataset": "", "task": "19-1", "name": ""}
    named |= peek(argv, *named)
    dataset, method = named["dataset"].lower() or "voc", named["method"].upper()
    theirs = dataset in DATASETS and dataset != "shapes"
    signs = given & SIGNS - (set() if theirs and named["dataset"] else {"overlap"})
    if not signs:
        return None
    for name in sorted(signs & REFUSED.keys()):
        raise ValueError(f"--{name} has no equivalent: {REFUSED[name]}")
    found, rest = read(argv, method_options=method in PRESETS)
    values, notes = general(found, dataset, named["task"])
    if method in PRESETS:
        values |= method_values(found, named, later=bool(given & LATER), grows=dataset not in NUM_DOMAINS)
    if "batch_size" in found:
        values["batch_size"] = found["batch_size"] * processes
    understood = " ".join(f"--{name} {value}" for name, value in sorted(values.items()))
    notes.insert(0, f"a published command line (it has --{min(signs)}), read as: {understood}")
    return Line(rest, values, assumed(method, dataset, given, processes) if theirs else {}, notes)


def assumed(method: str, dataset: str, given: set[str], processes: int) -> dict[str, object]:
    """Defaults of the published parsers, by our names; `given` are the flags of the command line."""
    return {
        "dataset": dataset,
        "task": "19-1",
        "setting": "disjoint",
        "protocol": "plop" if given & LATER else "mib",
        "backbone": "swin_b" if method == "OURS" else "resnet101",
        "output_stride": 16,
        "pooling": 32,
        "precision": "fp32",
        "epochs": [30],
        "lr": [0.007],
        "batch_size": 4 * processes,
        "crop_size": 512,
    }


def read(argv: list[str], *, method_options: bool) -> tuple[dict, list[str]]:
    """Published options in `argv`, and the remaining arguments."""
    parser = Parser(add_help=False, allow_abbrev=False, argument_default=SUPPRESS)
    kinds = dict.fromkeys((*IDLE, "opt_level", "data_masking"), str)
    kinds |= {"batch_size": int, "random_seed": int}
    kinds |= {name: type(value) for name, (value, _) in FIXED.items()} | dict.fromkeys(SWITCHES, bool)
    if method_options:
        parser.add_argument("--method")
        kinds |= {name: type(default) for name, default in METHOD_OPTIONS.items()}
    for name, kind in kinds.items():
        spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        if kind is bool:
            parser.add_argument(*spellings, dest=name, action="store_true")
        else:
            parser.add_argument(*spellings, dest=name, type=json.loads if kind is dict else kind)
    found, rest = parser.parse_known_args(argv)
    return vars(found), rest


def general(found: dict, dataset: str, task: str) -> tuple[dict, list[str]]:
    """Our flags for the options that belong to no method, and notes on those without effect."""
    values = {}
    if "overlap" in found:
        values["setting"] = "overlap"
    if "no_mask" in found:
        values["masking"] = "current+old"
    if "data_masking" in found:
        values["masking"] = closest(found["data_masking"], MASKINGS, "--data_masking")
    if "crop_val" in found:
        values["eval"] = "full"
    if "random_seed" in found:
        values["seed"] = found["random_seed"]
    if "opt_level" in found:
        level = found["opt_level"]
        if level not in PRECISION:
            raise ValueError(f"--opt_level {level} has no equivalent: take O0, O1 or --precision")
        values["precision"] = PRECISION[level]
    for name, (value, reason) in FIXED.items():
        if found.get(name, value) != value:
            raise ValueError(f"--{name} can only be {value}: {reason}")
    if "task_num" in found:
        steps = num_steps(dataset, task)
        if steps and int(found["task_num"]) != steps:
            raise ValueError(f"--task_num {found['task_num']}: {dataset} {task} has {steps} steps")
    return values, [f"--{name} has no effect: {IDLE[name]}" for name in IDLE if name in found]


def num_steps(dataset: str, task: str) -> int:
    """Number of steps of a task of a published data set; 0 for one's own."""
    kind = DATASETS.get(dataset)
    if kind is None or not kind.class_names:
        return 0
    return named_step(dataset, len(kind.class_names), task, has_background=kind.has_background).num_steps


def method_values(found: dict, named: dict, *, later: bool, grows: bool) -> dict:
    """Our method and its hyper-parameters.

    Raises:
        ValueError: if no method here is this combination of options.
    """
    preset = named["method"].upper()
    preset_values = PRESETS[preset]
    if not grows and preset in ("PLOP", "RCIL"):  # of which on domains only POD has an effect
        kept = POD if preset == "PLOP" else ()
        preset_values = SPATIAL | {name: preset_values[name] for name in kept}
    options = METHOD_OPTIONS | preset_values | (LATER_PRESETS.get(preset, {}) if later else {})
    options |= {name: value for name, value in found.items() if name in METHOD_OPTIONS}
    used = {name for name, value in options.items() if value != METHOD_OPTIONS[name]}
    # On domains RCIL's scripts have the flags of PLOP's: what tells them apart is their name.
    wanted = "RCIL" if "RCIL" in named["name"].upper() or preset == "RCIL" else "PLOP"
    for combination in COMBINATIONS:
        allowed = combination.needs.keys() | combination.hyper.keys() | combination.idle.keys()
        holds = all(options[name] == value for name, value in combination.needs.items())
        if holds and used <= allowed and (combination.grows or not grows and combination.method == wanted):
            return {"method": combination.method} | hyper_of(combination, options)
    flags = " ".join(f"--{name}" for name in sorted(used))
    raise ValueError(f"--method {named['method']} {flags}: no method here is this combination")


def hyper_of(combination: Combination, options: Mapping[str, object]) -> dict[str, object]:
    """Hyper-parameters by our names."""
    values = {name: options[option] for option, name in combination.hyper.items()}
    if "pod_logits_factor" in values:
        values["pod_logits_factor"] = logits_factor(options)
    if "adaptive_min" in values:  # a least factor of 1 leaves the cross entropy as it is
        used = options["classif_adaptive_factor"]
        values["adaptive_min"] = options["classif_adaptive_min_factor"] if used else 1.0
    if "reg_normalize" in values:
        values["reg_normalize"] = not options["reg_no_normalize"]
    return values


def logits_factor(options: Mapping[str, object]) -> float:
    """Factor of POD on the logits, from `--pod_options`.

    Raises:
        ValueError: if they hold anything that no published script uses.
    """
    rest = json.loads(json.dumps(options["pod_options"]))
    after = rest.get("switch", {}).pop("after", {}) if isinstance(rest, dict) else {}
    factor = after.pop("factor", options["pod_factor"])
    if rest not in ({}, {"switch": {}}) or after not in ({}, {"extra_channels": "sum", "type": "local"}):
        raise ValueError(
            "--pod_options can only be {'switch': {'after': {'extra_channels': 'sum', 'factor': F, "
            "'type': 'local'}}}: no published result uses more"
        )
    return float(factor)
