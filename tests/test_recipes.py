"""The recipes: complete, valid, applied by themselves, and what depends on them is up to date."""

import json

import pytest

import argparser
from config import build, recipes
from config.published_command_lines import num_steps
from dataset import DATASETS
from scripts import from_recipes
from tests.adapters.scripts import command_line, understood
from tests.conftest import ROOT
from tests.parity import collect

ROWS = {row.name: row for row in recipes.rows()}
EIGHT = ("10-1", "15-1", "15-5", "19-1", "100-5", "100-10", "100-50", "50-50")
NAMED = [
    *(f"RevisitingCSS/ft_{net}_{task}-FixBC-P" for net in ("resnet101", "swinb") for task in EIGHT),
    *(f"PLOP_NEST/plop+ours_{net}_{task}" for net in ("resnet101", "swin_b") for task in EIGHT),
    *(f"voc/rcil_{task}-{how}" for task in ("15-5", "15-1", "10-1") for how in ("overlap", "disjoint")),
    *(f"ade/rcil_{task}-overlap" for task in ("100-50", "100-10", "50-50", "100-5")),
    *(f"cityscapes/rcil_{task}" for task in ("11-5", "11-1", "1-1")),
    *(
        f"voc/eir_{task}-{how}"
        for task in ("5-3", "10-1", "15-5", "15-1", "19-1")
        for how in ("overlap", "disjoint")
    ),
    *(
        f"voc/{method}_{task}-{how}"
        for method in ("mib", "lwf", "lwf-mc", "ilt", "ewc", "pi", "rw")
        for task in ("15-5", "15-1", "19-1")
        for how in ("overlap", "disjoint")
    ),
    *(
        f"ade/{method}_{task}{order}-disjoint"
        for method in ("mib", "lwf", "lwf-mc", "ilt", "ewc", "pi", "rw")
        for task in ("100-50", "100-10", "50-50")
        for order in ("", "b")
    ),
]


def explained(*words):
    """Value and origin of every flag, as --explain sees them."""
    config = argparser.resolve(list(words), {})
    values = build.flat(config)
    return {name: (values[name], config.sources[name]) for name in values}


@pytest.mark.parametrize("name", NAMED)
def test_every_published_name_is_a_row_with_a_script(name):
    assert name in ROWS
    assert (ROOT / "scripts" / f"{name}.sh").is_file()


@pytest.mark.parametrize("name", ROWS)
def test_row_names_what_exists_and_sets_what_its_method_knows(name):
    row = ROWS[name]
    found = explained("--recipe", name)
    assert num_steps(row.dataset, row.task) >= 2
    for key, value in row.values.items():
        assert found[key][1] in (f"recipe {name}", "fp16 needs a GPU"), key
        want = [*value] if isinstance(value, list) else value
        assert found[key][0] == want or found[key][1] == "fp16 needs a GPU", key
    assert found["method"][0] == row.method


@pytest.mark.parametrize("name", ROWS)
def test_row_fits_its_own_setting_and_the_first_of_several_is_taken(name):
    row = ROWS[name]
    words = [word for key, value in row.identity.items() for word in (f"--{key}", value)]
    first = next(other for other in ROWS.values() if other.identity == row.identity)
    assert explained(*words)["lr"][1] == f"recipe {first.name}"


def test_published_scripts_and_recipes_have_the_same_values():
    """Each step of the 32 published scripts, against the row of the same name."""
    (case,) = collect(ROOT / "tests/goldens", ["dft.scripts"])
    stored = json.loads((case.folder / case.entry["file"]).read_text())
    compared = 0
    for name, script in stored["scripts"].items():
        ours = argparser.merge(["--recipe", name.removesuffix(".sh")], {})
        row = {key: getattr(ours, key) for key in argparser.DEFAULTS} | ours.hyper
        for options in script["runs"]:
            theirs = understood(command_line(options, stored["defaults"]), script["gpus"])
            step = options["step"][0]
            for key in ("lr", "epochs"):
                assert theirs[key][0] == row[key][min(step, len(row[key]) - 1)], (name, step, key)
            changing = {"lr", "epochs", "step", "recipe", "name", "date", "checkpoint", "results_dir"}
            # At step 0 the scripts do not say the factor of the logits, which plays no part there.
            changing |= {"pod_logits_factor"} if step == 0 else set()
            for key in row.keys() - changing:
                assert theirs[key] == row[key], (name, step, key)
            compared += 1
    assert compared == 171


