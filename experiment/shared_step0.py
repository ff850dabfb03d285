"""Step 0, trained once for all methods and tasks that train it alike, and found by what it depends on."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from experiment import checkpoint
from experiment.autosave import HARMLESS
from methods.base import Method
from modules.classifiers import regroup
from utils.distributed import barrier, broadcast_object, is_main, say

# Flags that step 0 does not depend on, or through the images alone, besides those that never matter.
NOT_STEP_0 = HARMLESS | {"setting", "index_dir", "no_pretrained", "eval", "no_share", "skip_bad_images"}
PER_STEP = ("lr", "epochs")


@dataclass(frozen=True)
class SharedStep0:
    """The file that holds a step 0 for other runs.

    Args:
        path: the file; its name is a hash of everything that the result depends on.
        about: what the checkpoint of this run says of itself.
        heads: rows of the classifiers of this run's network.
    """

    path: Path
    about: dict
    heads: list[int]

    def adopt(self, own: Path) -> bool:
        """File what another run trained as `own`; False if there is nothing."""
        if not broadcast_object(self.path.is_file()):
            return False
        if is_main():
            found = checkpoint.load(self.path)
            origin = f"{found['method']}, {found['dataset']} {found['task']}"
            say(f"step 0 is that of {origin} ({self.path}); --no_share trains it anew")
            about = {key: value for key, value in self.about.items() if key != "versions"}
            weights = regroup(found["net"], self.heads)
            checkpoint.save(found | about | {"adopted_from": origin, "net": weights}, own)
        barrier()
        return True

    def offer(self, own: Path) -> None:
        """Let other runs find the finished step 0 at `own`. One process calls this."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            os.link(own, temporary)  # takes no space
        except OSError:
            shutil.copyfile(own, temporary)
        os.replace(temporary, self.path)


def shared_step0(
    folder: Path, method: Method, about: dict, *, ids: list[str], flags: set[str]
) -> SharedStep0:
    """Where step 0 of a run is shared.

    Args:
        folder: of the shared files.
        method: of step 0.
        about: see `experiment.previous_step.describe`.
        ids: training images of step 0.
        flags: names of the run flags in the configuration; the rest of it belongs to the method.
    """
    config, step, heads = about["config"], method.step, method.heads(method.step)
    values = {name: config[name] for name in sorted(flags - NOT_STEP_0)}
    values |= {name: config[name][0] for name in PER_STEP}
    # Methods of the base's words train the same weights, whatever their own values; other words say nothing
    # of values. And one that looks at gradients gathers what its next step needs, so it trains its own.
    gathers = type(method).after_backward is not Method.after_backward
    if gathers or method.shared_step0 != Method.shared_step0:
        values |= {name: config[name] for name in sorted(config.keys() - flags)}
    rows = sum(heads)
    depends_on = {
        "method": [method.shared_step0, about["method"] if gathers else ""],
        "values": values,
        "weights": file_hash(config["pretrained_path"]),
        "data": [about["dataset"], about["fingerprint"], sorted(ids)],
        # Rows of later steps, if they are there already, belong to later classes.
        "classes": [step.groups[0], step.order if rows > len(step.groups[0]) else (), rows],
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    return SharedStep0(folder / f"{step.dataset}_{digest}.pt", about, heads)


def file_hash(path: str) -> str:
    """Of what is in the file; "" without a file."""
    if not path or not Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


