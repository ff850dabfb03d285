"""Golden cases of the published systems against the project's own functions.

    python -m tests.parity tests/goldens [--area mib] [--kind mib.unce] [--kind "dft.*"]

prints one line per case and last `N passed, M failed, K without adapter, L optional skipped`. The exit status
is 1 if a required case failed or has no adapter. `tests/goldens/README.md` describes the format of the cases;
the adapters that turn a case into a call are in `tests/adapters/`.
"""

import argparse
import copy
import importlib
import json
import pkgutil
import re
import sys
import traceback
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch

from tests import adapters

# Arrays that hold a bug of the published code; nobody owes them.
REFERENCE_BUGS = {"dft.infer": r"hist", "dft.proto": r"prototypes(?!_true_mean$).*"}


@dataclass
class Case:
    """One golden case: its entry in cases.json and the folder of its file."""

    entry: dict
    folder: Path

    def __post_init__(self):
        self.name, self.kind = self.entry["name"], self.entry["kind"]
        self.required = self.entry.get("required", True)
        self.id = f"{self.kind}:{self.name}"


@dataclass
class Result:
    """What became of a case: "ok", "FAIL", "no adapter" or "optional" (skipped), and why."""

    status: str
    reason: str = ""


def load_adapters() -> dict[str, str]:
    """Import every module of `tests/adapters`; returns {module: error} of those that cannot be imported."""
    broken = {}
    for module in pkgutil.iter_modules(adapters.__path__):
        try:
            importlib.import_module(f"tests.adapters.{module.name}")
        except Exception as error:  # one unfinished area must not hide the others
            broken[module.name] = f"{type(error).__name__}: {error}"
    return broken


def collect(folder: Path, kinds: list[str] | None = None, areas: list[str] | None = None) -> list[Case]:
    """Cases under `folder`, restricted to kinds (patterns allowed) and areas.

    Raises:
        FileNotFoundError: if there is no cases.json.
    """
    files = sorted(folder.rglob("cases.json"))
    if not files:
        raise FileNotFoundError(f"no cases.json under {folder}")
    cases = []
    for file in files:
        content = json.loads(file.read_text())
        if areas and content["area"] not in areas:
            continue
        cases += [Case(entry, file.parent) for entry in content["cases"]]
    return [case for case in cases if not kinds or any(fnmatch(case.kind, kind) for kind in kinds)]


def name_patterns(described: dict) -> list[re.Pattern]:
    """Regular expressions of the array names that a case describes: "state.*", "old_i", "conv_w/conv_b"."""
    patterns = []
    for description in described:
        for name in re.split(r"/|,(?![^{]*})", description):
            pattern = re.escape(name.strip())
            pattern = pattern.replace(r"\*", ".*").replace(r"\{", "(").replace(r"\}", ")").replace(",", "|")
            pattern = re.sub(r"<[^>]*>", ".*", pattern)  # cls.<i>
            pattern = re.sub(r"\d+\\\.\\\.\d+$", r"\\d+", pattern)  # stage2..5
            pattern = re.sub(r"_i$", r"_\\d+", pattern)  # old_i
            # "old_/new_x" and "loss_a/_b" each leave half of a name: the other half may be anything.
            pattern = ".*" + pattern if pattern.startswith("_") else pattern
            patterns.append(re.compile(pattern + ".*" if pattern.endswith("_") else pattern))
    return patterns


def is_output(name: str, entry: dict) -> bool | None:
    """Whether array `name` is an output of the case; None if the case describes it nowhere."""
    if re.match(r"(in|out)_", name) and re.match(r"(in|out)_", next(iter(entry.get("arrays") or [name]))):
        return name.startswith("out_")
    for role, value in (("outputs", True), ("inputs", False)):
        if name in entry[role]:
            return value
    for role, value in (("outputs", True), ("inputs", False)):
        if any(pattern.fullmatch(name) for pattern in name_patterns(entry[role])):
            return value
    return None


def as_value(array: np.ndarray):
    """A tensor, or a nested list for what tensors cannot hold (names)."""
    return torch.from_numpy(np.array(array)) if array.dtype.kind in "fiub" else array.tolist()


def load_arrays(case: Case) -> tuple[dict, dict[str, np.ndarray]]:
    """Inputs as tensors and outputs as arrays of an .npz case.

    A case of kind `<kind>_inputs` in the same folder holds inputs that all cases of `<kind>` share.
    """
    inputs, outputs = {}, {}
    for shared in collect(case.folder, [f"{case.kind}_inputs"]):
        inputs |= load_arrays(shared)[0]
    with np.load(case.folder / case.entry["file"]) as file:
        for name in file.files:
            role = is_output(name, case.entry)
            if role:
                outputs[name] = file[name]
            elif role is False:
                inputs[name] = as_value(file[name])
    bug = REFERENCE_BUGS.get(case.kind)
    return inputs, {name: want for name, want in outputs.items() if not (bug and re.fullmatch(bug, name))}


