"""Step 0, trained once for all methods and tasks that train it alike, and found by what it depends on."""

import hashlib
import json
import os
import shutil
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from experiment import checkpoint
from experiment.identity import Scopes
from modules.classifiers import regroup
from utils.distributed import barrier, broadcast_object, is_main, say

PER_STEP = ("lr", "epochs")


@dataclass(frozen=True)
class SharedStep0:
    """The file that holds a step 0 for other runs.

    Args:
        path: the file; its name is a hash of everything that the result depends on.
        about: what the checkpoint of this run says of itself.
        method: of this run, without a network.
    """

    path: Path
    about: dict
    method: object

    def adopt(self, own: Path) -> bool:
        """File what another run trained as `own`; False if there is nothing."""
        if not broadcast_object(self.path.is_file()):
            return False
        if is_main():
            found = checkpoint.load(self.path)
            origin = f"{found['method']}, {found['dataset']} {found['task']}"
            say(f"step 0 is that of {origin} ({self.path}); --no_share trains it anew")
            about = {key: value for key, value in self.about.items() if key != "versions"}
            self.method.load_state_dict(found["method_state"])
            content = {
                "adopted_from": origin,
                "net": regroup(found["net"], self.method.heads(self.method.step)),
                "method_state": self.method.state_dict(),
            }
            checkpoint.save(found | about | content, own)
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
    folder: Path, method, about: dict, *, ids: list[str], scopes: Scopes, flags: Set[str]
) -> SharedStep0:
    """Where step 0 of a run is shared.

    Args:
        folder: of the shared files.
        method: of step 0, with or without its network.
        about: see `experiment.identity.describe`.
        ids: training images of step 0.
        scopes: of the configured values.
        flags: names of the run flags in the configuration; the rest of it belongs to the method.
    """
    config, step, rows = about["config"], method.step, sum(method.heads(method.step))
    values = {name: config[name] for name in sorted(flags - scopes.not_step_0)}
    values |= {name: config[name][0] for name in PER_STEP}
    # What only step 0 of this method has, weights or state, depends on the method's own values.
    own = about["method"] if method.gathers_at_step0 else ""
    if own or about["step0_as"] != "FT":
        values |= {name: config[name] for name in sorted(config.keys() - flags)}
    depends_on = {
        "method": [about["step0_as"], own],
        "values": values,
        "weights": file_hash(config["pretrained_path"]),
        "data": [about["dataset"], about["fingerprint"], sorted(ids)],
        # Rows of later steps, if they are there already, belong to later classes.
        "classes": [step.groups[0], step.order if rows > len(step.groups[0]) else (), rows],
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    return SharedStep0(folder / f"{step.dataset}_{digest}.pt", about, method)


def file_hash(path: str) -> str:
    """Of what is in the file; "" without a file."""
    if not path or not Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


