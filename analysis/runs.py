"""Which checkpoints belong together: the runs that paths on the command line name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.evenly import evenly
from analysis.trained import Trained, load_step
from experiment import checkpoint
from experiment.peek import about

SHARED = {"dataset": "different datasets", "groups": "different classes, or in different orders"}


@dataclass(frozen=True)
class Run:
    """The checkpoints of one chain of steps.

    Attributes:
        name: method, or the name of the folder where several runs are of the same method.
        paths: its checkpoints, by step.
    """

    name: str
    paths: tuple[Path, ...]
    data_root: str = ""
    cache_dir: str = "cache"
    dataset: str = ""

    def last(self) -> Trained:
        """Its last step."""
        return next(replace(self, paths=self.paths[-1:]).steps())

    def steps(self) -> Iterator[Trained]:
        """The steps, loaded one after another, so that only one network is in memory."""
        for path in self.paths:
            yield load_step(
                path, dataset=self.dataset, data_root=self.data_root, cache_dir=self.cache_dir
            )


def find_runs(
    paths: Sequence[str], *, data_root: str = "", cache_dir: str = "cache", dataset: str = ""
) -> list[Run]:
    """The runs at `paths`: single checkpoints, folders of them, or folders of such folders. The checkpoints
    of one folder are one run.

    Raises:
        FileNotFoundError: if a path is none of these.
        ValueError: if the runs learned different classes or orders.
    """
    folders: dict[Path, dict[int, Path]] = {}
    methods, first = {}, {}
    for path in dict.fromkeys(file for name in paths for file in step_files(Path(name))):
        said = about(path)
        if not {"method", "step", *SHARED} <= said.keys():
            checkpoint.load(path)  # says what is wrong with it
        first = first or {key: said[key] for key in SHARED} | {"path": path}
        for key, what in SHARED.items():
            if said[key] != first[key]:
                raise ValueError(f"{first['path']} and {path} learned {what}: compare runs of one task")
        folder = path.resolve().parent
        folders.setdefault(folder, {})[said["step"]] = path
        methods[folder] = said["method"]
    runs = []
    for folder, paths in folders.items():
        name = methods[folder] if list(methods.values()).count(methods[folder]) == 1 else folder.name
        runs.append(Run(name, tuple(paths[index] for index in sorted(paths)), data_root, cache_dir, dataset))
    return runs


def some_steps(runs: Sequence[Run], most: int) -> list[Run]:
    """The runs with at most `most` of all their steps, evenly chosen, the first and the last among them; 0:
    with all.
    """
    known = {path: about(path)["step"] for run in runs for path in run.paths}
    every = sorted(set(known.values()))
    wanted = {every[place] for place in evenly(len(every), most)}
    found = [replace(run, paths=tuple(path for path in run.paths if known[path] in wanted)) for run in runs]
    return [run for run in found if run.paths]


def step_files(path: Path) -> list[Path]:
    """The checkpoints at `path`: the file itself, or those of the finished steps of the runs in a folder.

    Raises:
        FileNotFoundError: if there is none.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}")
    for pattern in ("step_*.pt", "*/step_*.pt"):
        found = [file for file in path.glob(pattern) if file.stem.removeprefix("step_").isdigit()]
        if found:
            return sorted(found, key=lambda file: (file.parent, int(file.stem.removeprefix("step_"))))
    raise FileNotFoundError(
        f"{path} holds no step_<k>.pt: name a run's folder, checkpoints/<setting>/<run>, or its checkpoints"
    )


def last_step(path: Path) -> Path:
    """The checkpoint at `path`: the file itself, or that of the last finished step of the run in a folder.

    Raises:
        FileNotFoundError: if there is none. ValueError: if there are several runs.
    """
    *others, last = step_files(path)
    if any(file.parent != last.parent for file in others):
        raise ValueError(f"{path} holds several runs, such as {last.parent}: name one")
    return last