def difference(got, want: np.ndarray, tolerance: dict) -> str:
    """What is wrong with `got`, or "": integers and booleans exactly, floats by the rule of the goldens."""
    if isinstance(got, torch.Tensor):
        got = got.detach().cpu().numpy()
    got = np.asarray(got)
    if got.shape != want.shape:
        return f"has shape {got.shape} instead of {want.shape}"
    if want.dtype.kind != "f":
        wrong = int((got != want).sum())
        return f"differs in {wrong} of {want.size} places" if wrong else ""
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return "differs where nan or inf is expected"
    got, want = got[finite], want[finite]
    allowed = tolerance["atol"] + tolerance["rtol"] * np.abs(want).max(initial=0.0)
    worst = np.abs(got - want).max(initial=0.0)
    return "" if worst <= allowed else f"off by {worst:.3g}, allowed {allowed:.3g}"  # nan is not <= either


def json_difference(got, want, tolerance: dict, path: str = "") -> str:
    """Where two JSON values differ first, or ""; floats by the tolerance, everything else exactly."""
    if isinstance(want, dict) and isinstance(got, dict):
        if missing := sorted(want.keys() ^ got.keys()):
            return f"{path or 'top'}: {'lacks' if missing[0] in want else 'has in addition'} {missing[0]!r}"
        pairs = [(key, got[key], want[key]) for key in want]
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return f"{path or 'top'}: {len(got)} entries instead of {len(want)}"
        pairs = [(index, *pair) for index, pair in enumerate(zip(got, want, strict=True))]
    elif isinstance(want, float) and isinstance(got, int | float):
        wrong = difference(float(got), np.array(want), tolerance)
        return f"{path}: {wrong}" if wrong else ""
    else:
        same = got == want and isinstance(got, bool) == isinstance(want, bool)
        return "" if same else f"{path or 'top'}: {str(got)[:60]!r} instead of {str(want)[:60]!r}"
    return next((w for key, g, v in pairs if (w := json_difference(g, v, tolerance, f"{path}/{key}"))), "")


def compare(case: Case, run) -> str:
    """Run the adapter `run` on a case; what is wrong with its answer, or ""."""
    params, tolerance = copy.deepcopy(case.entry["params"]), case.entry["tolerance"]
    if case.entry["file"].endswith(".json"):
        want = json.loads((case.folder / case.entry["file"]).read_text())
        got = json.loads(json.dumps(run(copy.deepcopy(want), params)))
        return json_difference(got, want, tolerance)
    inputs, outputs = load_arrays(case)
    got = run(inputs, params)
    for name, want in outputs.items():
        wrong = "is not returned" if name not in got else difference(got[name], want, tolerance)
        if wrong:
            return f"{name} {wrong}"
    return ""


def check(case: Case) -> Result:
    """Run one case."""
    run = adapters.ADAPTERS.get(case.kind)
    if run is None:
        if case.kind.endswith("_inputs"):
            return Result("ok", "inputs of other cases")
        return Result("no adapter") if case.required else Result("optional", "no adapter")
    try:
        wrong = compare(case, run)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {error}"
    return Result("FAIL", wrong) if wrong else Result("ok")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with <area>/cases.json")
    parser.add_argument("--kind", action="append", help="only this kind, e.g. mib.unce, or dft.*; repeatable")
    parser.add_argument("--area", action="append", help="only this area, e.g. rcil; repeatable")
    options = parser.parse_args(arguments)
    broken = load_adapters()
    try:
        cases = collect(options.folder, options.kind, options.area)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    for module, error in broken.items():
        print(f"tests/adapters/{module}.py cannot be imported: {error}")
    counts = dict.fromkeys(("ok", "FAIL", "no adapter", "optional"), 0)
    owed = 0
    for case in cases:
        result = check(case)
        counts[result.status] += 1
        owed += case.required and result.status in ("FAIL", "no adapter")
        note = "" if case.required else " (optional)"
        reason = f": {result.reason}" if result.reason else ""
        print(f"{result.status:<11}{case.kind:<32}{case.name}{note}{reason}")
    print("{} passed, {} failed, {} without adapter, {} optional skipped".format(*counts.values()))
    return int(owed > 0)


if __name__ == "__main__":
    sys.exit(main())
