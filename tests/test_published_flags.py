"""Command lines of the published systems, read as they were meant."""

import json

import pytest

import argparser
from config import build
from config.flags import DEFAULTS
from config.published_flags import (
    COMBINATIONS,
    FIXED,
    IDLE,
    METHOD_OPTIONS,
    OTHERS,
    PRESETS,
    REFUSED,
    SIGNS,
    SWITCHES,
)
from methods import METHODS, hyper_parameters
from tests.conftest import ROOT
from tests.parity import collect

# Built from the tables of the published scripts: what every line from PLOP on has, then what differs.
EVERY = (
    "--date 2024-05-01 --data_root ./data --overlap --batch_size 12 --task TASK --dataset DATASET "
    "--name NAME --step 1 --lr 0.001 --epochs 30 --opt_level O1 --checkpoint checkpoints/step/ "
)
LOGITS = {"switch": {"after": {"extra_channels": "sum", "factor": 0.0005, "type": "local"}}}
POD = "--pod local --pod_logits --pod_factor FACTOR --pod_options "
POD += json.dumps(LOGITS, separators=(",", ":"))
ENTROPY = " --pseudo entropy --threshold 0.001 --classif_adaptive_factor --init_balanced"
NEST = " --warm_up --unce_in_warm --warm_epochs 5"
MIB = "--method FT --unce --unkd --init_balanced --loss_kd 10"
FACTORS = {"pod_factor": 0.01, "pod_logits_factor": 0.0005, "threshold": 0.001, "adaptive_min": 0.0}
LINES = {
    "DFT*": ("--method FT --fix_backbone --fix_pre_cls --pre_allocate --task_num 6", "DFT*",
             {"freeze_backbone": True, "freeze_classifiers": True, "pre_allocate": True}),
    "DFT* without P": ("--method FT --fix_backbone --fix_pre_cls", "DFT*",
                       {"freeze_backbone": True, "freeze_classifiers": True, "pre_allocate": False}),
    "PLOP by flags": ("--method FT " + POD + ENTROPY, "PLOP", FACTORS | {"init_balanced": True}),
    "PLOP by preset": ("--method PLOP", "PLOP", FACTORS | {"init_balanced": True}),
    "PLOP without adaptive factor": ("--method FT " + POD + " --pseudo entropy", "PLOP",
                                     {"adaptive_min": 1.0, "init_balanced": False, "threshold": 0.9}),
    "PLOP+NeST": ("--method FT --fix_pre_cls " + POD + ENTROPY + NEST, "PLOP+NeST",
                  FACTORS | {"freeze_classifiers": True, "warm_epochs": 5, "warm_lr_scale": 1.0}),
    "MiB by flags": (MIB, "MiB", {"loss_kd": 10.0, "init_balanced": True, "alpha": 1.0}),
    "MiB by preset": ("--method MiB", "MiB", {"loss_kd": 10.0, "init_balanced": True}),
    "MiB as the paper weighs it": ("--method MiB --loss_kd 100", "MiB", {"loss_kd": 100.0}),
    "MiB+NeST": (MIB + NEST, "MiB+NeST", {"loss_kd": 10.0, "warm_epochs": 5}),
    "NeST's preset": ("--method ours", "MiB+NeST", {"loss_kd": 10.0, "warm_epochs": 5}),
    "RCIL by preset": ("--method RCIL", "RCIL", {"loss_kd": 100.0, "init_balanced": True}),
    "RCIL by flags": (MIB + "0 " + POD, "RCIL", {"loss_kd": 100.0, "init_balanced": True}),
    "LWF": ("--method LWF", "LWF", {"loss_kd": 100.0}),
    "LWF-MC": ("--method LWF-MC", "LWF-MC", {"icarl_importance": 10.0}),
    "ILT": ("--method ILT", "ILT", {"loss_kd": 100.0, "loss_de": 100.0}),
    "EWC of PLOP": ("--method EWC", "EWC", {"reg_importance": 100.0, "reg_normalize": True}),
    "PI by flags": ("--method FT --regularizer pi --reg_importance 300", "PI", {"reg_importance": 300.0}),
    "RW": ("--method RW --reg_iterations 5 --reg_no_normalize", "RW",
           {"reg_importance": 100.0, "reg_iterations": 5, "reg_normalize": False}),
    "FT": ("--method FT", "FT", {}),
}  # fmt: skip


def argv_of(text, task="15-5s", dataset="voc", name="mine", pod=0.01):
    places = {"TASK": task, "DATASET": dataset, "NAME": name, "FACTOR": str(pod)}
    return [places.get(word, word) for word in (EVERY + text).split()]


def resolved(argv, processes=1, monkeypatch=None):
    if monkeypatch:
        monkeypatch.setenv("WORLD_SIZE", str(processes))
    return argparser.merge(argv, {})


@pytest.mark.parametrize("line", LINES)
def test_the_method_and_its_values_are_found_in_the_flags(line):
    text, method, hyper = LINES[line]
    config = resolved(argv_of(text))
    assert config.method == method
    assert {name: config.hyper[name] for name in hyper} == hyper
    found = (config.setting, config.precision, config.protocol, config.lr, config.epochs, config.task)
    assert found == ("overlap", "fp16", "plop", [0.001], [30], "15-5s")
    assert config.backbone == ("swin_b" if "ours" in text else "resnet101")


def test_each_of_the_combinations_has_a_line():
    assert {method for _, method, _ in LINES.values()} == {one.method for one in COMBINATIONS}


@pytest.mark.parametrize(("name", "method"), [("PLOP", "PLOP"), ("RCIL_11-1", "RCIL")])
def test_on_domains_pod_alone_is_plop_unless_the_name_says_rcil(name, method):
    argv = argv_of("--method FT " + POD, task="11-1", dataset="cityscapes_domain", name=name, pod=0.0001)
    config = resolved(argv)
    assert config.method == method
    if method == "PLOP":
        assert (config.hyper["pod_factor"], config.hyper["pod_logits_factor"]) == (0.0001, 0.0005)
    else:
        assert config.hyper["pckd_maps"] == 0.0005  # of its train.py, by the recipe of the data set


@pytest.mark.parametrize(
    ("more", "factors"),
    [
        ("", (0.01, 0.0005)),
        (" --pod_factor 0.0001", (0.0001, 0.0005)),
        (" " + POD, (0.01, 0.0005)),
        (" --pod_options {}", (0.01, 0.01)),
    ],
)
def test_on_domains_plops_preset_gives_the_factors_that_the_command_leaves_to_it(more, factors):
    config = resolved(argv_of("--method PLOP" + more, task="11-1", dataset="cityscapes_domain"))
    assert config.method == "PLOP"
    assert (config.hyper["pod_factor"], config.hyper["pod_logits_factor"]) == factors


def test_plain_distillation_of_domains_is_lwf():
    config = resolved(argv_of("--method FT --loss_kd 10", task="1-1", dataset="cityscapes_domain"))
    assert (config.method, config.hyper["loss_kd"]) == ("LWF", 10.0)


def test_the_published_batch_counts_per_process_and_ours_does_not(monkeypatch):
    assert resolved(argv_of("--method MiB"), 2, monkeypatch).batch_size == 24
    assert resolved(["--method", "MiB", "--batch_size", "24"], 2, monkeypatch).batch_size == 24


def test_what_a_published_line_does_not_say_is_as_its_parser_assumes():
    config = resolved("--method MiB --dataset voc --task 15-5 --opt_level O0".split())
    assert (config.setting, config.precision, config.protocol) == ("disjoint", "fp32", "mib")
    assert (config.lr, config.epochs, config.batch_size) == ([0.007], [30], 4)
    assert config.sources["lr"] == "published default"


def test_lines_that_only_mib_could_read_have_its_rules_for_labels():
    mib = resolved("--method EWC --dataset voc --task 15-5 --overlap --lr 0.01".split())
    assert (mib.protocol, mib.hyper["reg_importance"]) == ("mib", 500.0)
    assert resolved(argv_of("--method EWC")).protocol == "plop"


