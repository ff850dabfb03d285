"""The run flags, as a table: name, default, help; and the parser that reads them.

What belongs to a method is an attribute of its class instead.
"""

from dataclasses import dataclass

from dataset import DATASETS
from dataset.rules import EVALUATIONS, MASKINGS, PROTOCOLS, SETTINGS
from experiment.trackers import TRACKERS
from methods import METHODS
from methods.declared import declared
from models import BACKBONES
from modules.heads import HEADS, PUBLISHED
from modules.norms import NORMS
from modules.pixel_decoders import PIXEL_DECODERS
from modules.precisions import PRECISIONS
from utils.optimizers import OPTIMIZERS
from utils.sizes import size

# What a flag decides, in one word. Resuming, sharing step 0, continuing, testing and the report derive
# from it.
SCOPES = {
    "task": "which run it is: compared by its classes, images and weights",
    "data": "which files are read: compared by their content",
    "images": "which images a step sees; all steps of a run share it, and step 0 knows it by its images",
    "chain": "the network and what labels mean: all steps of a run share it",
    "weights": "the weights of every step",
    "later": "the weights of later steps, not those of step 0",
    "rounding": "no more than the last bits of the weights",
    "test": "the numbers of a test alone",
    "place": "where files are",
    "call": "what this call does and how, and no number",
}


@dataclass(frozen=True)
class Flag:
    """One run flag: its default, what it decides (a word of SCOPES), and how argparse reads it."""

    name: str
    default: object
    scope: str
    help: str
    kind: type = str
    choices: tuple = ()
    nargs: str = ""


