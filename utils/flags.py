"""The run flags, as a table: name, default, help. What belongs to a method is an attribute of its class instead."""

from dataclasses import dataclass

from dataset import DATASETS
from dataset.increment import EVALUATIONS
from dataset.rules import PROTOCOLS, SETTINGS
from methods import METHODS
from models import BACKBONES
from segmentation_module import PRECISIONS

# What people type who come from the published code bases, and what it is called here.
HINTS = {
    "--overlapped": "--setting overlap", "--disjoint": "--setting disjoint", "--no-pretrained": "--no_pretrained",
    "--gpu": "CUDA_VISIBLE_DEVICES", "--resume": "nothing: the same command continues", "--learning_rate": "--lr",
}


@dataclass(frozen=True)
class Flag:
    """One run flag: how argparse reads it, and its default."""

    name: str
    default: object
    help: str
    kind: type = str
    choices: tuple = ()
    nargs: str = ""


FLAGS: dict[str, tuple[Flag, ...]] = {
    "what to run": (
        Flag("method", "FT", f"one of {', '.join(METHODS)}"),
        Flag("dataset", "shapes", f"one of {', '.join(DATASETS)}; or the YAML file of your own data"),
        Flag("task", "4-1", "published name (15-5s), papers' name (15-1), any B-I, or offline (joint training)"),
        Flag("step", "all", "steps to run: 0, several (0 1 2), a range (1-5), or all", nargs="+"),
        Flag("setting", "overlap", "which images a step sees", choices=SETTINGS),
        Flag("protocol", "plop", "what old, future and void pixels count as", choices=PROTOCOLS),
        Flag("test", False, "evaluate the saved checkpoints of the steps instead of training", kind=bool),
        Flag("explain", False, "print every resolved value and where it comes from, and stop", kind=bool),
        Flag("recipe", "auto", "auto: the recipe that fits the setting; none; or a recipe's name"),
    ),
    "where things are": (
        Flag("data_root", "", "folder of the dataset"),
        Flag("index_dir", "", "published .npy image lists to use instead of computed ones"),
        Flag("pretrained_path", "auto", "backbone weights; auto: the published file of the backbone in pretrained/"),
        Flag("no_pretrained", False, "start the backbone from random weights", kind=bool),
        Flag("step_ckpt", "", "checkpoint of the previous step, if not at its usual place"),
        Flag("ckpt", "", "with --test: evaluate this file"),
        Flag("checkpoint", "checkpoints", "folder for checkpoints"),
        Flag("results_dir", "results", "folder for result tables"),
        Flag("logdir", "logs", "folder for TensorBoard"),
        Flag("cache_dir", "cache", "folder for the scan of which image shows which class"),
        Flag("name", "", "suffix that tells this run from others of the same method and setting"),
        Flag("overwrite", False, "train steps again that are finished already", kind=bool),
    ),
    "network": (
        Flag("backbone", "tiny", f"one of {', '.join(BACKBONES)}, or timm:<name>"),
        Flag("output_stride", 16, "stride of the last feature map", kind=int, choices=(8, 16)),
        Flag("pooling", 32, "window of the head's image pooling in evaluation", kind=int),
        Flag("precision", "auto", "auto: bf16 on a GPU that has it, else fp32",
             choices=("auto", *PRECISIONS)),
    ),
    "training": (
        Flag("epochs", (30,), "per step: the first value is the first step's, the last one repeats", kind=int, nargs="+"),
        Flag("lr", (0.01, 0.001), "per step, like --epochs", kind=float, nargs="+"),
        Flag("batch_size", 24, "images per optimizer step, over all processes and accumulated batches", kind=int),
        Flag("accumulate", 1, "split each optimizer step into this many batches (less memory)", kind=int),
        Flag("weight_decay", 1e-4, "on every trainable parameter", kind=float),
        Flag("crop_size", 512, "side of the training crops and of the test view", kind=int),
        Flag("eval", "crop", "test on the centre crop (published) or on full images", choices=EVALUATIONS),
        Flag("seed", 42, "of weights, order and augmentation", kind=int),
        Flag("num_workers", 4, "loader processes per process, at most one per core", kind=int),
        Flag("print_interval", 10, "iterations between two looks at the losses", kind=int),
        Flag("ckpt_interval", 10.0, "minutes between two saves of an unfinished step", kind=float),
        Flag("timeout", 1800.0, "seconds after which a process that waits for the others gives up", kind=float),
        Flag("deterministic", False, "only deterministic GPU kernels (slower)", kind=bool),
    ),
}
DEFAULTS = {flag.name: flag.default for flags in FLAGS.values() for flag in flags}
