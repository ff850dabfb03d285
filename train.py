"""The only loop: fit, train_one_epoch, evaluate. It knows no method; a method is what `losses` returns."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dataset.transform import normalize, to_device
from metrics.confusion import ConfusionMatrix
from utils.distributed import is_distributed
from utils.loss_values import read_losses
from utils.optimizer import make_optimizer
from utils.ranges import each, named
from utils.schedule import poly_schedule


@dataclass(frozen=True)
class Training:
    """Numbers of one step's optimisation (poly schedule; SGD with Nesterov momentum 0.9 in most systems).

    Args:
        epochs: passes over the step's images.
        lr: initial learning rate. weight_decay: on every trainable parameter.
        lr_power: exponent of the poly schedule, per optimizer step. lr_warmup: share of them that warm up.
        accumulate: batches whose gradients are averaged into one optimizer step.
        print_interval: iterations between two looks at the losses; in between nothing waits for the device.
        scale_loss: dynamic loss scaling, for fp16 only. optimizer, clip: see `make_optimizer`.
    """

    epochs: int
    lr: float
    weight_decay: float = 1e-4
    lr_power: float = 0.9
    lr_warmup: float = 0.0
    accumulate: int = 1
    print_interval: int = 10
    scale_loss: bool = False
    optimizer: str = "sgd"
    clip: float = 0.0


@dataclass
class Progress:
    """What moves while a step trains, besides network and method: all that an interrupted run has to keep."""

    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    epoch: int = 0
    batch: int = 0  # batches of the epoch that are done
    skipped: int = 0  # optimizer steps in a row that the loss scaler skipped
    sums: dict[str, float] = field(default_factory=dict)  # loss sums of the epoch so far

    def state_dict(self) -> dict:
        """Plain copy for a file."""
        moving = {name: getattr(self, name).state_dict() for name in ("optimizer", "scheduler", "scaler")}
        return moving | {name: getattr(self, name) for name in ("epoch", "batch", "skipped", "sums")}

    def load_state_dict(self, state: dict) -> None:
        """Continue where `state` was taken."""
        for name in ("optimizer", "scheduler", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.epoch, self.batch, self.skipped = state["epoch"], state["batch"], state["skipped"]
        self.sums = dict(state["sums"])


def start(method, training: Training, *, batches: int, device: torch.device) -> Progress:
    """Optimizer, schedule and scaler for `batches` batches per epoch, over what `method` lets train.

    Raises:
        ValueError: if accumulation leaves no optimizer step in an epoch, or nothing is trainable.
    """
    steps = batches // training.accumulate
    if steps == 0:
        raise ValueError(
            f"an epoch has {batches} batches, fewer than --accumulate {training.accumulate}: lower one of "
            "--accumulate and --batch_size"
        )
    if not (groups := [g for g in method.param_groups(training.lr, training.weight_decay) if g["params"]]):
        raise ValueError("nothing is trainable at this step: every part of the network is frozen")
    optimizer = make_optimizer(training.optimizer, groups, method.net, lr=training.lr, clip=training.clip)
    updates, power = training.epochs * steps, training.lr_power
    scheduler = poly_schedule(optimizer, updates, power, warmup=training.lr_warmup)
    scaler = torch.amp.GradScaler(device.type, enabled=training.scale_loss)
    return Progress(optimizer, scheduler, scaler)


def fit(method, loader, training: Training, *, device: torch.device, log, progress: Progress | None = None,
        after_iteration: Callable[[Progress], None] = lambda progress: None) -> None:
    """Train one step from `progress` (or its start) to its last epoch.

    `after_iteration` is called when an optimizer step is complete: the place to save an interrupted run.
    """
    progress = progress or start(method, training, batches=len(loader), device=device)
    while progress.epoch < training.epochs:
        log.epoch(progress.epoch, training.epochs, len(loader), progress.batch)
        train_one_epoch(
            method, loader, training, progress, device=device, log=log, after_iteration=after_iteration
        )
        log.end_epoch(progress.epoch, {name: value / len(loader) for name, value in progress.sums.items()})
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}


def train_one_epoch(method, loader, training: Training, progress: Progress, *, device: torch.device, log,
                    after_iteration: Callable[[Progress], None] = lambda progress: None) -> None:
    """One pass over `loader`, from batch `progress.batch` on.

    Raises:
        NonFiniteLoss: when a loss is inf or nan, at the next look at the losses.
        FloatingPointError: when fp16 overflows again and again.
    """
    method.net.train()
    loader.batch_sampler.seek(progress.epoch, progress.batch)
    last = len(loader) // training.accumulate * training.accumulate  # the rest would fill no optimizer step
    interval = 1 if device.type == "cpu" else training.print_interval
    pending: list[dict[str, Tensor]] = []
    progress.optimizer.zero_grad(set_to_none=True)
    for batch, (images, labels) in enumerate(each("data", loader), start=progress.batch):
        if batch == last:
            break
        images, labels = to_device(images, labels, device)
        closes = (batch + 1) % training.accumulate == 0
        with nullcontext() if closes or not is_distributed() else method.model.no_sync():
            with named("losses"):
                losses = method.losses(images, labels)
            pending.append({name: value.detach() for name, value in losses.items()})
            if len(pending) >= interval or batch + 1 == last:
                lr = progress.scheduler.get_last_lr()[0]
                log.losses(progress.epoch * len(loader) + batch, read_losses(pending, progress, batch), lr)
                pending.clear()
            with named("backward"):
                progress.scaler.scale(sum(losses.values()) / training.accumulate).backward()
        if closes:
            with named("optimizer"):
                optimizer_step(method, progress)
        progress.batch = batch + 1
        log.advance(images.shape[0])
        if closes:
            after_iteration(progress)


def optimizer_step(method, progress: Progress) -> None:
    """Move the weights along the gradients that the backward passes left."""
    scaler = progress.scaler
    scaler.unscale_(progress.optimizer)
    method.after_backward()
    scale = scaler.get_scale() if scaler.is_enabled() else 0.0
    scaler.step(progress.optimizer)
    scaler.update()
    progress.skipped = progress.skipped + 1 if scaler.is_enabled() and scaler.get_scale() < scale else 0
    if progress.skipped >= 20:
        raise FloatingPointError("20 optimizer steps in a row overflowed fp16: use --precision bf16 or fp32")
    progress.scheduler.step()
    progress.optimizer.zero_grad(set_to_none=True)


@torch.inference_mode()
def evaluate(
    method, loader, *, device: torch.device, log, look: Callable[[Tensor, Tensor, Tensor], None] | None = None
) -> ConfusionMatrix:
    """Confusion matrix of all seen classes over `loader`, summed over processes.

    `look` is shown every batch of this process: images as they were read, labels and predictions.

    Classes that have rows but were not taught yet may win pixels; these count as errors (extra columns).

    Raises:
        FloatingPointError: if a logit of any process is not finite: it would count as some class or other.
    """
    method.net.eval()
    rows = sum(method.heads(method.step))
    matrix = ConfusionMatrix(method.step.num_seen, num_columns=rows, device=device)
    for pictures, labels in log.evaluation(loader):
        predictions = predict(method, pictures.to(device, non_blocking=True), matrix)
        matrix.update(labels.to(device, non_blocking=True).long(), predictions)
        if look:
            look(pictures, labels, predictions)
    return matrix.reduce()


def predict(method, pictures: Tensor, matrix: ConfusionMatrix) -> Tensor:  # uint8 (N, 3, H, W) -> (N, H, W)
    """Model index of every pixel's class; `matrix` learns of logits that are not finite."""
    out = method.net(normalize(pictures.contiguous(memory_format=torch.channels_last)))
    matrix.note_broken(out.logits_small)
    return method.decide(out)
