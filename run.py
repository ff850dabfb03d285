"""Continual semantic segmentation from the command line: one incremental step, several, or all.

    python run.py                                    # the embedded demo task with fine-tuning, on any machine
    python run.py --method MiB --dataset voc --task 15-1 --data_root DIR
    torchrun --nproc_per_node 2 run.py ... --step 1  # continues from the checkpoint of step 0
    python run.py ... --test                         # evaluates the saved checkpoints again

What it then does, step by step, is in increments.py.
"""

import sys
from types import SimpleNamespace

import argparser
from utils.commands import answer


def main(argv: list[str] | None = None) -> int:
    """Run what the command line says; 0 if all is well, 2 after a mistake that one line explains."""
    try:
        return answer("run.py", lambda: start(argparser.parse(argv)))
    finally:
        if distributed := sys.modules.get("utils.distributed"):  # else nothing has started
            distributed.close()


def start(config: SimpleNamespace) -> None:
    """Print the configuration, or do what it says."""
    if config.explain:
        return print(argparser.explain(config))
    from increments import start_run  # brings PyTorch, for which --help and a wrong flag need not wait

    start_run(config)


if __name__ == "__main__":
    sys.exit(main())
