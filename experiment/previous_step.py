"""How one step follows another: whether a checkpoint fits, and adopting one as a step's own."""

from collections.abc import Callable, Mapping
from pathlib import Path

from experiment import checkpoint, peek
from experiment.identity import Difference, Scopes, check, differences, say_unchecked, step0_of
from utils.distributed import barrier, is_main, say


def check_follows(previous: Mapping, path: Path | str, about: Mapping) -> None:
    """Refuse a checkpoint `previous`, read from `path`, on which the step `about` cannot build.

    Step k builds on step k - 1 of the same method, or on a step 0 that the method would have trained alike. A
    checkpoint of step k itself is accepted on the same terms: it is adopted.

    Raises:
        ValueError: with every reason.
    """
    reasons = []
    if previous["step"] not in (about["step"], about["step"] - 1):
        reasons.append(f"is of step {previous['step']}, but step {about['step']} was asked for")
    if previous["dataset"] != about["dataset"]:
        reasons.append(f"was trained on {previous['dataset']}, not {about['dataset']}")
    learned = previous["step"] + 1
    if previous["dataset"] == about["dataset"] and previous["groups"][:learned] != about["groups"][:learned]:
        reasons.append("has learned other classes, or in another order")
    alike = previous["step"] == 0 and step0_of(previous) == step0_of(about)
    if previous["method"] != about["method"] and not alike:
        reasons.append(f"was trained by {previous['method']}, and {about['method']} cannot continue that")
    if reasons:
        raise ValueError(f"{path} {'; it '.join(reasons)}")


def read_previous(path: Path | str, about: dict, scopes: Scopes, *, images_of: Callable[[int], str]) -> dict:
    """The checkpoint at `path`, checked to fit what comes before `about`, which then says so, too.

    Args:
        about: see `experiment.identity.describe`. scopes: of the configured values.
        images_of: what the training images of a step are now, as identities say it.

    Raises:
        FileNotFoundError: if there is none. ValueError: if it does not fit.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"step {about['step']} needs the checkpoint of step {about['step'] - 1}, and there is none at "
            f"{path}: run --step {about['step'] - 1} first, or name the file with --step_ckpt"
        )
    previous = checkpoint.load(path)
    check_follows(previous, path, about)
    there, here = previous["config"], about["config"]
    found = differences(there, {name: here[name] for name in scopes.shared})
    adopted = previous["step"] == about["step"]
    if adopted and "identity" in previous:
        found = differences(previous["identity"], about["identity"], scopes.rounding | {"previous"})
    elif identity := previous.get("identity"):
        num_known = len(identity["classes"])
        now = {"classes": about["identity"]["classes"][:num_known], "images": images_of(previous["step"])}
        found += differences(identity, now)
    elif previous["fingerprint"] and previous["fingerprint"] != about["fingerprint"]:  # "": converted
        found.append(Difference("images", "other files, masks or class names", "those of now"))
    else:
        say_unchecked(path, "images")
    check(path, found, scopes, cure="Name the right file with --step_ckpt, train that step again")
    if adopted:
        return previous
    about["continues"], about["identity"]["previous"] = previous["checksum"], previous["learned"]
    changed = differences(there, here, scopes.not_weights | scopes.shared | {"lr", "epochs"})
    about["drift"] = [f"{one.name} {one.there} -> {one.here}" for one in changed]
    if about["drift"]:
        say(f"differs from step {previous['step']}: {'; '.join(about['drift'])}")
    return previous


def check_finished(path: Path, about: dict, scopes: Scopes, *, previous: Path | None) -> None:
    """Refuse to take the finished step at `path` for the one that this run would train.

    Args:
        about: what this run's checkpoint would say. scopes: of the configured values.
        previous: checkpoint of the step before, if there is one.

    Raises:
        ValueError: naming every value that differs, with the cure.
    """
    own, before = peek.about(path), peek.about(previous) if previous else {}
    if "identity" in own:
        here = about["identity"] | ({"previous": before["learned"]} if "learned" in before else {})
        found = differences(own["identity"], here, scopes.rounding)
    else:
        say_unchecked(path, "images and values")
        pair = own.get("continues"), before.get("checksum")
        found = [Difference("previous", *pair)] if None not in pair and pair[0] != pair[1] else []
    again = f"train the step again with --overwrite {about['step']}"
    check(path, found, scopes, cure=f"Give this run another --name, {again}")


def adopt(previous: dict, about: dict, path: Path) -> None:
    """File a checkpoint of the same step, trained elsewhere, as this run's own, so that step 0 can be
    shared.
    """
    if is_main():
        own = {key: about[key] for key in ("method", "task", "groups")}
        checkpoint.save(previous | own, path)
    barrier()