def test_scripts_and_table_are_what_the_recipes_say():
    assert from_recipes.main(["--check"]) == 0


def test_a_flag_wins_over_the_recipe_and_none_switches_it_off():
    row = ["--method", "PLOP", "--dataset", "voc", "--task", "15-1"]
    assert explained(*row)["pod_factor"] == (0.01, "recipe voc/plop_15-1-overlap")
    assert explained(*row, "--lr", "0.5")["lr"] == ([0.5], "command line")
    assert explained(*row, "--recipe", "none")["lr"][1] == "default"


def test_the_backbone_of_the_recipe_is_used_unless_another_is_asked_for():
    row = ["--method", "MiB", "--dataset", "voc", "--task", "15-1"]
    assert explained(*row)["backbone"] == ("resnet101", "recipe voc/mib_15-1-overlap")
    other = explained(*row, "--backbone", "resnet50")
    assert other["backbone"] == ("resnet50", "command line")
    assert other["lr"][1] == "recipe voc"


def test_a_row_by_name_brings_its_method_and_setting():
    found = explained("--recipe", "voc/rcil_15-1-disjoint")
    assert [found[key][0] for key in recipes.IDENTITY] == ["RCIL", "voc", "15-5s", "disjoint", "resnet101"]


def test_what_belongs_to_a_data_set_holds_for_tasks_that_nobody_published():
    found = explained("--method", "PLOP+NeST", "--dataset", "ade", "--task", "120-10")
    assert found["warm_lr_scale"] == (500.0, "recipe NeST-ade")
    assert found["freeze_classifiers"] == (False, "recipe PLOP+NeST-ade")


def test_the_two_factors_of_mib_are_the_papers_and_the_repositories():
    assert explained("--recipe", "voc/mib_15-1-overlap")["loss_kd"][0] == 100
    assert explained("--recipe", "PLOP/mib_15-1")["loss_kd"][0] == 10


# -- files of one's own ------------------------------------------------------------------------------------
def test_an_own_file_stands_between_command_line_and_recipe(tmp_path):
    (tmp_path / "my.yaml").write_text("lr: [0.5, 0.25]\nbatch_size: 7\npod_factor: 3\n")
    row = ["--method", "PLOP", "--dataset", "voc", "--task", "15-1", "--config", str(tmp_path / "my.yaml")]
    found = explained(*row, "--batch_size", "9")
    assert found["lr"] == ([0.5, 0.25], f"file {tmp_path / 'my.yaml'}")
    assert found["batch_size"] == (9, "command line") and found["pod_factor"][0] == 3.0
    assert found["epochs"] == ([30], "recipe voc/plop_15-1-overlap")


def test_an_own_recipe_replaces_all_others(tmp_path):
    (tmp_path / "my.yaml").write_text("method: PLOP\ndataset: voc\ntask: 15-1\nlr: [0.5]\n")
    found = explained("--recipe", str(tmp_path / "my.yaml"))
    assert (found["method"][0], found["task"][0], found["lr"][0]) == ("PLOP", "15-5s", [0.5])
    assert found["epochs"] == ([30], "default") and found["backbone"] == ("tiny", "default")


@pytest.mark.parametrize(
    "words", [[], ["--recipe", "voc/plop_15-1-overlap", "--lr", "0.3"], ["--method", "EIR", "--step", "1-2"]]
)
def test_what_explain_writes_as_yaml_repeats_the_run(tmp_path, words):
    config = argparser.parse([*words, "--explain", "--yaml"])
    (tmp_path / "again.yaml").write_text(argparser.explain(config))
    again = argparser.parse(["--config", str(tmp_path / "again.yaml")])
    changing = {"explain", "yaml", "config", "recipe"}
    values, repeated = build.flat(config), build.flat(again)
    same = {name: list(one) if isinstance(one, tuple) else one for name, one in values.items()}
    assert {name: repeated[name] for name in same.keys() - changing} == {
        name: same[name] for name in same.keys() - changing
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- lr", "flag: value"),
        ("lr: 1\nlr: 2", "lr is given twice"),
        ("lr: fast", "lr cannot be 'fast'"),
        ("epoch: 3", "my.yaml sets epoch, which FT does not know; did you mean epochs"),
        (None, "there is no file"),
    ],
)
@pytest.mark.parametrize("flag", ["--recipe", "--config"])
def test_a_wrong_file_of_ones_own_is_refused_with_the_reason(tmp_path, flag, text, says):
    if text is not None:
        (tmp_path / "my.yaml").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        argparser.parse([flag, str(tmp_path / "my.yaml")])


