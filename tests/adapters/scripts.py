"""The published command lines of RevisitingCSS against what run.py makes of them."""

import json
import os
from pathlib import Path
from unittest.mock import patch

import argparser
from experiment.files import RunFiles
from tests.adapters import adapter
from tests.published_only import published_options

ALWAYS = ("step", "lr", "epochs", "batch_size")


def command_line(options, defaults):
    """The argv of a published command line with these options."""
    argv = ["--dataset", options.get("dataset", defaults["dataset"])]
    for name, value in options.items():
        if value is True:
            argv.append(f"--{name}")
        elif isinstance(value, dict):
            argv += [f"--{name}", json.dumps(value)]
        elif name != "dataset":
            argv += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return argv


def understood(argv, processes):
    """The resolved flags and hyper-parameters of one of several processes."""
    with patch.dict(os.environ, {"WORLD_SIZE": str(processes)}):
        config = argparser.merge(argv, {})
    return {name: getattr(config, name) for name in argparser.DEFAULTS} | config.hyper


def differing(options, defaults):
    """Options that are not as the published parser assumes, and those that are always listed."""
    return {
        name: value
        for name, value in options.items()
        if name in ALWAYS or value != defaults[name] and (value or defaults[name])
    }


@adapter("dft.scripts")
def scripts(inputs, params):
    """What each command means here, said again in published terms."""
    resolved = {}
    for name, script in inputs["scripts"].items():
        runs, totals = [], set()
        date = Path(script["results_file"]).name.split("_")[0]
        for options in script["runs"]:
            argv = [*command_line(options, inputs["defaults"]), "--date", date]
            values = understood(argv, script["gpus"])
            totals.add(values["batch_size"])
            runs.append(differing(published_options(values, processes=script["gpus"]), inputs["defaults"]))
        files = RunFiles(Path(), Path(values["results_dir"]), Path(), setting="", run="")
        table = files.published_table(*(values[name] for name in ("date", "dataset", "task", "name")))
        own = {"runs": runs, "total_batch": totals.pop(), "results_file": str(table)}
        assert not totals, "the global batch changes from step to step"
        resolved[name] = script | own
    return inputs | {"scripts": resolved}
