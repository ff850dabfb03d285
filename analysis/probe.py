"""Linear probing: what the features of every step still separate, against what its own classifier predicts.

    python -m analysis.probe checkpoints/shapes_4-1_overlap/FT_tiny
    checkpoints/shapes_4-1_overlap/DFT_STAR_tiny

For every step a fresh linear classifier of ALL classes is trained on the frozen features, with labels of
all classes, and tested beside the network's own classifier (RevisitingCSS, arXiv 2508.04267). Writes
probe.csv and probe.png. By default the features of each image's central view are computed once and kept;
those beyond --memory in a file, which changes no number. --random_views trains on fresh random crops in every
epoch, as published, which costs as many passes through the network as there are epochs and keeps nothing.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from analysis.commands import Parser, at_least, main, percent, progress, text_table, write_csv
from analysis.features import all_classes, fixed_views, part_of, random_views, train_views
from analysis.linear_probe import Probe, fit_probe
from analysis.runs import find_runs
from analysis.trained import Trained
from metrics.confusion import ConfusionMatrix
from metrics.scores import group_scores
from train import Training
from utils.labels import IGNORE
from utils.sizes import size


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of a probe; the paper states neither epochs nor learning rate."""

    training: Training
    random_views: bool
    num_images: int
    seed: int
    memory: float  # bytes of features to hold
    folder: Path  # for those beyond


def work(options: Namespace) -> None:
    """Probe every step of every run; print a table, write probe.csv and probe.png."""
    runs = find_runs(
        options.runs, data_root=options.data_root, cache_dir=options.cache_dir, dataset=options.dataset
    )
    settings = Settings(
        Training(options.epochs, options.lr), options.random_views, options.num_images, options.seed,
        memory=1e9 * options.memory, folder=Path(options.cache_dir),
    )  # fmt: skip
    probes: dict[int, Probe] = {}  # of equal networks, such as those of a method that freezes them
    rows = []
    for run in runs:
        for trained in run.steps():
            title = f"{run.name} step {trained.step.index}"
            encoder = trained.encoder
            if encoder not in probes:
                probes[encoder] = probe(trained, settings, title)
            rows.append({"run": run.name} | compare(trained, *observe(trained, probes[encoder], title)))
    out = Path(options.out)
    write_csv(out / "probe.csv", rows)
    views = "fresh random crops (published protocol)" if settings.random_views else "fixed central views"
    print(table(rows))
    print(f"mIoU in %, fg: without background; probes: {options.epochs} epochs, lr {options.lr:g}, {views}")
    from analysis.figures import save_figure, style  # half a second of imports

    with style(row["run"] for row in rows):
        save_figure(draw(rows, has_background=trained.dataset.has_background), out / "probe.png")
    print(f"{out / 'probe.csv'} {out / 'probe.png'}")


def probe(trained: Trained, settings: Settings, title: str) -> Probe:
    """A fresh classifier of all classes, trained on the frozen features."""
    data = all_classes(trained)
    torch.manual_seed(settings.seed)
    fresh = Probe(data.step, trained.method.net)
    if settings.random_views:
        images = part_of(replace(data, protocol="plop", seed=settings.seed).train, settings.num_images)
        batches, num_batches = random_views(trained, images, seed=settings.seed)
    else:
        images = part_of(train_views(data), settings.num_images)
        batches, num_batches = fixed_views(trained, images, seed=settings.seed, memory=settings.memory,
                                           folder=settings.folder, title=f"{title}: features")  # fmt: skip
    fit_probe(fresh, batches, settings.training, num_batches=num_batches, title=f"{title}: probe")
    return fresh


@torch.inference_mode()
def observe(trained: Trained, fresh: Probe, title: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Confusion matrices of the network's own classifiers on the classes seen so far, as `run.py` tests it,
    and of the probe `fresh` on all: one pass over the test images.
    """
    step, method, device = trained.step, trained.method, trained.device
    images, table = all_classes(trained).test, own_labels(trained)
    own = ConfusionMatrix(step.num_seen, num_columns=sum(method.heads(step)), device=device)
    other = ConfusionMatrix(step.num_total, device=device)
    counted = {sample.id for sample in trained.data.samples("test")}  # which show a class that it knows
    tested, done = torch.tensor([name in counted for name in images.ids], device=device), 0
    for batch, labels in progress(trained.loader(images), f"{title}: test"):
        out, labels = trained.forward(batch), labels.to(device).long()
        mine, done = tested[done : done + len(labels)], done + len(labels)
        other.update(labels, fresh.decide(fresh.output(out.features, out.size)))
        own.update(table[labels[mine]], method.decide(out)[mine])
        own.note_broken(out.logits_small)
    return own.reduce().counts.cpu(), other.counts.cpu()


def own_labels(trained: Trained) -> torch.Tensor:
    """What the run's test makes of each model index of the whole task, int64 (256,); void stays void."""
    table, order = trained.data.table("test"), torch.tensor(trained.step.order)
    made = torch.full((256,), IGNORE)
    made[: len(order)] = torch.as_tensor(table).long()[order]
    return made.to(trained.device)


def compare(trained: Trained, own: torch.Tensor, fresh: torch.Tensor) -> dict:
    """One row of the table: mIoU of both classifiers, over all classes of each and over those of step 0."""
    step, base = trained.step, range(int(trained.dataset.has_background), len(trained.step.groups[0]))
    return {
        "step": step.index,
        "classes": step.num_seen,
        "observed": group_scores(own, range(step.num_seen))["miou"],
        "probed": group_scores(fresh, range(step.num_total))["miou"],
        "probed_seen": group_scores(fresh, range(step.num_seen))["miou"],
        "observed_base": group_scores(own, base)["miou"],
        "probed_base": group_scores(fresh, base)["miou"],
    }


def table(rows: Sequence[dict]) -> str:
    """The rows as text."""
    header = ["run", "step", "classes", "observed (seen)", "probed (all)", "probed (seen)"]
    header += ["observed (step 0 fg)", "probed (step 0 fg)"]
    cells = [[row["run"], str(row["step"]), str(row["classes"]), *map(percent, scores(row))] for row in rows]
    return text_table(header, cells)


def scores(row: dict) -> list[float | None]:
    """The mIoUs of a row, in its order."""
    return [value for key, value in row.items() if key.startswith(("observed", "probed"))]


def draw(rows: Sequence[dict], *, has_background: bool):
    """Observed against probed mIoU over the steps: as in the paper, and for the classes of step 0."""
    from analysis.figures import figure, legend, look, show_all, step_ticks

    made = figure(
        10.5,
        4.4,
        "Dashed falls: the features have lost it.  Only solid falls: they still have it, unread.",
    )
    panels = made.subplots(1, 2, sharey=True)
    left = "All classes: observed on those seen so far, probed on all"
    right = "Classes of step 0 without background" if has_background else "Classes of step 0"
    names = list(dict.fromkeys(row["run"] for row in rows))
    for axes, title, keys in zip(
        panels, (left, right), (("observed", "probed"), ("observed_base", "probed_base")), strict=True
    ):
        for number, name in enumerate(names):
            own = [row for row in rows if row["run"] == name]
            steps = [row["step"] for row in own]
            for key, line in zip(keys, ("-", "--"), strict=True):
                values = [float("nan") if row[key] is None else 100 * row[key] for row in own]
                filled = "full" if line == "-" else "none"
                axes.plot(steps, values, line, fillstyle=filled, **look(number, len(steps)))
        axes.set(title=title, xlabel="network after step")
        step_ticks(axes, [row["step"] for row in rows])
    show_all(panels, least=0)
    panels[0].set_ylabel("mIoU, %")
    legend(made, names, "own classifier", "fresh linear probe")
    return made


def parser() -> Parser:
    """The command line."""
    made = Parser("probe", "Linear probing of every step's frozen features.")
    made.add_run_flags("probing", "table and figure")
    made.add_argument(
        "--epochs", type=at_least(1), default=10, help="passes over the training images, per probe"
    )
    made.add_argument("--lr", type=float, default=0.1, help="of the probe; poly schedule, weight decay 1e-4")
    made.add_argument(
        "--random_views",
        action="store_true",
        help="train on fresh random crops as published; nothing is kept of fixed central views then",
    )
    made.add_argument(
        "--memory", type=size, default=2.0,
        help="features to hold, e.g. 4GB or 500MB; others lie in a file in --cache_dir as it runs, exactly",
    )  # fmt: skip
    made.add_argument(
        "--num_images", type=at_least(0), default=0, help="train on so many images only; 0: on all"
    )
    made.add_argument("--seed", type=int, default=42, help="of the probe's weights, order and crops")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
