"""How one step follows another: whether a checkpoint fits, and adopting one as a step's own."""

from collections.abc import Mapping
from pathlib import Path

from experiment import checkpoint
from experiment.identity import Scopes, differences, step0_of
from utils.distributed import barrier, is_main, say


def check_follows(previous: Mapping, path: Path | str, about: Mapping, scopes: Scopes) -> None:
    """Refuse a checkpoint `previous`, read from `path`, on which the step `about` cannot build.

    Step k builds on step k - 1 of the same method, or on a step 0 that the method would have trained alike. A
    checkpoint of step k itself is accepted on the same terms: it is adopted.

    Raises:
        ValueError: with every reason.
    """
    reasons = []
    if previous["step"] not in (about["step"], about["step"] - 1):
        reasons.append(f"is of step {previous['step']}, but step {about['step']} was asked for")
    for key in sorted(scopes.shared):
        if previous["config"].get(key) != about["config"][key]:
            reasons.append(
                f"was trained with {key} {previous['config'].get(key)}, not {about['config'][key]}"
            )
    if previous["dataset"] != about["dataset"]:
        reasons.append(f"was trained on {previous['dataset']}, not {about['dataset']}")
    elif previous["fingerprint"] not in ("", about["fingerprint"]):  # "": converted, nobody knows
        reasons.append("was trained on other files: image list, masks or class names have changed")
    learned = previous["step"] + 1
    if previous["dataset"] == about["dataset"] and previous["groups"][:learned] != about["groups"][:learned]:
        reasons.append("has learned other classes, or in another order")
    alike = previous["step"] == 0 and step0_of(previous) == step0_of(about)
    if previous["method"] != about["method"] and not alike:
        reasons.append(f"was trained by {previous['method']}, and {about['method']} cannot continue that")
    if reasons:
        raise ValueError(f"{path} {'; it '.join(reasons)}")


def read_previous(path: Path | str, about: dict, scopes: Scopes) -> dict:
    """The checkpoint at `path`, checked to fit what comes before `about`, which then says so, too.

    Raises:
        FileNotFoundError: if there is none. ValueError: if it does not fit.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"step {about['step']} needs the checkpoint of step {about['step'] - 1}, and there is none at "
            f"{path}: run --step {about['step'] - 1} first, or name the file with --step_ckpt"
        )
    previous = checkpoint.load(path)
    check_follows(previous, path, about, scopes)
    about["continues"] = previous["checksum"]
    about["drift"] = differences(previous["config"], about["config"], scopes.compared_otherwise)
    if about["drift"]:
        say(f"differs from step {previous['step']}: {'; '.join(about['drift'])}")
    return previous


def say_if_outdated(own: Path, before: Path) -> None:
    """Tell the user if the finished step `own` was trained on another file than what is now `before`."""
    continues = checkpoint.peek(own).get("continues")
    if before.is_file() and continues not in (None, checkpoint.peek(before).get("checksum")):
        say(f"{own} was trained on another {before.name} than the one beside it; --overwrite trains it again")


def adopt(previous: dict, about: dict, path: Path) -> None:
    """File a checkpoint of the same step, trained elsewhere, as this run's own, so that step 0 can be
    shared.
    """
    if is_main():
        checkpoint.save(previous | {key: about[key] for key in ("method", "task", "groups")}, path)
    barrier()
