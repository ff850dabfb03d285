"""Step 0, trained once for all methods and tasks that train it alike, and found by what it depends on."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from experiment import checkpoint
from modules.classifiers import regroup
from utils.distributed import barrier, broadcast_object, is_main, say
from utils.files import temporary_for


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
        temporary = temporary_for(self.path)
        try:
            os.link(own, temporary)  # takes no space
        except OSError:
            shutil.copyfile(own, temporary)
        os.replace(temporary, self.path)


def shared_step0(folder: Path, method, about: dict) -> SharedStep0:
    """Where step 0 of a run is shared.

    Args:
        folder: of the shared files. method: of step 0, with or without its network.
        about: see `experiment.identity.describe`; its identity is all that step 0 depends on.
    """
    depends_on = json.dumps([about["dataset"], about["fingerprint"], about["identity"]], sort_keys=True)
    digest = hashlib.sha256(depends_on.encode()).hexdigest()[:16]
    return SharedStep0(folder / f"{about['dataset']}_{digest}.pt", about, method)
