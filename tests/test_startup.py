"""What a command costs before it works, in modules that it imports: no load of the machine changes that."""

import signal
import subprocess
import sys

import pytest
import torch

from methods import METHODS
from methods.declared import declared
from tests.conftest import ROOT
from utils import gpu
from utils.registry import Registry

SCRIPT = """
import sys
{code}
heavy = {{"torch", "torchvision", "scipy", "timm", "matplotlib", "tensorboardX"}} & sys.modules.keys()
print(len(sys.modules), *sorted(heavy))
"""
WORDS = [
    ["--help"],
    ["--help", "all"],
    ["--method", "PLOP", "--dataset", "voc", "--task", "15-1", "--explain"],
    ["--batch_sise", "4"],
    ["--method", "MiB", "--pod_factor", "1"],  # a hyper-parameter of other methods
]


def imported(code: str) -> list[str]:
    """How many modules a new process has after `code`, and which of the heavy packages."""
    command = [sys.executable, "-c", SCRIPT.format(code=code)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1].split()


def test_help_explain_and_a_wrong_flag_import_no_pytorch():
    code = "import run, contextlib\n" + "\n".join(
        f"with contextlib.suppress(SystemExit): run.main({words})" for words in WORDS
    )
    count, *heavy = imported(code)
    assert heavy == (["torch"] if gpu.found() else [])
    assert heavy or int(count) < 500


def test_a_run_imports_no_figures_and_no_transforms():
    code = "import increments\nincrements.use_compiled('')\nassert 'torch._dynamo' not in sys.modules"
    count, *heavy = imported(code)
    assert heavy == ["torch"] and int(count) < 2000


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.slow
def test_no_optimizer_imports_the_compiler_when_it_is_made_loaded_or_cleared(optimizer):
    code = f"""
import torch
from utils.optimizer import make_optimizer
net = torch.nn.Linear(2, 2)
made = make_optimizer("{optimizer}", [{{"params": [*net.parameters()]}}], net, lr=0.1)
made.load_state_dict(made.state_dict())
made.zero_grad()
assert 'torch._dynamo' not in sys.modules"""
    imported(code)


@pytest.mark.slow
def test_a_whole_run_imports_no_compiler(small_data, tmp_path):
    words = ["--dataset", str(small_data), "--task", "offline", "--backbone", "tiny", "--recipe", "none"]
    words += ["--epochs", "1", "--num_workers", "0", "--crop_size", "32"]
    for flag in ("checkpoint", "logdir", "results_dir", "cache_dir"):
        words += [f"--{flag}", str(tmp_path / flag)]
    imported(f"import run\nassert run.main({words}) == 0\nassert 'torch._dynamo' not in sys.modules")


def test_a_run_asks_nothing_of_the_compiler_that_it_need_not(cli, monkeypatch):
    # torch.use_deterministic_algorithms imports all of torch._inductor, whatever it is told.
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda _: pytest.fail("imports the compiler"))
    assert cli("--method", "FT", "--step", "0")[0] == 0


def test_the_report_imports_no_pytorch_before_it_reads_logs():
    count, *heavy = imported("import analysis.report.__main__")
    assert not heavy and int(count) < 600


@pytest.mark.slow
def test_the_analyses_of_networks_import_no_figures_before_they_draw():
    count, *heavy = imported("from analysis import drift, export, predict, probe, queries, visualize")
    assert heavy == ["torch"] and int(count) < 1600


def test_lists_of_tasks_and_the_check_of_data_import_no_pytorch(small_data, tmp_path):
    words = [str(small_data), "4-1", "--cache_dir", str(tmp_path)]
    check = [str(small_data), "--picture", str(tmp_path / "look.png")]
    code = "from dataset.__main__ import main as tasks\nfrom data.check import main as check\n"
    count, *heavy = imported(code + f"assert tasks({words}) == check({check}) == 0")
    assert not heavy and int(count) < 500


def test_a_registry_imports_a_part_when_it_is_asked_for_and_takes_new_ones():
    parts = Registry({"decoder": "json:JSONDecoder", "none": "there.is:nothing"})
    assert list(parts) == ["decoder", "none"] and "decoder" in parts
    assert parts["decoder"].__name__ == "JSONDecoder" and parts.get("other") is None
    parts["other"] = int
    assert parts["other"] is int
    with pytest.raises(ModuleNotFoundError):
        parts["none"]


def test_a_hyper_parameter_that_is_computed_is_asked_of_the_class(tmp_path, monkeypatch):
    (tmp_path / "computed_method.py").write_text(
        "from typing import Annotated\nclass Computed:\n    share: Annotated[float, 'a share'] = 1 / 4\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(METHODS.data, "Computed", "computed_method:Computed")
    assert declared("Computed") == {"share": (float, 0.25, "a share")}


def test_pytorch_is_asked_for_a_gpu_only_where_the_system_may_have_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "torch")
    for devices, possible in (((), False), ((str(tmp_path),), True)):
        monkeypatch.setattr(gpu, "DEVICES", devices)
        assert gpu.possible() == possible
    monkeypatch.setattr(gpu, "DEVICES", ())
    assert not gpu.found() and not gpu.has_bf16() and "torch" not in sys.modules


def test_a_python_without_the_requirements_is_answered_in_one_line():
    command = [sys.executable, "-S", "run.py"]  # -S: without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("run.py: error: this Python has no ") and done.stderr.count("\n") == 1
    assert "pip install -r requirements.txt" in done.stderr


def test_a_reader_that_stops_reading_is_no_error():
    words = [sys.executable, "run.py", "--help", "all"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE
