"""Metrics, result tables and learning rates."""

import torch
import torch.nn.functional as F

from metrics.confusion import ConfusionMatrix
from metrics.published_csv import published_row, published_summary, read_rows
from metrics.scores import class_scores, group_scores, harmonic
from tests.adapters import adapter
from tests.published_only import spilled
from utils.schedule import poly_schedule


def tensor(value):
    return torch.tensor(torch.nan if value is None else value, dtype=torch.float64)


@adapter("mib.metrics")
def mib_metrics(inputs, params):
    matrix = ConfusionMatrix(params["n_classes"])
    for batch in range(sum(name.startswith("in_true") for name in inputs)):
        matrix.update(inputs[f"in_true{batch}"], inputs[f"in_pred{batch}"])
    options = {"accuracy_epsilon": params["eps"], "iou_epsilon": params["eps"]}
    per_class = class_scores(matrix.counts, **options)
    every = group_scores(matrix.counts, range(params["n_classes"]), **options)
    return {
        "out_confusion": matrix.counts.double(),
        "out_total_samples": torch.tensor(matrix.images),
        "out_overall_acc": tensor(every["pixel_accuracy"]),
        "out_mean_acc": tensor(every["mean_accuracy"]),
        "out_freqw_acc": tensor(every["frequency_weighted_iou"]),
        "out_mean_iou": tensor(every["miou"]),
        "out_class_iou": per_class["iou"].nan_to_num(-1.0),
        "out_class_acc": per_class["accuracy"].nan_to_num(-1.0),
        "out_present": per_class["present"],
    }


@adapter("dft.infer")
def dft_infer(inputs, params):
    labels = inputs["labels"]
    small = F.conv2d(inputs["features"], inputs["weight"][:, :, None, None], inputs["bias"])
    logits = F.interpolate(small, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    predictions = logits.argmax(1)
    matrix = ConfusionMatrix(params["n_seen"], num_columns=params["n_outputs"])
    matrix.update(labels, predictions)
    square = spilled(matrix.counts)  # the numbers of the case are those of the published matrix
    per_class, every = class_scores(square), group_scores(square, range(params["n_seen"]))
    return {
        "pred": predictions,
        "hist": square.double(),
        "hist_with_unseen_columns": matrix.counts.double(),
        "class_iou": per_class["iou"],
        "class_acc": per_class["accuracy"],
        "mean_iou": tensor(every["miou"]),
        "overall_acc": tensor(every["pixel_accuracy"]),
    }


@adapter("eir.metrics")
def eir_metrics(inputs, params):
    counts = inputs["in_confusion"]
    options = {"absent": "zero", "accuracy_epsilon": 0.0, "iou_epsilon": -1e-6}
    names = {
        "Pixel_Accuracy": "pixel_accuracy",
        "Pixel_Accuracy_Class": "mean_accuracy",
        "Mean_Intersection_over_Union": "miou",
    }
    per_class = class_scores(counts, **options)
    found = {
        "out_Pixel_Accuracy_Class_by_class": 100 * per_class["accuracy"],
        "out_Mean_Intersection_over_Union_by_class": 100 * per_class["iou"],
    }
    groups = {group: group_scores(counts, params[group], **options) for group in ("old", "new")}
    groups["overall"] = group_scores(counts, params["old"] + params["new"], **options)
    for theirs, ours in names.items():
        values = {group: groups[group][ours] for group in groups}
        values["harmonic"] = harmonic(values["old"], values["new"])
        found |= {f"out_{theirs}_{group}": 100 * tensor(value) for group, value in values.items()}
    return found


def run_schedule(base, steps, *arguments, min_lr=0.0, **options):
    """Learning rate of every group (steps, groups) as the optimizer has it."""
    zero = torch.zeros(1)
    groups = [{"params": [torch.nn.Parameter(zero)], "lr": float(lr), "min_lr": min_lr} for lr in base]
    optimizer = torch.optim.SGD(groups, lr=0.0)
    scheduler = poly_schedule(optimizer, *arguments, **options)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


@adapter("mib.poly_lr")
def mib_poly_lr(inputs, params):
    count = params["max_iters"]
    return {"out_lr": run_schedule(inputs["in_base_lr"], count + 1, count, params["power"])}


@adapter("eir.lr")
def eir_lr(inputs, params):
    count, warmup = params["max_iters"], params.get("warmup_iters", 0.0)
    return {"out_lr": run_schedule(inputs["in_base_lr"], count, count, params["power"], warmup=warmup)}


@adapter("dkd.schedule", "ssul.schedule")
def sigmoid_family_lr(inputs, params):
    count, options = params["iterations"], {"warmup": params["warmup"], "min_lr": params.get("minimum", 0.0)}
    return {"out_lr": run_schedule(params["lr"], count, count, params["power"], **options)}


@adapter("mib.average_csv")
def mib_average_csv(content, params):
    for case in content["cases"]:
        case["printed"] = published_summary(read_rows(case["csv_lines"]))
    return content


@adapter("dft.csv")
def dft_csv(content, params):
    for case in content:
        rows = []
        for step in case["scores"]:
            learned = {int(index): iou for index, iou in step["Class IoU"].items()}
            iou = [None if value == "X" else value for _, value in sorted(learned.items())]
            rows.append(published_row(step["step"], iou, step["Mean IoU"], num_classes=case["num_classes"]))
        case["csv_text"] = "".join(f"{row}\n" for row in rows)
        case["average_csv_stdout"] = "".join(f"{line}\n" for line in published_summary(read_rows(rows)))
    return content
