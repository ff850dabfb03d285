"""The scripts as they are called: on a small VOC tree, killed and called again, and as SLURM runs them."""

import os
import re
import signal
import stat
import subprocess
import sys

import pytest
import torch

from experiment import checkpoint
from scripts.slurm import jobs
from tests.conftest import ROOT, until
from tests.dataset_trees import write_voc

NAME = "RevisitingCSS/ft_resnet101_15-1-FixBC-P"
SCRIPT = ROOT / "scripts" / f"{NAME}.sh"
SMALL = "--epochs 1 --crop_size 16 --batch_size 2 --num_workers 0 --backbone tiny --output_stride 8"


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    """VOC with two training images and a test image for each of its 20 classes."""
    train = {f"t{label}_{copy}": [0, label, 255] for label in range(1, 21) for copy in (0, 1)}
    val = {f"v{label}": [0, label] for label in range(1, 21)}
    return write_voc(tmp_path_factory.mktemp("voc"), train, val)


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A test that fails leaves no process to those after it."""
    yield
    for process in STARTED:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    STARTED.clear()


def environment(voc, extra=SMALL, **more):
    base = {"DATA_ROOT": str(voc), "EXTRA": extra, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    return os.environ | base | {"PYTHONWARNINGS": "ignore"} | more


def call(folder, env, *arguments, script=SCRIPT):
    folder.mkdir(exist_ok=True)
    command = ["bash", str(script), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    STARTED.append(subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, **pipes))
    return STARTED[-1]


def finished(process) -> str:
    """Output of a call that has to end well."""
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    return out


def run_folder(folder):
    return folder / "checkpoints/voc_15-5s_overlap/DFT_STAR_tiny"


@pytest.mark.slow
def test_a_script_killed_twice_ends_with_the_numbers_of_an_undisturbed_one(voc, tmp_path):
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    out = finished(call(calm, environment(voc), "cpu", "1"))
    lines = out.splitlines()
    assert "Average Mean IoU" in out and f"compared with recipe {NAME}" in out
    assert re.fullmatch(r"Run continue learning in \d+s", lines[-1])

    first = call(disturbed, environment(voc), "cpu", "1")
    assert until((run_folder(disturbed) / "step_0.pt").exists)
    os.kill(first.pid, signal.SIGTERM)  # the process that was started is run.py by now
    said = first.communicate(timeout=60)[0]
    assert first.returncode in (143, -signal.SIGTERM), said
    second = call(disturbed, environment(voc), "cpu", "1")
    assert until((run_folder(disturbed) / "step_2.pt").exists)
    os.kill(second.pid, signal.SIGKILL)
    second.communicate(timeout=60)
    again = finished(call(disturbed, environment(voc), "cpu", "1"))
    table = "results/voc_15-5s_overlap/DFT_STAR_tiny/results.csv"
    assert (disturbed / table).read_text() == (calm / table).read_text()
    assert [line for line in again.splitlines() if "Mean IoU" in line] == [
        line for line in lines if "Mean IoU" in line
    ]
    for step in range(6):
        one, other = (checkpoint.load(run_folder(f) / f"step_{step}.pt")["net"] for f in (calm, disturbed))
        assert all(torch.equal(one[key], other[key]) for key in one), step


@pytest.mark.slow
def test_a_script_runs_with_two_processes(voc, tmp_path):
    finished(call(tmp_path, environment(voc, SMALL + " --step 0"), "cpu", "2"))
    assert checkpoint.load(run_folder(tmp_path) / "step_0.pt")["method"] == "DFT*"


@pytest.mark.parametrize(
    ("arguments", "root", "says"),
    [
        ([], "data", f"usage: DATA_ROOT=DIR bash scripts/{NAME}.sh GPU_IDS NB_GPU"),
        (["0"], "data", "usage"),
        (["cpu", "1"], "", "DATA_ROOT is not set"),
        (["0,1", "3"], "data", "GPU_IDS 0,1 does not name 3 GPUs"),
    ],
)
def test_a_wrong_call_is_answered_with_the_right_one(tmp_path, arguments, root, says):
    process = call(tmp_path, environment(root), *arguments)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and says in out


def test_thin_scripts_are_short_and_every_shell_file_is_valid():
    thin = [path for path in ROOT.glob("scripts/*/*.sh") if path.parent.name != "slurm"]
    assert len(thin) > 200
    assert all(len(path.read_text().splitlines()) <= 10 for path in thin)
    some = [*thin[::40], *ROOT.glob("scripts/*.sh"), *ROOT.glob("scripts/slurm/*.sh")]
    done = [subprocess.run(["bash", "-n", str(path)], check=False) for path in some]
    assert not any(one.returncode for one in done)


# -- SLURM ---------------------------------------------------------------------------------------------------
def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


THREE = "voc/plop_15-1-overlap,PLOP/mib_15-1,voc/rcil_15-1-overlap"


def test_jobs_wait_only_for_a_step_0_that_they_share(voc, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    number = "$(wc -l < sbatch.txt)"
    program(programs, "sbatch", f'echo "$@" >> sbatch.txt; cat > "job{number}.sh"; echo {number}')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("DATA_ROOT", str(voc))
    monkeypatch.chdir(tmp_path)
    assert jobs.main([THREE, "2", "4"]) == 0
    asked = (tmp_path / "sbatch.txt").read_text().splitlines()
    assert asked == ["--parsable", "--parsable", "--parsable --dependency=afterok:2"]
    alone, base, group = ((tmp_path / f"job{number}.sh").read_text() for number in (1, 2, 3))
    assert "recipes=(voc/rcil_15-1-overlap)" in alone and "--array=0-0" in alone
    assert "recipes=(voc/plop_15-1-overlap)" in base and "--step 0" in base
    assert "recipes=(voc/plop_15-1-overlap PLOP/mib_15-1)" in group and "--array=0-1" in group
    for text in (alone, base, group):
        assert "#SBATCH --requeue" in text and "--nodes=2" in text and "--gpus-per-node=4" in text


def test_a_dry_run_prints_the_jobs_and_a_mistake_is_one_line(voc, capsys, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(voc))
    assert jobs.main(["voc/plop_15-1-overlap", "1", "2", "--dry-run"]) == 0
    assert "--rdzv_backend c10d" in capsys.readouterr().out
    monkeypatch.setenv("JOB_PYTHON", "apptainer exec --nv css.sif python")
    assert jobs.main(["voc/plop_15-1-overlap", "1", "2", "--dry-run"]) == 0
    assert "srun --kill-on-bad-exit=0 apptainer exec --nv css.sif python -m torch" in capsys.readouterr().out
    assert jobs.main(["voc/plop_16-1", "1", "2", "--dry-run"]) == 2
    assert "unknown recipe" in capsys.readouterr().err
    monkeypatch.delenv("DATA_ROOT")
    assert jobs.main(["voc/plop_15-1-overlap", "1", "2", "--dry-run"]) == 2


def job_on_loopback(folder, voc, nodes=2):
    """A job of two nodes with a process each, as sbatch would start it; this machine is every node."""
    programs = folder / "bin"
    program(programs, "scontrol", 'case $1 in show) echo 127.0.0.1;; requeue) echo "requeued $2";; esac')
    # srun starts one agent per node and passes signals on.
    program(programs, "srun", "\n".join([
        "shift", "agents=()", "trap 'kill -TERM \"${agents[@]}\"' TERM",
        f'for node in $(seq {nodes}); do "$@" & agents+=($!); done', "status=0",
        'for agent in "${agents[@]}"; do wait "$agent" || status=$?; done', 'wait; exit "$status"',
    ]))  # fmt: skip
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    slurm = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "here", "SLURM_ARRAY_TASK_ID": "0"}
    (folder / "job.sh").write_text(jobs.job("rows", [NAME], nodes=nodes, gpus=1))
    return call(folder, environment(voc, **path, **slurm), script=folder / "job.sh")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_job_that_is_told_to_stop_ends_its_steps_and_requeues_itself(voc, tmp_path, monkeypatch, number):
    monkeypatch.setenv("DATA_ROOT", str(voc))
    programs = tmp_path / "bin"
    program(programs, "scontrol", 'case $1 in show) echo 127.0.0.1;; requeue) echo "requeued $2";; esac')
    wait = "trap 'echo saved; exit 1' TERM; touch running; while true; do sleep 0.05; done"
    program(programs, "srun", wait)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "here", "SLURM_ARRAY_TASK_ID": "0"}
    (tmp_path / "job.sh").write_text(jobs.job("rows", [NAME], nodes=1, gpus=1))
    path = f"{programs}:{os.environ['PATH']}"
    process = call(tmp_path, environment(voc, PATH=path, **slurm), script=tmp_path / "job.sh")
    assert until((tmp_path / "running").exists)
    os.kill(process.pid, number)
    assert finished(process).split() == ["saved", "requeued", "7"]


@pytest.mark.slow
def test_two_nodes_meet_train_and_continue_after_a_preemption(voc, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(voc))
    monkeypatch.setenv("EXTRA", SMALL + " --step 0 1")
    first = job_on_loopback(tmp_path, voc)
    assert until((run_folder(tmp_path) / "step_0.pt").exists)
    os.kill(first.pid, signal.SIGTERM)
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 0 and "requeued" in out, out
    out = finished(job_on_loopback(tmp_path, voc))
    assert "Run continue learning in" in out
    assert (run_folder(tmp_path) / "step_1.pt").is_file()
