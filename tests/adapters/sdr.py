"""SDR."""

from methods.sdr import SDR
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter
from utils.losses import latent


def method_of(params, num_classes, *, num_old=1, published=True):
    """SDR with the classes of the case."""
    groups = tuple(range(num_old)), tuple(range(num_old, num_classes))
    if params.get("step", 1) == 0:
        groups = (tuple(range(num_classes)), (num_classes,))
    method = SDR(Step("test", "test", min(params.get("step", 1), 1), groups), published_selection=published)
    method.setting = params["setting"]
    return method


def output(features, labels):
    """What the network leaves behind, if its body gives `features`."""
    return Output(features, features, features, {}, tuple(labels.shape[-2:]))


def small(features, labels):
    """Labels of the features' cells."""
    return SDR.grid(output(features, labels), labels).nearest(labels)


@adapter("sdr.prototypes")
def prototypes(inputs, params):
    features, labels = inputs["in_features"], inputs["in_labels"]
    method = method_of(params, len(inputs["in_counts"]))
    method.prototypes, method.counts = inputs["in_prototypes"], inputs["in_counts"]
    method.record(*method.cells(output(features, labels), small(features, labels)))
    return {"out_prototypes": method.prototypes, "out_counts": method.counts}


@adapter("sdr.contrast")
def contrast(inputs, params):
    features, labels = inputs["in_features"].requires_grad_(), inputs["in_labels"]
    cells = latent.published_select(features, small(features, labels))
    attraction = latent.attraction(*cells, inputs["in_prototypes"])
    repulsion = latent.repulsion(*cells, len(inputs["in_prototypes"]))
    (attraction + repulsion).backward()
    return {"out_attraction": attraction, "out_repulsion": repulsion, "out_grad_features": features.grad}


@adapter("sdr.matching")
def matching(inputs, params):
    return matched(inputs, params, published=True)


@adapter("sdr.matching_corrected")
def matching_corrected(inputs, params):
    return matched(inputs, params, published=False)


def matched(inputs, params, *, published):
    """Distance of old classes from their prototypes."""
    features, labels, num_old = inputs["in_features"].requires_grad_(), inputs["in_labels"], params["num_old"]
    method = method_of(params, len(inputs["in_prototypes"]), num_old=num_old, published=published)
    out = output(features, labels)
    named = method.named(method.grid(out, labels), labels, inputs["in_old_logits"])
    cells = method.cells(out, named, by_cell=True)
    loss = latent.matching(*cells, inputs["in_prototypes"][:num_old])
    loss.backward()
    return {"out_loss": loss, "out_grad_features": features.grad}


@adapter("sdr.sparsity")
def sparsity(inputs, params):
    features = inputs["in_features"].requires_grad_()
    loss = latent.sparsity(*latent.select(features, small(features, inputs["in_labels"])))
    loss.backward()
    return {"out_loss": loss, "out_grad_features": features.grad}
