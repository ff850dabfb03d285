"""Job files for SLURM: one array for the rows that share no step 0, and two jobs for rows that share one.

See scripts/slurm/submit.sh, which runs it.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

import argparser
from config import reuse
from dataset import DATASETS
from tasks import named_step

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = Path(__file__).with_name("job.template")
FOLDER = Path("logs") / "slurm"  # of job files and their output


def step0_key(recipe: str) -> str:
    """Equal for recipes that train the same step 0, as far as that is known without the images."""
    config = argparser.resolve(["--recipe", recipe], {})
    kind = DATASETS[config.dataset]
    step = named_step(config.dataset, len(kind.class_names), config.task, has_background=kind.has_background)
    images = config.dataset, config.setting, step.groups[0], config.pretrained_path
    return json.dumps([images, reuse.values_of_step(config, step)], sort_keys=True)


def groups(recipes: Sequence[str]) -> list[list[str]]:
    """Recipes that share a step 0, together."""
    found: dict[str, list[str]] = {}
    for recipe in recipes:
        found.setdefault(step0_key(recipe), []).append(recipe)
    return list(found.values())


def job(name: str, recipes: Sequence[str], *, nodes: int, gpus: int, flags: str = "") -> str:
    """The text of a job file: one task of an array per recipe, whose commands get `flags`."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name,
        nodes=nodes,
        gpus=gpus,
        last=len(recipes) - 1,
        output=FOLDER,
        recipes=" ".join(map(shlex.quote, recipes)),
        python=shlex.join(shlex.split(os.environ.get("JOB_PYTHON", "")) or [sys.executable]),
        root=shlex.quote(str(ROOT)),
        data_root=shlex.quote(str(Path(os.environ["DATA_ROOT"]).absolute())),
        extra=" ".join(map(shlex.quote, [*flags.split(), *os.environ.get("EXTRA", "").split()])),
    )


def plan(recipes: Sequence[str], *, nodes: int, gpus: int) -> list[tuple[str, str, str]]:
    """Name, text and the job it waits for ("" for none) of every job, in the order of submission."""
    alone = [group[0] for group in groups(recipes) if len(group) == 1]
    shared = [group for group in groups(recipes) if len(group) > 1]
    jobs = [("rows", job("rows", alone, nodes=nodes, gpus=gpus), "")] if alone else []
    for number, group in enumerate(shared):
        base = f"step0-{number}"
        jobs.append((base, job(base, group[:1], nodes=nodes, gpus=gpus, flags="--step 0"), ""))
        jobs.append((f"rows-{number}", job(f"rows-{number}", group, nodes=nodes, gpus=gpus), base))
    return jobs


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/slurm/submit.sh", description=__doc__.split("\n")[0])
    parser.add_argument("recipes", metavar="RECIPE[,RECIPE...]", help="names in scripts/recipes.yaml")
    parser.add_argument("nodes", type=int)
    parser.add_argument("gpus", type=int, metavar="gpus_per_node")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs, submit nothing")
    options = parser.parse_args(arguments)
    try:
        if not os.environ.get("DATA_ROOT"):
            raise ValueError("DATA_ROOT is not set: give the folder of the data set")
        jobs = plan(options.recipes.split(","), nodes=options.nodes, gpus=options.gpus)
        submit(jobs, dry=options.dry_run)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"submit.sh: error: {error}", file=sys.stderr)
        return 2
    return 0


def submit(jobs: Sequence[tuple[str, str, str]], *, dry: bool) -> None:
    """Hand the jobs to sbatch, or print them."""
    numbers: dict[str, str] = {}
    for name, text, waits_for in jobs:
        command = ["sbatch", "--parsable"]
        if waits_for:
            command.append(f"--dependency=afterok:{numbers[waits_for]}")
        if dry:
            numbers[name] = f"<{name}>"
            print(f"# {' '.join(command)}\n{text}")
            continue
        FOLDER.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise ValueError(f"sbatch refused {name}: {done.stderr.strip()}")
        numbers[name] = done.stdout.strip().split(";")[0]
        print(f"{name}: job {numbers[name]}")


if __name__ == "__main__":
    sys.exit(main())
