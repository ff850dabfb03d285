"""From the resolved configuration to what the parts of the framework take."""

from pathlib import Path
from types import SimpleNamespace

import torch

from config.published_numbers import compare
from config.recipes import row_of
from config.values import PER_STEP, flat, of_step, run_files
from dataset import build_dataset
from dataset.base import SegmentationDataset
from dataset.increment import IncrementData, increment_data
from dataset.skip import skip_bad_images
from experiment.autosave import seed_everything
from methods.base import Method
from methods.build import build_method, trained_method
from methods.declared import heads_of
from metrics.filed import csv_of, read_results
from metrics.published_csv import published_summary, read_rows
from metrics.reported import IMAGES, labels_of
from metrics.table import table
from modules.heads import HEADS
from segmentation_module import Parts
from tasks import Step
from train import Training
from utils.distributed import is_main, world_size
from utils.files import write_text

HEAD_OPTIONS = {  # flags of the mask head, and what it calls them
    "queries": "queries", "decoder_layers": "layers", "mask_points": "points", "backbone_lr": "backbone_lr",
    "pixel_decoder": "pixel_decoder", "unlabelled_background": "unlabelled_background",
}  # fmt: skip


def shared_folders(config: SimpleNamespace) -> list[Path]:
    """Folders that this run writes into, and others may at the same time."""
    return [run_files(config).results, Path(config.checkpoint) / "shared_step0"]


def network_parts(config: SimpleNamespace, *, pretrained: bool) -> Parts:
    """How this run's networks are built; only a network that starts training needs `pretrained` weights."""
    return Parts(config.backbone, output_stride=config.output_stride, pooling=config.pooling,
                 precision=config.precision, norm=config.norm, head_name=config.head,
                 head_options={name: getattr(config, flag) for flag, name in HEAD_OPTIONS.items()},
                 pretrained=config.pretrained_path if pretrained else "")


def run_dataset(config: SimpleNamespace) -> SegmentationDataset:
    """The data set of the run.

    Raises:
        ValueError: if its labels are not what the head answers for.
    """
    dataset = build_dataset(config.dataset, config.data_root, leaky=config.leaky_split)
    per_image = [name for name, head in HEADS.items() if head.answers == "images"]
    if dataset.one_label and config.head not in per_image:
        usable = [name for name in heads_of(config.method) if name in per_image]
        cure = f"give --head {usable[0]}" if usable else f"{config.method} learns from masks alone"
        raise ValueError(f"{config.dataset} has one label per image: {cure}")
    if config.head in per_image and not dataset.one_label:
        raise ValueError(f"--head {config.head} answers for whole images, and {config.dataset} has masks")
    if config.skip_bad_images:
        skip_bad_images(dataset)
    return dataset


def step_data(config: SimpleNamespace, step: Step, dataset) -> IncrementData:
    """The images that a step trains and is tested on."""
    same_name = ("setting", "protocol", "masking", "crop_size", "index_dir", "cache_dir", "seed", "val_share")
    options = {name: getattr(config, name) for name in same_name} | {"evaluation": config.eval}
    return increment_data(dataset, step, ignore_background=config.ignore_test_bg, **options)


def method_at(
    config: SimpleNamespace, step: Step, device: torch.device, previous: dict | None
) -> Method:
    """The method at the start of `step`, after the checkpoint `previous`.

    Every random number generator is started anew, so that a step does not depend on the ones before it.
    """
    seed_everything(config.seed)
    parts = network_parts(config, pretrained=step.index == 0)
    return build_method(config.method, step, parts, hyper=config.hyper, device=device, previous=previous,
                        training=training(config, step.index))


def method_after(config: SimpleNamespace, step: Step, device: torch.device, content: dict) -> Method:
    """The method as it was after `step`, from the checkpoint `content`."""
    parts = network_parts(config, pretrained=False)
    return trained_method(config.method, step, parts, content, hyper=config.hyper, device=device)


def training(config: SimpleNamespace, index: int) -> Training:
    """Numbers of the optimisation of step `index`."""
    return Training(
        epochs=of_step(config, "epochs", index), lr=of_step(config, "lr", index),
        lr_warmup=config.lr_warmup, weight_decay=config.weight_decay, accumulate=config.accumulate,
        print_interval=config.print_interval, scale_loss=config.precision == "fp16",
        optimizer=config.optimizer, clip=config.clip_grad,
    )


def batch_size(config: SimpleNamespace, images: int) -> int:
    """Images per process and batch; of a step with fewer `images` than a batch, all that they allow.

    Raises:
        ValueError: if the global batch does not divide evenly.
    """
    parts = world_size() * config.accumulate
    if config.batch_size % parts:
        near = max(parts, config.batch_size // parts * parts)
        raise ValueError(
            f"--batch_size {config.batch_size} does not divide by processes x accumulation = {parts}: give "
            f"--batch_size {near}"
        )
    return max(1, min(config.batch_size, images) // parts)


def test_batch_size(config: SimpleNamespace) -> int:
    """Images per batch of a test; equal for any number of processes, so that every count is, too."""
    return min(config.batch_size, 1 if config.eval == "full" else 8)  # 8: 1.3 GB of logits of ADE20K


def steps_of(words: list[str], num_steps: int, *, flag: str = "step") -> list[int]:
    """Step numbers that `--step` (or another `flag`) means, in order: "all", "2", "0 1 2", "1-5".

    Raises:
        ValueError: if the task has no such step.
    """
    steps = []
    for word in words:
        first, _, last = str(word).partition("-")
        if word == "all":
            steps += range(num_steps)
        elif first.isdigit() and (last.isdigit() or not last):
            steps += range(int(first), int(last or first) + 1)
        else:
            raise ValueError(f"--{flag} {word}: use a number, a range such as 1-5, or all")
    if not steps or max(steps) >= num_steps:
        raise ValueError(f"--{flag} {' '.join(map(str, words))}: the task has steps 0 to {num_steps - 1}")
    return steps


def check_values(config: SimpleNamespace, num_steps: int) -> None:
    """Refuse a value of a per-step flag that no step of the task can use.

    Raises:
        ValueError: saying which value of which flag.
    """
    for name in PER_STEP:
        values = getattr(config, name)
        if len(values) > num_steps and config.sources[name] == "command line":
            raise ValueError(
                f"--{name} has {len(values)} values, one per step, but {config.task} has "
                f"{num_steps} step{'s' * (num_steps > 1)}: leave out {' '.join(map(str, values[num_steps:]))}"
            )


def closing(config: SimpleNamespace, kind: str = "") -> str:
    """The end of a run's output: the table of a kind of test, the published summary and the published row.

    With `--date`, the table is also filed where published scripts look for it.
    """
    files = run_files(config)
    results = read_results(files.results, kind)
    file = csv_of(files.results, kind)
    parts = [table(results)]
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        by_image = bool(results) and labels_of(results[-1]) == IMAGES
        parts += [] if by_image else published_summary(read_rows(text.splitlines()))  # of IoUs, in words
        if config.date and is_main():
            name = Path(config.dataset).stem
            write_text(files.published_table(config.date, name, config.task, config.name), text)
    row = None if config.recipe == "none" or config.val_share else row_of(flat(config))
    if row and results:
        parts.append(compare(results, row, flat(config)))
    return "\n".join(part for part in parts if part)
