"""How one step follows another: what a checkpoint says of itself, whether it fits, taking over weights."""

from pathlib import Path

import torch

from experiment import checkpoint
from experiment.autosave import differences, seed_everything
from methods import METHODS
from modules.folding import fold_norms
from segmentation_module import Parts
from tasks import Step
from utils.distributed import barrier, is_main, say

# Values that a chain of steps must share. The rest (lr, epochs, ...) may change from step to step.
FIXED = ("backbone", "output_stride", "setting", "protocol")


def describe(values: dict, step: Step, method, *, fingerprint: str) -> dict:
    """What a checkpoint of `step` says of itself.

    Args:
        values: the flat, resolved configuration. method: of the step. fingerprint: of the training data.
    """
    return {
        "method": values["method"],
        "shared_step0": method.shared_step0,
        "dataset": step.dataset,
        "fingerprint": fingerprint,
        "task": step.task,
        "step": step.index,
        "groups": [list(group) for group in step.groups],
        "config": values,
        "versions": checkpoint.versions(),
    }


def check_follows(previous: dict, path: Path | str, about: dict) -> None:
    """Refuse a checkpoint `previous`, read from `path`, on which the step `about` cannot build.

    Step k builds on step k - 1 of the same method, or on a step 0 that the method would have trained alike. A
    checkpoint of step k itself is accepted on the same terms: it is adopted.

    Raises:
        ValueError: with every reason.
    """
    reasons = []
    if previous["step"] not in (about["step"], about["step"] - 1):
        reasons.append(f"is of step {previous['step']}, but step {about['step']} was asked for")
    for key in FIXED:
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
    alike = previous["step"] == 0 and previous["shared_step0"] == about["shared_step0"]
    if previous["method"] != about["method"] and not alike:
        reasons.append(f"was trained by {previous['method']}, and {about['method']} cannot continue that")
    if reasons:
        raise ValueError(f"{path} {'; it '.join(reasons)}")


def read_previous(path: Path | str, about: dict) -> dict:
    """The checkpoint at `path`, checked to fit what comes before `about`.

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
    return previous


def begin(
    step: Step,
    values: dict,
    hyper: dict,
    parts: Parts,
    *,
    device: torch.device,
    fingerprint: str,
    previous: Path | str,
    own: Path,
) -> tuple[object, dict]:
    """The method of `step`, its network as the step before left it, and what its checkpoints will say.

    The method is None if the file `previous` is a checkpoint of this very step: then it was adopted as `own`.

    Args:
        values: flat configuration. hyper: the method's own part of it. parts: of the network.
        fingerprint: of the training data.
        previous: checkpoint to continue from, or to adopt; "" at the start of a task.
    """
    seed_everything(values["seed"])
    method = METHODS[values["method"]](step, **hyper)
    about = describe(values, step, method, fingerprint=fingerprint)
    content = read_previous(previous, about) if previous else None
    if content:
        about["continues"] = content["checksum"]
        about["drift"] = differences(content["config"], values)
        if about["drift"]:
            say(f"differs from step {content['step']}: {'; '.join(about['drift'])}")
    if content and content["step"] == step.index:
        adopt(content, about, own)
        return None, about
    method.net = method.model = method.build_model(step, parts)
    if content:
        take_over(method, content, parts, device)
    method.net.to(device, memory_format=torch.channels_last)
    return method, about


def say_if_outdated(own: Path, before: Path) -> None:
    """Tell the user if the finished step `own` was trained on another file than what is now `before`."""
    continues = checkpoint.peek(own).get("continues")
    if before.is_file() and continues not in (None, checkpoint.peek(before).get("checksum")):
        say(f"{own} was trained on another {before.name} than the one beside it; --overwrite trains it again")


def take_over(method, previous: dict, parts: Parts, device: torch.device) -> None:
    """Bring the previous step's weights and state into `method`, and its network as teacher if the method has
    one.
    """
    method.load_previous(previous["net"])
    method.load_state_dict(previous["method_state"])
    if method.needs_teacher:
        teacher = method.build_model(method.step.at(previous["step"]), parts)
        teacher.load_state_dict(previous["net"])
        teacher = fold_norms(teacher.eval().requires_grad_(False))
        method.teacher = teacher.to(device, memory_format=torch.channels_last)


def restored(content: dict, step: Step, name: str, hyper: dict, parts: Parts, *, device: torch.device):
    """The method `name` with the network and the state that its checkpoint of `step` holds."""
    method = METHODS[name](step, **hyper)
    method.net = method.build_model(step, parts)
    method.net.load_state_dict(content["net"])
    method.load_state_dict(content["method_state"])
    method.net.to(device, memory_format=torch.channels_last)
    return method


def adopt(previous: dict, about: dict, path: Path) -> None:
    """File a checkpoint of the same step, trained elsewhere, as this run's own, so that step 0 can be
    shared.
    """
    if is_main():
        checkpoint.save(previous | {key: about[key] for key in ("method", "task", "groups")}, path)
    barrier()