def test_a_wrong_name_is_answered_with_the_nearest_not_with_all():
    for name in ("voc/plop_16-1", "somethingelse"):
        with pytest.raises(ValueError, match="unknown recipe") as error:
            argparser.parse(["--recipe", name])
        assert len(str(error.value)) < 300
    with pytest.raises(ValueError, match="voc/plop_15-1-overlap"):
        argparser.parse(["--recipe", "voc/plop_15-1"])
    with pytest.raises(ValueError, match="cityscapes/plop_1-1") as error:
        argparser.parse(["--recipe", "plop"])
    assert "PLOP-ade" not in str(error.value)  # a layer, which applies by itself
    assert recipes.full_name("plop-ADE") == "PLOP-ade"


# -- the task that nobody named ----------------------------------------------------------------------------
def test_a_task_that_nobody_named_is_one_of_the_data_set(tmp_path):
    assert explained()["task"] == ("4-1", "default")
    assert explained("--dataset", "voc")["task"] == ("19-1", "default of voc")
    text = "classes: [background, a, b, c]\ntrain: {images: a, masks: b}\nval: {images: a, masks: b}\n"
    (tmp_path / "own.yaml").write_text(f"{text}tasks: [2-1, 1-1]\n")
    own = ["--dataset", str(tmp_path / "own.yaml")]
    assert explained(*own)["task"] == ("2-1", f"default of {own[1]}")
    assert explained(*own, "--task", "1-1")["task"] == ("1-1", "command line")
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ValueError, match="choose one with --task"):
        explained(*own)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "must map"),
        ("a: 3", "must map"),
        ("a: {when: {method: FT}, sets: {}}", "did you mean set"),
        ("a: {method: FT, dataset: voc}", "lacks"),
        ("a: {when: {}, set: {}}\na: {when: {}, set: {}}", "given twice"),
        ("a: {when: {}, set: {lr: 1, lr: 2}}", "lr is given twice"),
        ("a: {unclosed", "cannot be read"),
        ("a: {system: X, published: {all: 3}}", "unknown field of recipe a"),
    ],
)
def test_a_broken_recipe_file_is_refused_with_the_reason(tmp_path, text, says):
    path = tmp_path / "recipes.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        recipes.read_recipes(path)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("{loss_kd: 3}", "sets loss_kd, which FT does not know"),
        ("{lr: fast}", "lr cannot be"),
        ("{setting: overlapped}", "setting is one of"),
        ("{no_pretrained: 1}", "true or false"),
        ("{learning_rate: 3}", "sets learning_rate"),
    ],
)
def test_a_recipe_with_an_unusable_value_is_refused(tmp_path, monkeypatch, values, says):
    path = tmp_path / "recipes.yaml"
    path.write_text(f"mine: {{when: {{method: FT}}, set: {values}}}")
    find = recipes.find_recipes
    monkeypatch.setattr(argparser, "find_recipes", lambda setting, **_: find(setting, path))
    with pytest.raises(ValueError, match=says):
        argparser.resolve(["--method", "FT"], {})


def test_measured_rows_name_a_recipe_and_say_how_they_were_measured(tmp_path):
    path = tmp_path / "measured.yaml"
    path.write_text("voc/plop_15-1-overlap: {all: 54.0}")
    with pytest.raises(ValueError, match="lacks"):
        from_recipes.read_measured(path)
    path.write_text("voc/plop_16-1: {all: 54.0}")
    with pytest.raises(ValueError, match="no recipe"):
        from_recipes.read_measured(path)
    fields = "all: 54, seeds: 3, gpus: 1, hours: 2, version: abc, by: me"
    path.write_text(f"voc/plop_15-1-overlap: {{{fields}}}")
    (name,), (measured,) = zip(*from_recipes.read_measured(path).items(), strict=True)
    assert "| all 54 (3 seeds) | 1 x 2 |" in from_recipes.table_row(ROWS[name], measured)


def test_every_data_set_of_the_rows_exists():
    assert {row.dataset for row in ROWS.values()} <= DATASETS.keys()
