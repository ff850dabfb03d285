"""Table `runs`: whole commands, each in a process of its own: CPU time, and peak memory above the imports.

`--against FOLDER` lets the commands of another checkout, e.g. of an older version, take turns with ours.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image

from scripts.benchmark.generated import large_picture, squares
from scripts.benchmark.tools import Row

ROOT = Path(__file__).resolve().parents[2]
TINY = "--method FT --backbone tiny --recipe none --epochs 1 --num_workers 0".split()
RESNET = ["--backbone", "resnet101", "--no_pretrained", "--recipe", "none", "--num_workers", 0]
RESNET += ["--crop_size", 128, "--batch_size", 2, "--lr", 1e-4]
ANALYSES = ("visualize", "predict", "probe", "drift", "report")
# On Linux the peak of a process starts at that of the one that starts it: let that be a small one.
LAUNCHER = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[2:]])
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
FIGURE = """
import sys
from pathlib import Path
from types import SimpleNamespace
import torch
from analysis.drift_figures import draw_cosines
from analysis.figures import save_figure
cosines = torch.rand(151, 151)
steps = [SimpleNamespace(step=k, cosines=cosines, taught=[0] * 101 + [*range(1, 51)]) for k in range(51)]
if sys.argv[1:]:
    save_figure(draw_cosines("FT", steps, [f"class {k}" for k in range(151)]), Path(sys.argv[1]))
"""
KEEPING = """
import sys
from pathlib import Path
import torch
from analysis.kept import Kept
kept = Kept(memory=float(sys.argv[1]), folder=Path(sys.argv[2]), expected=400)
for number in range(int(sys.argv[3])):
    kept.append(torch.rand(256, 32, 32), torch.zeros(512, 512, dtype=torch.uint8))
for number in range(len(kept)):
    kept[number]
