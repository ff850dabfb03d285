"""Table `eval`: whole evaluations, and the confusion matrix alone."""

import torch

from dataset.transform import to_device
from metrics.confusion import ConfusionMatrix
from modules.folding import fold_norms
from scripts.benchmark import textbook
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import Row, compare
from train import evaluate


class Quiet:
    """A log that shows nothing."""

    def evaluation(self, loader):
        return loader


def rows(bench: Bench, *, rounds: int) -> list[Row]:
    """A whole evaluation of one batch, and its confusion matrix alone."""
    method, copied = (bench.method("FT") for _ in range(2))
    fold_norms(copied.net.eval())
    classes = bench.step.num_seen

    @torch.no_grad()
    def plain():
        method.net.eval()
        matrix = torch.zeros(classes, classes, dtype=torch.float64)
        for image, label in zip(*to_device(*bench.batch, bench.device), strict=True):
            predictions = method.net(image[None]).logits.max(1)[1]
            matrix += textbook.confusion(label[None], predictions, classes)
        return matrix

    def ours():
        return evaluate(copied, bench, device=bench.device, log=Quiet()).counts.cpu()

    labels = bench.batch[1].to(bench.device).long()
    predictions = torch.randint(classes, labels.shape, device=bench.device)

    def textbook_counted():
        return textbook.confusion(labels, predictions, classes)

    def counted():
        matrix = ConfusionMatrix(classes, device=bench.device)
        matrix.update(labels, predictions)
        return matrix.counts

    options = {"rounds": rounds, "images": bench.images}
    return [
        compare(f"evaluation, {classes} classes", plain, ours, bench.device, **options),
        compare(f"confusion matrix, {classes} classes", textbook_counted, counted, bench.device, **options),
    ]
