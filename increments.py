"""The story of one increment: build, load the step before, train, save, test from the file it saved."""

import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace

import torch

from config import announce, build, reuse
from config.outlook import look_ahead
from config.values import kept_features
from dataset.cache import cached
from dataset.card import data_card
from dataset.increment import IncrementData
from dataset.loader import make_loader
from experiment import checkpoint
from experiment.autosave import Autosave
from experiment.features import remembered
from experiment.files import RunFiles
from experiment.heartbeat import heartbeat
from experiment.kept_answers import KeptAnswers
from experiment.leftovers import remove_leftovers
from experiment.lock import RunLock
from experiment.log import RunLog
from experiment.log_pictures import Samples
from experiment.nonfinite import replay, write_failure
from experiment.peers import last_words, what_is_saved
from experiment.previous_step import adopt
from experiment.profile import profiled
from experiment.track import Tracker, tracked
from metrics.cost import Clock, training_cost
from metrics.results import write_result
from metrics.step_result import StepResult, step_results
from metrics.table import in_one_line
from modules.folding import fold_norms
from tasks import make_step
from train import evaluate, fit, start
from utils import distributed, heap
from utils.compile import allow_tf32, compile_network, use_compiled
from utils.loss_values import NonFiniteLoss


def start_run(config: SimpleNamespace) -> list[StepResult]:
    """Join the other processes, take hold of the folder, run."""
    device = distributed.init(config.timeout)
    if config.notes:
        distributed.say("\n".join(config.notes))
    for line in announce.assumed(config):
        distributed.say(line)
    files = build.run_files(config)
    folder = files.checkpoint(0).parent
    with nullcontext() if config.test else RunLock(folder):
        if distributed.is_main() and not config.test:
            remove_leftovers(folder, alone=True)
            for place in build.shared_folders(config):
                remove_leftovers(place)
        with last_words(lambda: what_is_saved(files)):
            with tracked(config.track, files, build.flat(config)) as trackers:
                return run(config, device, trackers)


def run(config: SimpleNamespace, device: torch.device, trackers: Sequence[Tracker]) -> list[StepResult]:
    """All requested steps, one after another, and the table over them."""
    if config.deterministic != torch.are_deterministic_algorithms_enabled():  # each call imports the compiler
        torch.use_deterministic_algorithms(config.deterministic)
    allow_tf32(config.tf32)
    use_compiled("inductor" if config.compile else "")
    dataset = build.run_dataset(config)
    first = make_step(dataset, config.task)
    steps = build.steps_of(config.step, first.num_steps)
    build.check_values(config, first.num_steps)
    if config.overwrite:
        config.overwrite = build.steps_of(config.overwrite, first.num_steps, flag="overwrite")
    files = build.run_files(config)
    if config.replay_batch:
        failed = first.at(checkpoint.load(config.replay_batch)["step"])
        data = build.step_data(config, failed, dataset)
        previous = reuse.previous_step(config, data, reuse.about_step(config, data), files)
        method = build.method_at(config, failed, device, previous)
        distributed.say(replay(config.replay_batch, method, device))
        return []
    increments = [build.step_data(config, first.at(index), dataset) for index in steps]
    with heartbeat("which image shows which class"):
        notes = look_ahead(config, increments, finished=reuse.finished_steps(config, files, steps))
    for line in notes:
        distributed.say(f"note: {line}")
    started = time.perf_counter()
    for index, data in zip(steps, increments, strict=True):
        if index == 1:
            started = time.perf_counter()  # published convention: the incremental steps without step 0
        if not config.test:
            train_step(config, data, steps, files, device, trackers=trackers)
        kind = test_step(config, data, files, device, trackers=trackers)
    distributed.say(build.closing(config, kind))
    distributed.say(announce.seconds_in_words(steps))
    distributed.say(f"Run continue learning in {time.perf_counter() - started:.0f}s")
    return step_results(files.results, kind, {k: Path(config.ckpt or files.checkpoint(k)) for k in steps})


