"""DKD: what learns from what, where new classes start, and what the next step gets."""

from functools import partial

import pytest
import torch

from tests import builders
from tests.builders import SIZE, make_images, make_labels
from utils.labels import IGNORE
from utils.losses.evidence import evidence, new_class_bce

begun = partial(builders.begun, "DKD")


def moved(method, *terms):
    """Names of the parameters that the loss terms have a gradient by."""
    losses = method.losses(make_images(), make_labels(method.step, "mixed"))
    sum(losses[term] for term in terms).backward()
    return {key for key, p in method.net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_new_classes_start_as_the_auxiliary_classifier():
    method = begun(2)
    first, newest = method.net.cls[0], method.net.cls[-1]
    assert newest.out_channels == 2
    assert all(torch.equal(row, first.weight[0]) for row in newest.weight)
    assert (newest.bias == first.bias).all()


def test_the_auxiliary_classifier_trains_nothing_but_itself():
    assert moved(begun(1), "ac") == {"cls.0.weight", "cls.0.bias"}


def test_labels_teach_the_newest_classifier_and_the_teacher_the_older_ones():
    by_labels, by_teacher = moved(begun(2), "mbce"), moved(begun(2), "kd")
    assert {key for key in by_labels if key.startswith("cls")} == {"cls.3.weight", "cls.3.bias"}
    assert {key.rpartition(".")[0] for key in by_teacher if key.startswith("cls")} == {"cls.1", "cls.2"}
    evident = moved(begun(2), "dkd_pos", "dkd_neg")
    assert {key for key in evident if key.startswith("cls")} == {"cls.1.weight", "cls.2.weight"}
    assert "body.mod1.conv1.weight" in evident & by_labels & by_teacher


def test_distillation_vanishes_in_gradient_where_the_student_is_the_teacher():
    method = begun(1)
    method.net.eval()
    losses = method.losses(make_images(), make_labels(method.step, "mixed"))
    sum(losses[term] for term in ("kd", "dkd_pos", "dkd_neg")).backward()
    norms = [p.grad.norm() for p in method.net.parameters() if p.grad is not None]
    assert max(norms) < 1e-4  # the teacher's norms are folded: rounding


def test_step_0_has_no_distillation_and_its_own_weight_of_positives():
    images, labels = make_images(), make_labels(begun(0).step, "mixed")
    one, two = (begun(0, pos_weight_step0=weight).losses(images, labels) for weight in (1.0, 2.0))
    assert one.keys() == {"mbce", "ac"}
    assert two["mbce"] > one["mbce"] and two["ac"] == one["ac"]
    torch.testing.assert_close(begun(0, pos_weight=9.0).losses(images, labels)["mbce"], one["mbce"])


def test_ignored_pixels_are_negatives_of_every_new_class_unless_skipped():
    logits = torch.zeros(1, 2, 1, 3)
    labels = torch.tensor([[[IGNORE, 1, 4]]])  # class 1 is old, class 4 is new
    log2 = torch.tensor(2.0).log()
    counted = new_class_bce(logits, labels, num_old=3, pos_weight=3.0)
    torch.testing.assert_close(counted, log2 * torch.tensor([[[2.0, 2.0, 4.0]]]))
    skipped = new_class_bce(logits, labels, num_old=3, skip_ignored=True)
    torch.testing.assert_close(skipped, log2 * torch.tensor([[[0.0, 2.0, 2.0]]]))


def test_evidence_for_and_against_adds_up_to_the_score_without_bias():
    features, weight = torch.randn(2, 5, 3, 4).relu(), torch.randn(6, 5, 1, 1)
    positive, negative = evidence(features, weight)
    assert (positive >= 0).all() and (negative <= 0).all()
    want = torch.einsum("ndhw,cd->nchw", features, weight.flatten(1))
    torch.testing.assert_close(positive + negative, want)
    assert evidence(features.bfloat16(), weight)[0].dtype == torch.float32


def test_features_are_not_negative():
    features = begun(1).net(make_images()).features
    assert features.min() == 0 and features.shape[-1] == SIZE // 8


@pytest.mark.parametrize("option", ["loss_kd", "loss_dkd", "loss_ac"])
def test_weights_scale_their_terms_alone(option):
    terms = {"loss_kd": ["kd"], "loss_dkd": ["dkd_pos", "dkd_neg"], "loss_ac": ["ac"]}
    images, labels = make_images(), make_labels(begun(1).step, "mixed")
    plain, changed = (begun(1, **{option: weight}).losses(images, labels) for weight in (1.0, 3.0))
    for term in plain:
        torch.testing.assert_close(changed[term], plain[term] * (3 if term in terms[option] else 1))