FLAGS: dict[str, tuple[Flag, ...]] = {
    "what to run": (
        Flag("method", "FT", "task", f"one of {', '.join(METHODS)}"),
        Flag("dataset", "shapes", "task", f"one of {', '.join(DATASETS)}; or the YAML file of your own data"),
        Flag("task", "4-1", "task",
             "published (15-5s) or papers' name (15-1), any B-I, or offline (joint training)"),
        Flag("step", "all", "call", "steps to run: 0, several (0 1 2), a range (1-5), or all", nargs="+"),
        Flag("setting", "overlap", "images", "which images a step sees", choices=SETTINGS),
        Flag("protocol", "plop", "chain", "what old, future and void pixels count as", choices=PROTOCOLS),
        Flag("masking", "current", "weights",
             "classes labelled in training: the step's; + old; new: others ignored", choices=MASKINGS),
        Flag("ignore_test_bg", False, "test", "leave background pixels out of tests", kind=bool),
        Flag("leaky_split", False, "data",
             "cut Cityscapes' cities as published: tests contain training images", kind=bool),
        Flag("val_share", 0.0, "images",
             "share of the training images that no step trains on, and tests are made on: to choose values",
             kind=float),
        Flag("test", False, "call",
             "evaluate the saved checkpoints of the steps instead of training", kind=bool),
        Flag("explain", False, "call",
             "print every resolved value and where it comes from, and stop", kind=bool),
        Flag("yaml", False, "call", "with --explain: as a file for --config that repeats the run", kind=bool),
        Flag("recipe", "auto", "call",
             "auto: the recipe that fits the setting; none; a recipe's name; or your own file (flag: value)"),
        Flag("config", "", "call", "YAML file of values (flag: value) that win over every recipe"),
    ),
    "where things are": (
        Flag("data_root", "", "place", "folder of the dataset"),
        Flag("index_dir", "", "data", "published .npy image lists to use instead of computed ones"),
        Flag("skip_bad_images", False, "data",
             "decode every file first, and leave out what is bad", kind=bool),
        Flag("pretrained_path", "auto", "data", "backbone weights; auto: the published file in pretrained/"),
        Flag("no_pretrained", False, "data", "start the backbone from random weights", kind=bool),
        Flag("step_ckpt", "", "call", "checkpoint of the previous step, if not at its usual place"),
        Flag("ckpt", "", "call", "with --test: evaluate this file"),
        Flag("replay_batch", "", "call", "file of a batch whose loss was not finite: run it again"),
        Flag("checkpoint", "checkpoints", "place", "folder for checkpoints"),
        Flag("results_dir", "results", "place", "folder for result tables"),
        Flag("logdir", "logs", "place", "folder for TensorBoard"),
        Flag("cache_dir", "cache", "place",
             "folder for scans of which image shows which class, and --cache disk"),
        Flag("name", "", "task", "suffix that tells this run from others of the same method and setting"),
        Flag("date", "", "call",
             "also file the table as RESULTS_DIR/DATE_DATASET_TASK_NAME.csv, as published"),
        Flag("no_share", False, "call", "train step 0 even if another run has an equal one", kind=bool),
        Flag("overwrite", (), "call",
             "train finished steps again: those that follow, or all of this call", nargs="*"),
        Flag("accept", (), "call", "names of values that may differ from those of a file that is used again",
             nargs="+"),
    ),
    "network": (
        Flag("backbone", "tiny", "chain", f"one of {', '.join(BACKBONES)}, or timm:<name>"),
        Flag("head", PUBLISHED, "chain", f"one of {', '.join(HEADS)}"),
        Flag("output_stride", 16, "chain", "stride of the last feature map; 32: for --head pooled or mask",
             kind=int, choices=(8, 16, 32)),
        Flag("pooling", 32, "later", "window of the head's image pooling in evaluation, 0: all", kind=int),
        Flag("precision", "auto", "weights", "auto: bf16 on a GPU that has it, else fp32",
             choices=("auto", *PRECISIONS)),
        Flag("norm", "abn", "weights",
             "norm of ResNets and heads; lean: same, with 44 % less memory; iabn: the package",
             choices=tuple(NORMS)),
    ),
    "mask head": (
        Flag("queries", 100, "chain", "masks that the network answers with", kind=int),
        Flag("decoder_layers", 9, "chain", "layers of the transformer decoder", kind=int),
        Flag("pixel_decoder", "fpn", "chain", "of the body's maps; deformable: attention, as published rows",
             choices=tuple(PIXEL_DECODERS)),
        Flag("unlabelled_background", False, "chain",
             "class 0 is what nobody labelled (ADE20K): it has no mask", kind=bool),
        Flag("mask_points", 12544, "weights", "points at which two masks are compared", kind=int),
        Flag("backbone_lr", 0.1, "weights", "learning rate of the body over that of all else", kind=float),
    ),
    "training": (
        Flag("epochs", (30,), "weights", "one per step of the task; the last stands for all that follow",
             kind=int, nargs="+"),
        Flag("lr", (0.01, 0.001), "weights", "per step, like --epochs", kind=float, nargs="+"),
        Flag("lr_warmup", 0.0, "weights",
             "share of a step's optimizer steps over which the rate rises from a thousandth", kind=float),
        Flag("batch_size", 24, "weights", "images per optimizer step, over all processes", kind=int),
        Flag("accumulate", 1, "weights",
             "split each optimizer step into this many batches (less memory)", kind=int),
        Flag("weight_decay", 1e-4, "weights", "on every trainable parameter", kind=float),
        Flag("optimizer", "sgd", "weights", "sgd: Nesterov momentum 0.9, as most systems; adamw",
             choices=tuple(OPTIMIZERS)),
        Flag("clip_grad", 0.0, "weights", "largest norm of all gradients together, 0: any", kind=float),
        Flag("crop_size", 512, "weights", "side of the training crops and of the test view", kind=int),
        Flag("eval", "crop", "test",
             "test on the centre crop (published) or on full images", choices=EVALUATIONS),
        Flag("seed", 42, "weights", "of weights, order and augmentation", kind=int),
        Flag("num_workers", 4, "call", "loader workers per process, at most one per usable core", kind=int),
        Flag("track", (), "call", "also log to wandb or mlflow (optional packages)",
             choices=tuple(TRACKERS), nargs="+"),
        Flag("print_interval", 10, "call", "iterations between two looks at the losses", kind=int),
        Flag("profile", 0, "call",
             "iterations of each step to profile: a table, and a trace for a browser in --logdir",
             kind=int),
        Flag("ckpt_interval", 10.0, "call", "minutes between two saves of an unfinished step", kind=float),
        Flag("timeout", 1800.0, "call",
             "seconds after which a process gives up waiting for others", kind=float),
        Flag("cache", "none", "call",
             "decode training images once: ram keeps them in each process of this run, disk "
             "in --cache_dir for all (VOC: 6 GB); worth it where few cores feed a fast GPU. features:V, "
             "where the network is frozen: what it answers to V views of each image (default 4) is computed "
             "once and kept in 16 bits, features:V:exact in as many as it has; in closed form, with one pass "
             "over the images, it is kept for later runs, exactly"),
        Flag("cache_limit", 0.0, "call",
             "most that --cache disk and features may take in --cache_dir, e.g. 20GB (0: any size); what "
             "no run uses goes, least recently used first", kind=size),
        Flag("compile", False, "rounding",
             "compile network and losses (GPUs; the first batch takes minutes)", kind=bool),
        Flag("tf32", False, "weights", "fp32 on a GPU may multiply with 10 bits of mantissa", kind=bool),
        Flag("deterministic", False, "rounding", "only deterministic GPU kernels (slower)", kind=bool),
    ),
}
# What identities and tests compare besides configured values.
CONTENT = ("classes", "images", "pretrained", "previous", "rows", "test_images")
DEFAULTS = {flag.name: flag.default for flags in FLAGS.values() for flag in flags}


def flag_names(*scopes: str) -> set[str]:
    """Names of the flags with one of these `scopes`."""
    assert set(scopes) <= SCOPES.keys()
    return {flag.name for flags in FLAGS.values() for flag in flags if flag.scope in scopes}


def checked(name: str, value, method: str):
    """`value` of the flag `name`, from a file, as the command line would have read it.

    In a file a hyper-parameter may also be a list, of one value per step (see `methods.base.Method`).

    Raises:
        ValueError: if the command line would not have taken it.
    """
    flags = [flag for group in FLAGS.values() for flag in group]
    own = declared(method).items()
    flags += [Flag(key, default, "weights", text, kind=kind) for key, (kind, default, text) in own]
    flag = next(flag for flag in flags if flag.name == name)
    may_be_list = isinstance(value, list | tuple) and (flag.nargs or name not in DEFAULTS)
    listed = may_be_list and (len(value) > 0 or flag.default == ())
    values = value if listed else [value]
    if flag.kind is bool and not all(isinstance(one, bool) for one in values):
        raise ValueError(f"{name} is true or false, not {value}")
    try:
        values = [flag.kind(one) for one in values]
    except (TypeError, ValueError):
        raise ValueError(f"{name} cannot be {value!r}") from None
    if flag.choices and not set(values) <= set(flag.choices):
        raise ValueError(f"{name} is one of {', '.join(map(str, flag.choices))}, not {value}")
    return values if flag.nargs or listed else values[0]
