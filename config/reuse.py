"""What a step of a run is, and whether what lies in its folders is that step, before it is used again."""

from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace

from config.flags import flag_names
from config.values import PER_STEP, flat, of_step
from dataset.increment import IncrementData
from experiment import peek
from experiment.files import RunFiles
from experiment.identity import Scopes, check, describe, differences, say_unchecked
from experiment.previous_step import check_finished, read_previous
from experiment.shared_step0 import SharedStep0, shared_step0
from methods import METHODS
from methods.build import step0_as
from metrics.filed import read_results
from metrics.results import filed_result
from metrics.view import view_of_config, view_of_result
from tasks import Step
from utils.distributed import broadcast_object
from utils.files import file_hash

NETWORK = ("output_stride", "pooling", "precision", "norm")  # values that a network can be tested without
_NOT_WEIGHTS = flag_names("task", "data", "test", "place", "call")
_NOT_STEP_0 = _NOT_WEIGHTS | flag_names("images", "later")


def scopes(config: SimpleNamespace) -> Scopes:
    """What the configured values decide, and which differences the user accepts."""
    return Scopes(
        shared=flag_names("images", "chain"),
        not_weights=_NOT_WEIGHTS,
        rounding=flag_names("rounding"),
        accepted=frozenset(config.accept),
    )


def finished(config: SimpleNamespace, files: RunFiles, about: dict) -> bool:
    """Whether a step has been trained and is not wanted anew.

    Raises:
        ValueError: if what has been trained is not the step that `about` describes.
    """
    index = about["step"]
    done = bool(finished_steps(config, files, [index]))
    if done:
        before = files.checkpoint(index - 1) if index > 0 else None
        check_finished(files.checkpoint(index), about, scopes(config), previous=before)
    return done


def finished_steps(config: SimpleNamespace, files: RunFiles, steps: list[int]) -> list[int]:
    """Those of `steps` that have a checkpoint and are not wanted anew."""
    return [k for k in steps if files.checkpoint(k).is_file() and not overwrites(config, k)]


def overwrites(config: SimpleNamespace, index: int) -> bool:
    """Whether a step is to be trained again: `--overwrite` means all of the call, `--overwrite 2` one."""
    return index in config.overwrite


def about_step(config: SimpleNamespace, data: IncrementData) -> dict:
    """What the checkpoint of a step says of itself; `data` are those of the step."""
    step, dataset = data.step, data.dataset
    identity = values_of_step(config, step)
    # Rows of later steps, if they are there already, belong to later classes.
    labels = step.order if identity["rows"] > step.num_seen else step.seen
    identity |= {"classes": [dataset.class_names[label] for label in labels], "images": images_of(data)}
    if step.index == 0:
        identity["pretrained"] = file_hash(config.pretrained_path)[:16]
    return describe(flat(config), step, step0_as=step0_as(METHODS[config.method]), identity=identity,
                    fingerprint=dataset.fingerprint("train"))  # fmt: skip


def values_of_step(config: SimpleNamespace, step: Step) -> dict:
    """The configured values that decide what a step trains, by name; method and rows among them."""
    method = METHODS[config.method](step, **config.hyper)
    values = flat(config) | {name: of_step(config, name, step.index) for name in PER_STEP}
    own, ignored = config.method, _NOT_WEIGHTS
    if step.index == 0:
        ignored = _NOT_STEP_0
        if not method.gathers_at_step0 and (own := step0_as(type(method))) == "FT":
            ignored = ignored | config.hyper.keys()
    kept = {name: value for name, value in values.items() if name not in ignored}
    return kept | {"method": own, "rows": sum(method.heads(step)), "previous": None}


def images_of(data: IncrementData) -> str:
    """The training images of a step as identities say it: how many, and a hash of what is in them."""
    return f"{len(data.rows('train'))} ({data.content('train')[:16]})"


def step0_of_others(config: SimpleNamespace, step: Step, about: dict) -> SharedStep0:
    """Where runs that train this step 0 alike share it; `about` is what its checkpoint says of itself."""
    method = METHODS[config.method](step, **config.hyper)
    return shared_step0(Path(config.checkpoint) / "shared_step0", method, about)


def previous_step(
    config: SimpleNamespace, data: IncrementData, about: dict, files: RunFiles, named: str = ""
) -> dict | None:
    """The checkpoint that a step builds on, or is adopted as its own; None where a task starts.

    Args:
        data: of the step. named: by --step_ckpt.
        about: what the step's own checkpoint will say; learns what it continues.
    """
    path = named or (files.previous(data.step.index) if data.step.index > 0 else "")
    if not path:
        return None
    return read_previous(path, about, scopes(config), images_of=lambda index: images_of(data.of(index)))


def test_of(
    config: SimpleNamespace, data: IncrementData, files: RunFiles, path: Path, content: dict
) -> dict:
    """What the test of a checkpoint measures, as `write_result` files it: view, kind, test_images, counted.

    Args:
        data: of the step. path: of the checkpoint. content: what is in it.

    Raises:
        ValueError: if the checkpoint has learned other classes than the dataset has, or if results that the
            new one would stand beside are of other classes or test images.
    """
    cure = "Give this run another --name or --results_dir"
    classes = [data.dataset.class_names[label] for label in data.step.seen]
    if "identity" in content:
        there = {"classes": content["identity"]["classes"][: len(classes)]}
        check(path, differences(there, {"classes": classes}), scopes(config), cure=cure)
    else:
        say_unchecked(path, "class names")
    own = path.resolve() == files.checkpoint(data.step.index).resolve()
    changed = [name for name in NETWORK if getattr(config, name) != content["config"].get(name)]
    network = " ".join(f"{name} {getattr(config, name)}" for name in changed)
    view = replace(view_of_config(vars(config)), network=network,
                   weights="" if own else f"{content['learned']:08x}")  # fmt: skip
    usual = read_results(files.results, quiet=True)
    kind = view.name(view_of_result(usual[0]) if usual else view_of_config(content["config"]))
    images = data.test_images
    for result in read_results(files.results, kind, quiet=True) if kind else usual:
        names = [entry["name"] for entry in result["classes"]][: len(classes)]
        there = {"classes": names, "test_images": result.get("test", {}).get("images", images)}
        found = differences(there, {"classes": classes[: len(names)], "test_images": images})
        check(files.results / f"step_{result['step']}.json", found, scopes(config), cure=cure)
    table = blake2b(data.table("test").tobytes(), digest_size=8).hexdigest()
    counted = f"{len(data.rows('test'))} ({data.content('test')[:16]}), labels {table}"
    return {"view": view, "kind": kind, "test_images": images, "counted": counted}


def tested(config: SimpleNamespace, data: IncrementData, files: RunFiles) -> tuple[dict, str] | None:
    """The result of the step's test, and the kind of test, if it has been made; None with --test.

    The checkpoint is not read but for what it says of itself.
    """
    path = files.checkpoint(data.step.index)
    content = {} if config.test else peek.about(path)
    if "learned" not in content:
        return None
    test = test_of(config, data, files, path, content)
    result = filed_result(files.results, data.step.index, content, **test)
    result = broadcast_object(result)  # the files may reach the processes at different times
    return (result, test["kind"]) if result else None
