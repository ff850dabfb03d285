"""Continual semantic segmentation from the command line: one incremental step, several, or all.

    python run.py                                    # the embedded demo task with fine-tuning, on any machine
    python run.py --method MiB --dataset voc --task 15-1 --data_root DIR
    torchrun --nproc_per_node 2 run.py ... --step 1  # continues from the checkpoint of step 0
    python run.py ... --test                         # evaluates the saved checkpoints again

From Python: `from run import run_experiment; results = run_experiment(method="MiB", task="4-1")`.

What is then done, step by step, is in increments.py.
"""

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from utils.commands import answer, without

try:
    import argparser
except ModuleNotFoundError as missing:
    sys.exit(f"run.py: error: {without(missing)}")

if TYPE_CHECKING:
    from metrics.step_result import StepResult


def main(argv: list[str] | None = None) -> int:
    """Run what the command line says; 0 if all is well, 2 after a mistake that one line explains."""
    try:
        return answer("run.py", lambda: start(argparser.parse(argv)))
    finally:
        leave()


def run_experiment(**values: object) -> "list[StepResult]":
    """What the command line does, from Python: train and test, or continue, or find finished; the results.

    Args:
        values: flags of run.py and hyper-parameters of the method by name, as `method="MiB"`,
            `epochs=[30, 5]`, `no_share=True`.

    Returns:
        The tests of the call's steps, in order; none with `explain` and `replay_batch`, which test nothing.

    Raises:
        ValueError, FileNotFoundError, FloatingPointError: with the line that the command line ends with.
        Interrupted: on a signal, once the step is saved; the same call continues there.
    """
    try:
        return start(argparser.parse_values(values))
    finally:
        leave()


def start(config: SimpleNamespace) -> "list[StepResult]":
    """Print the configuration, or do what it says."""
    if config.explain:
        print(argparser.explain(config))
        return []
    from increments import start_run  # brings PyTorch, for which --help and a wrong flag need not wait

    return start_run(config)


def leave() -> None:
    """Leave the group of processes, if this one has joined any."""
    if distributed := sys.modules.get("utils.distributed"):
        distributed.close()


if __name__ == "__main__":
    sys.exit(main())