def test_our_flags_can_be_added_to_a_published_line_and_win():
    config = resolved(argv_of("--method MiB --precision bf16 --accumulate 2 --setting disjoint"))
    assert (config.precision, config.accumulate, config.setting) == ("bf16", 2, "disjoint")


def test_labels_of_old_classes_stay_where_the_line_says_so():
    assert resolved(argv_of("--method FT --no_mask")).masking == "current+old"
    assert resolved(argv_of("--method FT --data_masking new")).masking == "new"


def test_overlap_alone_does_not_make_a_line_published_on_other_data():
    config = resolved(["--overlap", "--method", "MiB", "--batch_size", "8"])
    assert (config.dataset, config.backbone, config.setting) == ("shapes", "tiny", "overlap")
    assert not config.notes


def test_the_user_is_told_how_the_line_was_read(capsys):
    import run

    assert run.main([*argv_of(LINES["DFT*"][0]), "--explain"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a published command line")
    assert "--method DFT*" in out and "--task_num has no effect: the task says it" in out


def test_files_are_those_of_the_method_that_was_meant():
    config = argparser.resolve(argv_of(LINES["DFT*"][0]), {})
    path = build.run_files(config).checkpoint(1)
    assert path.as_posix() == "checkpoints/step/voc_15-5s_overlap/DFT_STAR_resnet101_mine/step_1.pt"


def test_the_table_is_also_where_the_published_scripts_average_it(cli, tmp_path):
    published = ["--opt_level", "O0", "--name", "mine", "--results_dir", "tables"]
    status, _, err = cli("--method", "FT", "--step", "0", "--date", "2024-05-01", *published)
    assert status == 0, err
    rows = (tmp_path / "tables/2024-05-01_small_4-1_mine.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["0"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("--method FT --unce", "no method here is this combination"),
        ("--method PLOP --fix_pre_cls", "no method here is this combination"),
        ("--method FT --pod spatial", "no method here is this combination"),
        ('--method PLOP --pod_options {"switch":{"before":{}}}', "--pod_options can only"),
        ("--method PLOP --pod_options {", "pod_options"),
        ("--method FT --freeze", "--freeze has no equivalent: use --method DFT*"),
        ("--method FT --kd_new", "no published result uses it"),
        ("--method FT --opt_level O2", "--opt_level O2"),
        ("--method FT --lr_policy step", "--lr_policy can only be poly"),
        ("--method FT --momentum 0.5", "--momentum can only be 0.9"),
        ("--method FT --task_num 11", "has 6 steps"),
        ("--method FT --data_masking all", "unknown --data_masking"),
        ("--method FT --unknown 3", "unknown flag"),
        ("--method UCD --unce", "--unce"),
    ],
)
def test_what_has_no_equivalent_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason.replace("*", r"\*")):
        resolved(argv_of(text))


def test_every_option_of_the_published_parser_has_its_place():
    (case,) = collect(ROOT / "tests/goldens", ["dft.scripts"])
    options = set(json.loads((case.folder / case.entry["file"]).read_text())["defaults"])
    ours = {*DEFAULTS, "local_rank"}
    placed = [*METHOD_OPTIONS, *IDLE, *FIXED, *SWITCHES, *OTHERS, *REFUSED]
    assert len(placed) == len(set(placed))
    # The last two are derived in the published parser, no flags.
    assert options - ours - set(placed) - {"no_overlap", "no_cross_val"} == set()


def test_no_flag_of_ours_makes_a_line_published():
    ours = {*DEFAULTS, *(name for method in METHODS.values() for name in hyper_parameters(method))}
    assert SIGNS & ours == set()


def test_presets_and_combinations_name_options_and_methods_that_exist():
    for one in COMBINATIONS:
        assert {*one.needs, *one.hyper, *one.idle} <= METHOD_OPTIONS.keys()
        assert set(one.hyper.values()) <= hyper_parameters(METHODS[one.method]).keys()
    assert all(preset.keys() <= METHOD_OPTIONS.keys() for preset in PRESETS.values())
