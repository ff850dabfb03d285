"""What a run says before it works: what it assumes, what a step begins with, how much is ahead."""

from pathlib import Path
from types import SimpleNamespace

from config import build, reuse
from config.outlook import names
from dataset import has_one_label
from dataset.increment import IncrementData
from experiment.files import RunFiles
from methods import METHODS
from methods.build import why_step0
from metrics.cost import Clock
from tasks import Step
from utils import cpu, gpu
from utils.distributed import world_size

GENERATED = "shapes"
# What a reader of the log must know and may not have chosen.
ASKED = ("method", "task", "backbone", "epochs", "lr", "batch_size", "crop_size")


def assumed(config: SimpleNamespace) -> list[str]:
    """Lines on what nobody chose: values that are mere defaults, random weights, a slow precision."""
    lines, values = [], build.flat(config)
    taken = [name for name in ASKED if config.sources[name].startswith("default")]
    if taken:
        words = (f"{name} {in_words(values[name])}" for name in taken)
        lines.append(f"nobody chose, so assumed: {', '.join(words)} (--explain shows every value)")
    if not config.test:
        lines.append(f"backbone {config.backbone} starts {weights_in_words(config.pretrained_path)}")
    if config.precision == "bf16" and not gpu.found() and cpu.lacks_bf16():
        lines.append(
            "warning: this processor has no units for bf16, so iterations take about twice as long in it; "
            "--precision fp32 is faster"
        )
    chosen = config.sources["no_pretrained"] == "command line" and config.no_pretrained
    usual = config.dataset == GENERATED or has_one_label(config.dataset)  # no pre-training
    if not config.pretrained_path and not chosen and not usual and not config.test:
        lines.append(
            f"warning: {config.backbone} starts from random weights, with which no published number can be "
            "reached; take --backbone resnet101 with the file that pretrained/README.md names, or say "
            "--no_pretrained if that is meant"
        )
    return lines


def weights_in_words(path: str) -> str:
    """What a backbone starts with, if `path` names its weights."""
    if not path:
        return "at random"
    there = path == "hub" or Path(path).is_file()
    return f"with the weights of {path}" + ("" if there else ", which is not there: pretrained/README.md")


def in_words(value: object) -> str:
    """A value as the command line would have it."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def ready(config: SimpleNamespace, data: IncrementData, *, images: int, clock: Clock) -> str:
    """What a step begins with; of step 0 also whether other methods can take it over."""
    step, taught = data.step, names(data)
    shown = ", ".join(taught[:6]) + (f" and {len(taught) - 6} more" if len(taught) > 6 else "")
    again = f", call {clock.calls} of this step" if clock.calls > 1 else ""
    line = (
        f"step {step.index} of {step.num_steps - 1} teaches {shown}: {images} images, ready after "
        f"{clock.seconds - clock.before:.1f} s{again}"
    )
    if step.index > 0 or step.num_steps == 1 or config.no_share:
        return line
    return f"{line}\nstep 0 is {why_step0(METHODS[config.method])}"


def no_features(config: SimpleNamespace, step: Step, why: str) -> str:
    """That `--cache features` was asked for in vain."""
    return f"--cache features has no effect on {config.method} at step {step.index}: {why}"


def batches_ahead(config: SimpleNamespace, steps: list[int], data: IncrementData, files: RunFiles) -> int:
    """Batches that the call trains after the step of `data`, as far as they are known before."""
    found = 0
    for index in steps[steps.index(data.step.index) + 1 :]:
        if reuse.overwrites(config, index) or not files.checkpoint(index).is_file():
            images = data.of(index).num_images["train"]
            epochs = build.of_step(config, "epochs", index)
            found += epochs * (images // (build.batch_size(config, images) * world_size()))
    return found


def seconds_in_words(steps: list[int]) -> str:
    """What the published last line counts."""
    later = [index for index in steps if index > 0]
    counted = f"steps {later[0]} to {later[-1]}" if later[1:] else f"step {(later or steps)[0]}"
    without = ", without step 0" if 0 in steps and later else ""
    return f"The seconds below are of this call: {counted}{without}, training and tests."
