"""What the steps of a task teach.

`python -m dataset` lists the published tasks, `python -m dataset voc 15-1` the classes of each step by name,
and with `--data_root DIR` also how many images and pixels each step has. `python -m dataset my.yaml` lists
the tasks that the description names.
"""

import argparse
import sys
from collections.abc import Sequence

from dataset import DATASETS, build_dataset
from dataset.increment import SETTINGS, increment_data
from task_tables import task_names
from tasks import Step, halves, make_step
from utils.naming import closest


def preview(step: Step, class_names: Sequence[str]) -> str:
    """What each step of a task teaches, by name."""
    lines = [f"{step.dataset} {step.task}: {step.num_steps} steps, {step.num_total} classes"]
    for index in range(step.num_steps):
        names = ", ".join(class_names[label] for label in step.groups[index])
        if step.domains:
            names = f"all classes, domains {', '.join(map(str, step.domains[index]))}"
        lines.append(f"step {index}: {names}")
    return "\n".join(lines)


def tasks_of(dataset: str | None, data_root: str = "") -> str:
    """Names of the tasks of `dataset`, of all if there is none, one line each.

    Raises:
        ValueError, FileNotFoundError: if there is no such dataset.
    """
    if dataset and dataset.lower().endswith((".yaml", ".yml")):
        own = build_dataset(dataset, data_root)
        classes = len(own.class_names) - own.has_background
        return f"{own.name}: {', '.join([*own.tasks, 'offline'])}, or class counts such as {halves(classes)}"
    names = [closest(dataset, DATASETS, "dataset")] if dataset else DATASETS
    return "\n".join(f"{name}: {', '.join(task_names(name))}, or class counts such as 6-1" for name in names)


def main(arguments: list[str] | None = None) -> int:
    """The preview of tasks on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dataset", description="What the steps of a task teach.")
    parser.add_argument("dataset", nargs="?", help="name of a dataset, or the YAML file of your own data")
    parser.add_argument("task", nargs="?", help="published name, papers' name, or class counts such as 6-1")
    parser.add_argument("--data_root", default="", help="folder of the dataset: count images and pixels too")
    parser.add_argument("--cache_dir", default="cache", help="where the scan of all masks is kept")
    parser.add_argument("--setting", default="overlap", choices=SETTINGS, help="which images a step sees")
    options = parser.parse_args(arguments)
    try:
        if options.task is None:
            print(tasks_of(options.dataset, options.data_root))
            return 0
        try:
            dataset, there = build_dataset(options.dataset, options.data_root), True
        except FileNotFoundError:
            if options.data_root or options.dataset.endswith((".yaml", ".yml")):
                raise
            # Without data, the class of a published dataset still knows the names of its classes.
            dataset, there = DATASETS[closest(options.dataset, DATASETS, "dataset")], False
        step = make_step(dataset, options.task)
        print(preview(step, dataset.class_names))
        if there:
            data = increment_data(dataset, step, setting=options.setting, cache_dir=options.cache_dir)
            print(data.describe())
    except (ValueError, OSError) as error:
        print(f"tasks: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
