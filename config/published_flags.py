"""The flags of MiB, PLOP, RCIL, NeST and RevisitingCSS, and what each means here: one table.

These systems share a parser to which each added flags; a method is a combination of flags there.
`config/published_command_lines.py` reads command lines with this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# -- what makes up a method ----------------------------------------------------------------------------------
# Options of the published parsers, with their defaults.
METHOD_OPTIONS = {
    "loss_kd": 0.0, "loss_de": 0.0, "alpha": 1.0, "unce": False, "unkd": False, "init_balanced": False,
    "bce": False, "icarl": False, "icarl_importance": 1.0, "regularizer": "", "reg_importance": 1.0,
    "reg_alpha": 0.9, "reg_iterations": 10, "reg_no_normalize": False, "pod": "", "pod_factor": 5.0,
    "pod_options": {}, "pod_logits": False, "pseudo": "", "threshold": 0.9, "pseudo_nb_bins": 100,
    "classif_adaptive_factor": False, "classif_adaptive_min_factor": 0.0, "warm_up": False, "warm_epochs": 10,
    "warm_lr_scale": 1.0, "unce_in_warm": False, "fix_pre_cls": False, "fix_backbone": False,
    "pre_allocate": False,
}  # fmt: skip


@dataclass(frozen=True)
class Combination:
    """Published options that together are one of our methods.

    Args:
        method: name of the method here.
        needs: options with these values.
        hyper: options, with the name of the hyper-parameter here.
        idle: options of its scripts that change nothing in the published code of the method.
        grows: False if it holds only where steps bring no new classes.
    """

    method: str
    needs: Mapping[str, object] = field(default_factory=dict)
    hyper: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, object] = field(default_factory=dict)
    grows: bool = True


def same(*names: str) -> dict[str, str]:
    """Options that are called the same here."""
    return {name: name for name in names}


UNBIASED, KD = {"unce": True, "unkd": True}, same("loss_kd", "alpha")
SPATIAL = {"pod": "local", "pod_logits": True}
POD = {"pod_factor": "pod_factor", "pod_options": "pod_logits_factor"}
PLOP = SPATIAL | {"pseudo": "entropy"}
PLOP_HYPER = POD | same("threshold") | {
    "pseudo_nb_bins": "num_bins", "classif_adaptive_factor": "adaptive_min",
    "classif_adaptive_min_factor": "adaptive_min",
}  # fmt: skip
NEST, NEST_HYPER = {"warm_up": True, "unce_in_warm": True}, same("warm_epochs", "warm_lr_scale")
NEST_FROZEN = NEST_HYPER | {"fix_pre_cls": "freeze_classifiers"}
BALANCED = {"init_balanced": True}  # NeST replaces all that it sets
IMPORTANCE = same("reg_importance") | {"reg_no_normalize": "reg_normalize"}
# RCIL's train.py holds the factors of its pooled cubes itself.
CUBES = dict.fromkeys(("pod_factor", "pod_options", "threshold", "classif_adaptive_factor", "pod_logits"))
FROZEN = {
    "fix_backbone": "freeze_backbone", "fix_pre_cls": "freeze_classifiers", "pre_allocate": "pre_allocate",
}  # fmt: skip
COMBINATIONS = (
    Combination("FT"),
    Combination("DFT*", {}, FROZEN),
    Combination("LWF", {}, KD),
    Combination("ILT", {}, KD | same("loss_de")),
    Combination("LWF-MC", {"icarl": True}, same("icarl_importance"), {"bce": None}),
    Combination("EWC", {"regularizer": "ewc"}, IMPORTANCE | same("reg_alpha")),
    Combination("PI", {"regularizer": "pi"}, IMPORTANCE),
    Combination("RW", {"regularizer": "rw"}, IMPORTANCE | same("reg_alpha", "reg_iterations")),
    Combination("MiB", UNBIASED, KD | same("init_balanced")),
    Combination("MiB+NeST", UNBIASED | NEST, KD | NEST_HYPER, BALANCED),
    Combination("PLOP", PLOP, PLOP_HYPER | same("init_balanced")),
    Combination("PLOP+NeST", PLOP | NEST, PLOP_HYPER | NEST_FROZEN, BALANCED),
    Combination("RCIL", UNBIASED | {"pod": "local"}, same("loss_kd", "init_balanced"), CUBES),
    Combination("PLOP", SPATIAL, POD, grows=False),
    Combination("RCIL", SPATIAL, {}, CUBES, grows=False),
)
# What --method sets. Differs from the published parsers: an option that is given as well is not overwritten.
PRESETS = {
    "FT": {},
    "LWF": {"loss_kd": 100.0},
    "LWF-MC": {"icarl": True, "icarl_importance": 10.0},
    "ILT": {"loss_kd": 100.0, "loss_de": 100.0},
    "EWC": {"regularizer": "ewc", "reg_importance": 500.0},
    "PI": {"regularizer": "pi", "reg_importance": 500.0},
    "RW": {"regularizer": "rw", "reg_importance": 100.0},
    "MIB": UNBIASED | BALANCED | {"loss_kd": 10.0},
    "PLOP": PLOP | BALANCED | {
        "pod_factor": 0.01, "threshold": 0.001, "classif_adaptive_factor": True,
        "pod_options": {"switch": {"after": {"extra_channels": "sum", "factor": 0.0005, "type": "local"}}},
    },
    "RCIL": UNBIASED | BALANCED | {"pod": "local", "loss_kd": 100.0},
    "OURS": UNBIASED | BALANCED | NEST | {"loss_kd": 10.0, "warm_epochs": 5},
}  # fmt: skip
LATER_PRESETS = {"EWC": {"reg_importance": 100.0}, "PI": {"reg_importance": 100.0}}  # from PLOP on

# -- everything else -----------------------------------------------------------------------------------------
PRECISION = {"O0": "fp32", "O1": "fp16"}
# Accepted; they change no number, here or there.
IDLE = {
    "code_directory": "code runs where it is",
    "num_classes": "the data set says it",
    "task_num": "the task says it",
    "sample_num": "python -m analysis.visualize makes pictures",
    "val_interval": "nothing is validated in training",
    "ckpt_interval": "the published code does not read it",
    "fusion_mode": "the published code does not read it",
    "lr_decay_step": "policy poly does not use it",
    "lr_decay_factor": "policy poly does not use it",
}
# Accepted with the value that holds here anyway.
FIXED = {
    "momentum": (0.9, "the published code uses 0.9 whatever it is told"),
    "lr_policy": ("poly", "no published result uses another schedule"),
    "lr_power": (0.9, "no published result uses another power"),
    "norm_act": ("iabn_sync", "statistics are synchronised, and the activation is leaky"),
    "pod_prepro": ("pow", "no published result uses another form of POD"),
    "pod_coef": (1.0, "scale --pod_factor and the factor in --pod_options"),
    "align_weight_frequency": ("never", "no published result aligns weights outside NeST"),
}
SWITCHES = ("overlap", "no_mask", "crop_val")
OTHERS = ("opt_level", "random_seed", "data_masking")
REFUSED = {
    "freeze": "use --method DFT*, which freezes backbone and head",
    "fix_bn": "the published code undoes it in the next epoch",
    "lr_old": "old classifiers cannot have a learning rate of their own here",
    "debug": "a missing checkpoint is always an error here",
    "strict_weights": "its presence turns strict loading off, and loading is always strict here",
    "proto": "use python -m analysis.drift",
    "test_on_val": "tests are on the test images",
    "val_on_trainset": "nothing is validated in training",
    "cross_val": "nothing is validated in training",
    "visualize": "its presence turns the logs off, and they are always written here",
}
ABLATIONS = """
    align align_weight base_weights ce_on_new ce_on_pseudo cosine deeplab_mask_downscale disable_background
    dont_predict_bg entropy_min entropy_min_mean_pixels exkd_gt exkd_sum focal_loss focal_loss_gamma
    focal_loss_new icarl_bkg icarl_disjoint init_multimodal kd_bce_sig kd_bce_sig_shape kd_mask
    kd_mask_adaptative_factor kd_new kd_scheduling multimodal_fusion nb_background_modes nca nca_margin
    no_pod_schedule pod_apply pod_deeplab_mask pod_deeplab_mask_factor pod_interpolate_last pod_large_logits
    pretrained pseudo_ablation pseudo_soft pseudo_soft_factor sample_weights_new spp_scales step_threshold
    temperature temperature_apply temperature_semiold two_stage unkd_in_warm unkd_in_warm_factor
""".split()
REFUSED |= dict.fromkeys(ABLATIONS, "no published result uses it, and it does not exist here")
# Options that only published parsers have: one of them marks a command line as published.
SHARED = set(
    "alpha ckpt_interval date icarl_importance init_balanced loss_de loss_kd pod_factor pre_allocate "
    "reg_alpha reg_importance reg_iterations temperature threshold warm_epochs warm_lr_scale".split()
)
SIGNS = {*METHOD_OPTIONS, *IDLE, *FIXED, *SWITCHES, *OTHERS, *REFUSED} - SHARED
# What MiB's parser does not have: later systems have other rules for labels, and weaker penalties.
LATER = {"checkpoint", "results_dir", "date", "code_directory", "task_num", "pod_options"}
LATER |= {*FROZEN, *PLOP_HYPER, *PLOP, *NEST, *NEST_HYPER}