"""
SPAWNING = """
import multiprocessing, sys
multiprocessing.set_start_method("spawn")
import run
sys.exit(run.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Spent:
    """What one process took: CPU milliseconds, and peak resident size in MiB."""

    cpu: float
    peak: float


def spent(*words: object, cwd: Path, status: int = 0) -> Spent:
    """Run Python with `words` in `cwd`, on one thread; what it took.

    Raises:
        RuntimeError: with the end of its errors, if it ends with another `status`.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "spent"
        launch = [sys.executable, "-S", "-c", LAUNCHER, file, *map(str, words)]
        done = subprocess.run(launch, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True)  # fmt: skip
        if done.returncode != status:
            raise RuntimeError(f"{' '.join(map(str, words))[:200]}: {done.stderr[-2000:]}")
        seconds, peak = map(float, file.read_text(encoding="utf-8").split())
    scale = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, else KiB
    return Spent(1000 * seconds, peak / scale)


def rows(*, rounds: int, against: str = "") -> list[Row]:
    """All rows; forms of `against` are called plain."""
    trees = [Path(against).resolve(), ROOT] if against else [ROOT]
    with TemporaryDirectory() as folder:
        place = Path(folder)
        small = squares(place / "two classes", 2, images=40, side=160)
        long = squares(place / "long", 60)
        one, large = (large_picture(place / name, scale=scale) for name, scale in (("one", 1), ("large", 16)))
        found = []
        for measured in (
            *(partial(start_up, name, trees) for name in ANALYSES),
            partial(one_image, one, place, trees),
            partial(frozen, small, place, trees),
            partial(kept_answers, small, place),
            partial(again, long, place),
            partial(evaluation, large, place, trees),
            partial(figure, place, trees),
            partial(keeping, place),
            partial(workers, place, trees),
        ):
            found.append(measured(rounds=rounds))
            print(", ".join(found[-1].cells()), file=sys.stderr, flush=True)  # the table takes long
        return found


def row(name: str, times: Sequence[Sequence[Spent]], without: Sequence[Spent] = ()) -> Row:
    """One row of the rounds' `times`, (plain, ours) or ours alone; `without`: the same without the work."""
    *plain, ours = ([one.cpu for one in form] for form in zip(*times, strict=True))
    made = Row(name, ours=median(ours))
    if plain:
        ratios = [a / b for a, b in zip(plain[0], ours, strict=True)]
        made.plain, made.ratio = median(plain[0]), median(ratios)
        made.spread = min(ratios), max(ratios)
    if without:
        above = [max(one.peak for one in form) - base.peak
                 for form, base in zip(zip(*times, strict=True), without, strict=True)]  # fmt: skip
        made.peak = (above[0] if plain else float("nan"), above[-1])
    return made


def start_up(name: str, trees: Sequence[Path], *, rounds: int) -> Row:
    """An analysis until it says that there is no such run."""
    words = ("-m", f"analysis.{name}", "/nowhere")
    times = [[spent(*words, cwd=tree, status=2) for tree in trees] for _ in range(rounds)]
    return row(f"start of analysis.{name}", times)


def one_image(data: Path, place: Path, trees: Sequence[Path], *, rounds: int) -> Row:
    """A run that trains and tests on one small picture: its imports, network and files."""
    times = []
    for number in range(rounds):
        flags = "--task offline --crop_size 32 --batch_size 1".split()
        folders = [place / f"one {number} {form}" for form in range(len(trees))]
        times.append([spent(*command(data, folder, *flags), cwd=tree)
                      for folder, tree in zip(folders, trees, strict=True)])  # fmt: skip
    return row("a run on one image of 151 classes", times)


def frozen(data: Path, place: Path, trees: Sequence[Path], *, rounds: int) -> Row:
    """Step 1 of DFT* of 30 epochs with four kept views of each image, against none, ResNet-101."""
    forms = [(trees[0], ()), (ROOT, ("--cache", "features:4"))]
    flags = ["--method", "DFT_STAR", "--task", "1-1", *RESNET]
    begun = [place / f"frozen {number}" for number in range(len(forms))]
    for (tree, _), folder in zip(forms, begun, strict=True):
        spent(*command(data, folder, "--step", 0, "--epochs", 1, flags=flags), cwd=tree)
    times = []
    for _ in range(rounds):
        found = []
        for (tree, more), folder in zip(forms, begun, strict=True):
            with TemporaryDirectory(dir=place) as new:
                shutil.copytree(folder, new, dirs_exist_ok=True)
                words = command(data, Path(new), "--step", 1, "--epochs", 30, *more, flags=flags)
                found.append(spent(*words, cwd=tree))
        times.append(found)
    return row("step 1 of DFT*, 30 epochs, --cache features:4", times)


def kept_answers(data: Path, place: Path, *, rounds: int) -> Row:
    """Both steps of RIDGE on a frozen ResNet-101, and the same with another ridge and the answers kept."""
    flags = ["--method", "RIDGE", "--task", "1-1", "--no_sgd", "--cache", "features", *RESNET]
    times = []
    for number in range(rounds):
        folder = place / f"kept {number}"
        later = ["--name", "later", "--gamma", 10]
        times.append([spent(*command(data, folder, *more, flags=flags), cwd=ROOT) for more in ((), later)])
    return row("two steps of RIDGE, and again with another --gamma", times)


def again(data: Path, place: Path, *, rounds: int) -> Row:
    """A finished command of 51 steps against its first run."""
    times = []
    for number in range(rounds):
        words = command(data, place / f"long {number}", *"--task 10-1 --crop_size 32 --batch_size 4".split())
        times.append([spent(*words, cwd=ROOT) for _ in range(2)])
    return row("51 steps: the first run, and the same command again", times)


def evaluation(data: Path, place: Path, trees: Sequence[Path], *, rounds: int) -> Row:
    """The test of a checkpoint on one picture of 4096 x 2160 and 151 classes, at full size."""
    flags = "--task offline --crop_size 512 --batch_size 1 --eval full".split()
    commands = [command(data, place / f"large {number}", *flags) for number in range(len(trees))]
    for words, tree in zip(commands, trees, strict=True):
        spent(*words, cwd=tree)  # trains
    times = [[spent(*words, "--test", cwd=tree) for words, tree in zip(commands, trees, strict=True)]
             for _ in range(rounds)]  # fmt: skip
    modules = ["increments" if (tree / "increments.py").is_file() else "run" for tree in trees]
    without = [spent("-c", f"import {module}", cwd=tree) for module, tree in zip(modules, trees, strict=True)]
    return row("test of 4096 x 2160, 151 classes", times, without)


def figure(place: Path, trees: Sequence[Path], *, rounds: int) -> Row:
    """Cosines of class means and classifier rows, 51 steps, 151 classes; less the imports."""
    file, pixels = place / "cosines.png", {}
    base = [spent("-c", FIGURE, cwd=tree) for tree in trees]
    times = []
    for _ in range(rounds):
        found = []
        for name, tree, start in zip(("pixels of plain", "pixels")[-len(trees) :], trees, base, strict=True):
            one = spent("-c", FIGURE, file, cwd=tree)
            found.append(Spent(one.cpu - start.cpu, one.peak))
            with Image.open(file) as picture:
                pixels[name] = float(picture.width * picture.height)
        times.append(found)
    made = row("analysis.drift: cosines of 51 steps, 151 classes", times, base)
    made.more = pixels
    return made


def keeping(place: Path, *, rounds: int) -> Row:
    """500 MB of features held in memory, against --memory 0.1."""
    forms = [1e12, 1e8]
    times = [[spent("-c", KEEPING, memory, place, 400, cwd=ROOT) for memory in forms] for _ in range(rounds)]
    without = [spent("-c", KEEPING, memory, place, 0, cwd=ROOT) for memory in forms]
    return row("500 MB of features with --memory 0.1", times, without)


def workers(place: Path, trees: Sequence[Path], *, rounds: int) -> Row:
    """Step 0 of the embedded data with two workers where processes are not forked (macOS, Windows)."""
    times, alone = [], []
    for number in range(rounds):
        found = []
        for count, tree in [(0, ROOT), *((2, tree) for tree in trees)]:
            words = command("shapes", place / f"workers {number} {len(found)}", "--num_workers", count,
                            *"--step 0 --crop_size 32 --batch_size 24".split())  # fmt: skip
            found.append(spent("-c", SPAWNING, *words[1:], cwd=tree))
        alone.append(found[0].cpu)
        times.append(found[1:])
    made = row("step 0, 2 workers that are not forked", times)
    made.more = {"without workers": median(alone)}
    return made


def command(data: Path | str, place: Path, *more: object, flags: Sequence[object] = TINY) -> list[object]:
    """run.py with everything that it writes in `place`."""
    folders = {"checkpoint": "checkpoints", "logdir": "logs", "results_dir": "results", "cache_dir": "cache"}
    own = [word for flag, name in folders.items() for word in (f"--{flag}", place / name)]
    return ["run.py", "--dataset", data, *flags, *own, *more]
