"""Where a run keeps its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """The files of one chain of steps.

    Args:
        checkpoint_root, result_root, log_root: the three root folders.
        setting: e.g. "voc_15-5s_overlap". run: e.g. "MiB_resnet101".
    """

    checkpoint_root: Path
    result_root: Path
    log_root: Path
    setting: str
    run: str

    def checkpoint(self, index: int) -> Path:
        """Weights after step `index`."""
        return self.checkpoint_root / self.setting / self.run / f"step_{index}.pt"

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

    def log_folder(self, index: int) -> Path:
        """TensorBoard files of step `index`; steps can be overlaid."""
        return self.log_root / self.setting / self.run / f"step_{index}"
