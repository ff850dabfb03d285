"""Where a run keeps its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """The files of one chain of steps.

    Args:
        checkpoint_root, result_root, log_root: the three root folders.
        setting: e.g. "voc_15-5s_overlap". run: e.g. "MiB_resnet101_mine".
        kin: how runs of other methods under the same --name end, e.g. "_resnet101_mine"; "" without a name.
    """

    checkpoint_root: Path
    result_root: Path
    log_root: Path
    setting: str
    run: str
    kin: str = ""

    def __post_init__(self):
        """Refuse a name that leads out of the folder of the setting, where runs of others lie.

        Raises:
            ValueError: if the run's name is no name of one folder, on any system.
        """
        if set(self.run) & set("/\\") or not self.run.isprintable():
            raise ValueError(f"--name makes {self.run!r} of the run's folder: give a name without slashes")

    def checkpoint(self, index: int) -> Path:
        """Weights after step `index`."""
        return self.checkpoint_root / self.setting / self.run / f"step_{index}.pt"

    def previous(self, index: int) -> Path:
        """Checkpoint that step `index` builds on.

        Published scripts may train step 0 with FT and go on with another method, under one --name: where this
        run has no step 0, that of the only other run of the name is taken.
        """
        own = self.checkpoint(index - 1)
        if index > 1 or own.is_file() or not self.kin:
            return own
        found = list(own.parent.parent.glob(f"*{self.kin}/{own.name}"))
        return found[0] if len(found) == 1 else own

    def unfinished(self, index: int) -> Path:
        """State of step `index` while it trains."""
        return self.checkpoint(index).with_suffix(".last.pt")

    def checkpoints_saved(self) -> list[Path]:
        """Checkpoints of finished steps, in the order of the steps."""
        folder = self.checkpoint(0).parent
        saved = [path for path in folder.glob("step_*.pt") if path.stem.removeprefix("step_").isdigit()]
        return sorted(saved, key=lambda path: int(path.stem.removeprefix("step_")))

    @property
    def results(self) -> Path:
        """Folder of tables and pictures."""
        return self.result_root / self.setting / self.run

    def published_table(self, date: str, dataset: str, task: str, name: str) -> Path:
        """Where published scripts look for the table of a run; a date with slashes gets hyphens."""
        date = date.replace("/", "-").replace("\\", "-")
        return self.result_root / f"{date}_{dataset}_{task}_{name or 'Experiment'}.csv"

    def log_folder(self, index: int) -> Path:
        """TensorBoard files of step `index`; steps can be overlaid."""
        return self.log_root / self.setting / self.run / f"step_{index}"
