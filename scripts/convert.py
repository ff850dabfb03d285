"""Checkpoints of the published systems as checkpoints of this one, which `run.py --test` evaluates.

    python -m scripts.convert 15-5s-voc_MiB_1.pth step_1.pt --from mib
    python -m scripts.convert IN OUT --from rcil --dataset voc --task 15-5s --step 1 [flags of run.py]
    python -m scripts.convert IN OUT --from plop --dataset my.yaml --task 6-1 --step 1    # your own data
    python run.py --test --ckpt step_1.pt --data_root DIR

Nothing in the file is executed. Dataset, task and step are read from the published name of the file or given;
every other flag of run.py may be given too. Of your own data the classes stand in the YAML file in the order
in which the published program learned them. Every entry of the file is reported: taken, renamed or dropped.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import argparser
from config.build import flat, network_parts
from dataset import DATASETS, build_dataset
from dataset.base import SegmentationDataset
from dataset.card import data_card
from experiment import checkpoint
from experiment.identity import describe
from methods import METHODS
from methods.build import step0_as
from models.pretrained import faults, read_file
from models.wrapping import network_in
from scripts.published_checkpoints import SYSTEMS
from tasks import make_step

NAMES = (  # what the published programs call their files
    r"(?P<task>[^/]+)-(?P<dataset>cityscapes\w*|[^/_]+)_[^/]*_(?P<step>\d+)\.pth",
    r".*?(?P<setting>overlap|disjoint)_(?P<task>[^/_]+(_[b-w])?)_[^/]*/step_(?P<step>\d+)/checkpoint[^/]*\.pth",
)


def flags_from_name(path: Path) -> list[str]:
    """Flags that the published name of a file tells: task, dataset, step, setting."""
    for pattern in NAMES:
        if match := re.fullmatch(pattern, path.name) or re.fullmatch(pattern, path.absolute().as_posix()):
            found = {"dataset": "voc"} | {key: value for key, value in match.groupdict().items() if value}
            return [word for key, value in found.items() for word in (f"--{key}", value)]
    return []


def flags_from_weights(weights: dict[str, Tensor]) -> list[str]:
    """The backbone that the names belong to, if it is one of ours."""
    if any(key.startswith("body.layers.") for key in weights):
        return ["--backbone", "swin_b"]
    depth = sum(
        re.fullmatch(r"body\.mod4\.block\d+\.convs\.conv1\.weight", key) is not None for key in weights
    )
    return (
        ["--backbone", {2: "resnet18", 6: "resnet50", 23: "resnet101"}[depth]] if depth in (2, 6, 23) else []
    )


def convert(path: str | Path, system: str, flags: list[str], *, say: Callable[[str], None] = print) -> dict:
    """A checkpoint of ours from the one that `system` wrote to `path`.

    Args:
        path: the published file.
        system: key of `SYSTEMS`.
        flags: flags of run.py that the file's name does not tell, or that override what it tells.
        say: gets the report: one line per entry, taken, renamed, dropped or missing, and the counts.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or it is not the network of these flags.
    """
    path = Path(path)
    given, beside = network_in(read_file(path), path)
    out = SYSTEMS[system].translate(given)
    out.dropped |= {key: "not part of the network" for key in beside}
    known = [*flags_from_weights(out.weights), *SYSTEMS[system].flags.split(), *flags_from_name(path)]
    for flag in ("--dataset", "--task", "--step"):
        if flag not in [*known, *flags]:
            raise ValueError(f"{path.name} does not tell {flag.removeprefix('--')}: add {flag}")
    config = argparser.resolve([*known, *flags], {})
    if len(config.step) != 1 or not str(config.step[0]).isdigit():
        raise ValueError(f"--step {' '.join(config.step)}: a checkpoint is of one step, give its number")
    data = classes_of(config.dataset, config.data_root)
    step = make_step(data, config.task, int(config.step[0]))
    method = METHODS[config.method](step, **config.hyper)
    with torch.device("meta"):
        own = method.build_model(step, network_parts(config, pretrained=False)).state_dict()
    say(out.report(given, [key for key in own if key not in out.weights]))
    if words := faults(own, out.weights):
        network = (
            f"{config.method} with {config.backbone} after step {step.index} of {data.name} {config.task}"
        )
        raise ValueError(f"{path} is not the network of {network}: it {words}")
    about = describe(flat(config), step, step0_as=step0_as(type(method)), fingerprint="")  # trained on what?
    net = {key: out.weights[key].to(own[key].dtype).clone() for key in own}
    about |= {"converted_from": f"{system}: {path.name}", "card": data_card(data)}
    return about | {"net": net, "method_state": {}}


def classes_of(name: str, root: str) -> SegmentationDataset | type[SegmentationDataset]:
    """What knows the classes of the data set `name`: its class if it is published, whose files need not be
    here; your own data, by their YAML file.

    Raises:
        ValueError, FileNotFoundError: if nothing does.
    """
    kind = DATASETS.get(name)
    return kind if kind and getattr(kind, "class_names", ()) else build_dataset(name, root)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="IN", type=Path, help="checkpoint of a published system")
    parser.add_argument("target", metavar="OUT", type=Path, help="checkpoint to write")
    parser.add_argument("--from", dest="system", choices=SYSTEMS, required=True, help="which system wrote IN")
    options, flags = parser.parse_known_args(arguments)
    try:
        if options.source.absolute() == options.target.absolute():
            raise ValueError("IN and OUT are the same file")
        content = convert(options.source, options.system, flags)
        checkpoint.save(content, options.target)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"scripts.convert: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(
        f"{options.target}: {content['method']} {content['dataset']} {content['task']} step {content['step']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
