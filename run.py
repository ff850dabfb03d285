"""Continual semantic segmentation from the command line: one incremental step, several, or all.

    python run.py                                    # the embedded demo task with fine-tuning, on any machine
    python run.py --method MiB --dataset voc --task 15-1 --data_root DIR
    torchrun --nproc_per_node 2 run.py ... --step 1  # continues from the checkpoint of step 0
    python run.py ... --test                         # evaluates the saved checkpoints again

The story of one increment: build the network, load the step before, train, save, test from the saved file.
"""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import torch

import argparser
from dataset.cache import cached
from dataset.loader import make_loader
from experiment import checkpoint
from experiment.autosave import Rescue
from experiment.files import RunFiles
from experiment.lock import RunLock
from experiment.log import RunLog
from experiment.nonfinite import replay, write_failure
from experiment.previous_step import restored
from metrics.cost import training_cost
from metrics.results import write_result
from modules.folding import fold_norms
from tasks import Step, make_step
from train import NonFiniteLoss, evaluate, fit, start
from utils import distributed
from utils.commands import answer
from utils.compile import allow_tf32, compile_network, use_compiled


def main(argv: list[str] | None = None) -> int:
    """Run what the command line says; 0 if all is well, 2 after a mistake that one line explains."""
    try:
        return answer("run.py", lambda: start_run(argparser.parse(argv)))
    finally:
        distributed.close()


def start_run(config: SimpleNamespace) -> None:
    """Join the other processes, take hold of the folder, run."""
    if config.explain:
        return print(argparser.explain(config))
    device = distributed.init(config.timeout)
    if config.notes:
        distributed.say("\n".join(config.notes))
    folder = argparser.run_files(config).checkpoint(0).parent
    with nullcontext() if config.test else RunLock(folder):
        run(config, device)


def run(config: SimpleNamespace, device: torch.device) -> None:
    """All requested steps, one after another, and the table over them."""
    torch.use_deterministic_algorithms(config.deterministic)
    allow_tf32(config.tf32)
    use_compiled("inductor" if config.compile else "")
    dataset = argparser.run_dataset(config)
    first = make_step(dataset, config.task)
    steps = argparser.steps_of(config.step, first.num_steps)
    files = argparser.run_files(config)
    if config.replay_batch:
        failed = first.at(checkpoint.load(config.replay_batch)["step"])
        method, _ = argparser.begin_step(config, failed, dataset, files, device)
        return distributed.say(replay(config.replay_batch, method, device))
    started = time.perf_counter()
    for index in steps:
        if index == 1:
            started = time.perf_counter()  # published convention: the incremental steps without step 0
        if not config.test and not argparser.finished(config, files, index):
            train_step(config, first.at(index), steps, dataset, files, device)
        test_step(config, first.at(index), dataset, files, device)
    distributed.say(argparser.closing(config))
    distributed.say(f"Run continue learning in {time.perf_counter() - started:.0f}s")


def train_step(config: SimpleNamespace, step: Step, steps: list[int], dataset, files: RunFiles,
               device: torch.device) -> None:
    """Train one increment and save its checkpoint."""
    began = time.perf_counter()
    shared = argparser.step0_of_others(config, step, dataset)
    if shared and not config.overwrite and shared.adopt(files.checkpoint(0)):
        return
    named = config.step_ckpt if step.index == steps[0] else ""
    method, about = argparser.begin_step(config, step, dataset, files, device, named)
    if method is None:
        return

    # The images, then the method's turn, then optimisation.
    data = cached(argparser.step_data(config, step, dataset), config.cache)
    loader = make_loader(method.train_set(data), argparser.batch_size(config), train=True, seed=config.seed,
                         num_workers=config.num_workers)
    method.training = training = argparser.training(config, steps, step.index)
    rescue = Rescue(files.unfinished(step.index), method, about, minutes=config.ckpt_interval)
    if not config.overwrite:
        rescue.open()
    if step.index > 0:
        method.start_increment(loader)
    compile_network(method)
    method.model = distributed.distribute(method.net, device)
    progress = start(method, training, batches=len(loader), device=device)
    log = RunLog(files.log_folder(step.index), f"{config.method} {step.task} step {step.index}")
    with rescue:
        if rescue.restore(progress):
            log.say(f"continuing in epoch {progress.epoch}, batch {progress.batch}")
        try:
            log.say(f"{len(loader.dataset)} images, ready after {time.perf_counter() - began:.1f} s")
            fit(method, loader, training, device=device, log=log, progress=progress, after_iteration=rescue)
        except NonFiniteLoss as error:
            file = write_failure(files.checkpoint(step.index), error, method, loader, about)
            raise FloatingPointError(f"{error}; look at it again with --replay_batch {file}") from error

    # The file that the test and the next step read.
    trained = training.epochs * len(loader) * config.batch_size // config.accumulate
    about["cost"] = training_cost(method.net, began, len(loader.dataset), trained, classes=step.num_seen)
    method.end_increment()
    if distributed.is_main():
        content = {"net": method.net.state_dict(), "method_state": method.state_dict()}
        checkpoint.save(about | content, files.checkpoint(step.index))
        if shared:
            shared.offer(files.checkpoint(0))
    rescue.discard()
    log.close()


def test_step(config: SimpleNamespace, step: Step, dataset, files: RunFiles, device: torch.device) -> None:
    """Evaluate a step's saved checkpoint on all classes seen so far; print and file the numbers."""
    content = checkpoint.load(Path(config.ckpt) if config.ckpt else files.checkpoint(step.index))
    parts = argparser.network_parts(config, pretrained=False)
    method = restored(content, step, config.method, config.hyper, parts, device=device)
    fold_norms(method.net)
    data = argparser.step_data(config, step, dataset)
    loader = make_loader(data.test, argparser.test_batch_size(config), train=False, seed=config.seed,
                         num_workers=config.num_workers)
    log = RunLog(files.log_folder(step.index), f"{config.method} {step.task} step {step.index}")
    matrix = evaluate(method, loader, device=device, log=log)
    if distributed.is_main():
        result = write_result(files.results, matrix, step, dataset, content, num_images=len(data.test.ids))
        log.tested(result, method, data.test)
    log.close()
    distributed.barrier()


if __name__ == "__main__":
    sys.exit(main())
