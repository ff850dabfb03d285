"""Pre-train the demo's backbone on OTHER generated classes: `python -m scripts.pretrain_shapes`.

Incremental methods start from a backbone that has seen much of the world; ImageNet plays that part for VOC.
Here twelve classes play it whose shapes, textures and hues the demo's task does not contain. The file is a
stand-in made on the spot, no published weights.
"""

import argparse
import time
from pathlib import Path

import torch

from dataset.increment import increment_data
from dataset.loader import make_loader
from dataset.shapes import OtherShapes
from experiment import checkpoint
from experiment.autosave import seed_everything
from experiment.log import RunLog
from methods.base import Method
from metrics.reported import scores
from segmentation_module import Parts
from tasks import Step
from train import Training, evaluate, fit
from utils.cores import usable_cores

FILE = Path(__file__).resolve().parent.parent / "pretrained" / "tiny_shapes.pth"
NUM_IMAGES, EPOCHS, LR, BATCH_SIZE, SEED = 2400, 8, 0.05, 16, 0


def pretrain(path: Path, dataset: OtherShapes, training: Training, *, cache: str, logs: str) -> str:
    """Train all classes of `dataset` at once and keep the body in `path`; one line on how it went."""
    began, device = time.perf_counter(), torch.device("cpu")
    seed_everything(SEED)
    step = Step(dataset.name, "offline", 0, (tuple(range(len(dataset.class_names))),))
    method = Method(step)
    net = method.build_model(step, Parts("tiny", output_stride=8))
    method.net = method.model = net.to(memory_format=torch.channels_last)
    data = increment_data(dataset, step, crop_size=dataset.size, cache_dir=cache, seed=SEED)
    workers = min(1, usable_cores() - 1)  # nothing else runs meanwhile
    loader = make_loader(data.train, BATCH_SIZE, train=True, seed=SEED, num_workers=workers)
    log = RunLog(logs, "pretraining")
    fit(method, loader, training, device=device, log=log)
    matrix = evaluate(method, make_loader(data.test, BATCH_SIZE, train=False), device=device, log=log)
    log.close()
    checkpoint.save({"state_dict": method.net.body.state_dict(), "trained_on": describe(dataset)}, path)
    miou = scores(matrix.counts, num_base=step.num_seen, has_background=True)["miou_all"]
    return (
        f"{path}: backbone pre-trained on other generated classes ({describe(dataset)}), "
        f"mIoU {100 * miou:.1f} % on them, {time.perf_counter() - began:.0f} s"
    )


def describe(dataset: OtherShapes) -> str:
    """The classes of `dataset` but the background."""
    return ", ".join(dataset.class_names[1:])


def main(argv: list[str] | None = None) -> None:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, default=FILE, help="file to write (default: %(default)s)")
    parser.add_argument("--cache_dir", default="cache", help="folder for the scan of the images")
    parser.add_argument("--logdir", default="logs", help="folder for TensorBoard")
    args = parser.parse_args(argv)
    logs = str(Path(args.logdir) / "pretrain_shapes")
    dataset, training = OtherShapes(num_train=NUM_IMAGES), Training(EPOCHS, LR)
    print(pretrain(args.path, dataset, training, cache=args.cache_dir, logs=logs), flush=True)


if __name__ == "__main__":
    main()