def train_step(config: SimpleNamespace, data: IncrementData, steps: list[int], files: RunFiles,
               device: torch.device, *, trackers: Sequence[Tracker]) -> None:
    """Train one increment and save its checkpoint, unless it is there already."""
    clock, step = Clock(), data.step
    title = f"{config.method} {step.task} step {step.index}"

    # What this step is, and whether it has been trained already, by this run or by another one.
    about = reuse.about_step(config, data) | {"card": data_card(data.dataset)}
    if reuse.finished(config, files, about):
        return
    again = reuse.overwrites(config, step.index)
    named = config.step_ckpt if step.index == steps[0] else ""
    shares = step.index == 0 and not (config.no_share or named)
    shared = reuse.step0_of_others(config, step, about) if shares else None
    if shared and not again and shared.adopt(files.checkpoint(0)):
        return
    previous = reuse.previous_step(config, data, about, files, named)
    if previous and previous["step"] == step.index:
        return adopt(previous, about, files.checkpoint(step.index))

    # The method with its network, the images, then the method's turn.
    method = build.method_at(config, step, device, previous)
    data = cached(data, config.cache, limit=1e9 * config.cache_limit)
    images = method.train_set(data)
    heap.give_back()  # before loader processes are forked from this one
    loader = make_loader(images, build.batch_size(config, len(images)), train=True, seed=config.seed,
                         num_workers=config.num_workers)
    autosave = Autosave(files.unfinished(step.index), method, about, scopes=reuse.scopes(config),
                        minutes=config.ckpt_interval, clock=clock)
    if not again:
        autosave.open()
    if step.index > 0:
        with heartbeat(f"{title}, preparations of the method"):
            method.start_increment(loader)
    ahead = announce.batches_ahead(config, steps, data, files)
    with closing(RunLog(files.log_folder(step.index), title, ahead=ahead, trackers=trackers)) as log:
        log.say(announce.ready(config, data, images=len(loader.dataset), clock=clock))

        # Optimisation, unless the method solves the step itself; then the file that test and next step read.
        passes = 1
        if kept_features(config.cache)[0]:
            method.kept = KeptAnswers(Path(config.cache_dir), 1e9 * config.cache_limit)
        with heartbeat(f"{title}, without epochs"):
            solved = method.fit_step(loader)
        if not solved:
            optimise(config, method, loader, autosave, files.checkpoint(step.index), log=log, device=device)
            passes = method.training.epochs
        trained = passes * len(loader) * loader.batch_sampler.batch_size * distributed.world_size()
        about["cost"] = training_cost(method.net, clock, len(loader.dataset), trained, classes=step.num_seen)
        with heartbeat(f"{title}, end of the step"):
            method.end_increment(loader)
        if method.kept and (told := method.kept.told()):
            log.say(told)
        if distributed.is_main():
            content = {"net": method.net.state_dict(), "method_state": method.state_dict()}
            checkpoint.save(about | content, files.checkpoint(step.index))
            if shared:
                shared.offer(files.checkpoint(0))
        autosave.discard()


def optimise(config: SimpleNamespace, method, loader, autosave: Autosave, path: Path, *, log: RunLog,
             device: torch.device) -> None:
    """All epochs of the step that `path` will hold, from where an interrupted run was saved, if one was."""
    compile_network(method)
    method.model = distributed.distribute(method.net, device)
    progress = start(method, method.training, batches=len(loader), device=device)
    source, showing = feature_source(config, method, loader, log) or (loader, nullcontext())
    with autosave:
        if autosave.restore(progress):
            log.say(f"continuing in epoch {progress.epoch}, batch {progress.batch}")
        try:
            with showing, profiled(method, config.profile, progress, source, log) as look:
                fit(method, source, method.training, device=device, log=log, progress=progress,
                    after_iteration=lambda progress: (autosave(progress), look()))
        except NonFiniteLoss as error:
            file = write_failure(path, error, method, loader, autosave.about)
            raise FloatingPointError(f"{error}; look at it again with --replay_batch {file}") from error


def feature_source(config: SimpleNamespace, method, loader, log: RunLog):
    """With --cache features: features in place of the images of `loader`, and the context in which the
    network takes them; None without, and where the network is not frozen.
    """
    views, exact = kept_features(config.cache)
    if not views:
        return None
    obstacles = {
        "one process keeps them": distributed.world_size() > 1,
        "its network is not frozen here, or sees more than the step's images": not method.from_features(),
        "its head makes more than one map": not method.net.head.one_map,
    }
    if why := next((reason for reason, there in obstacles.items() if there), ""):
        log.say(announce.no_features(config, method.step, why))
        return None
    found = remembered(method, loader, views=min(views, method.training.epochs), exact=exact,
                       folder=Path(config.cache_dir), limit=1e9 * config.cache_limit,
                       say=log.say)  # fmt: skip
    return found, found.in_place_of_images(method.net)


def test_step(config: SimpleNamespace, data: IncrementData, files: RunFiles, device: torch.device, *,
              trackers: Sequence[Tracker]) -> str:
    """Evaluate a step's saved checkpoint on all classes seen so far, file the numbers; the kind of test.

    A test whose result is there is not made again.
    """
    step = data.step
    if known := reuse.tested(config, data, files):
        result, kind = known
        distributed.say(f"{in_one_line(result)} (tested before; --test tests again)")
        return kind
    path = Path(config.ckpt) if config.ckpt else files.checkpoint(step.index)
    content = checkpoint.load(path)
    test = reuse.test_of(config, data, files, path, content)
    method = build.method_after(config, step, device, content)
    fold_norms(method.net)
    loader = make_loader(data.test, build.test_batch_size(config), train=False, seed=config.seed,
                         num_workers=config.num_workers)
    title = f"{config.method} {step.task} step {step.index}"
    with closing(RunLog(files.log_folder(step.index), title, trackers=trackers)) as log:
        samples = Samples(data.test, loader.batch_sampler)
        matrix = evaluate(method, loader, device=device, log=log, look=samples.look)
        if distributed.is_main():
            result = write_result(files.results, matrix, step, data.dataset, content,
                                  num_images=len(data.test.ids), **test)
            log.tested(result, samples.picture(step.order))
            log.filed(files.results)
    distributed.barrier()
    return test["kind"]
