"""Every fast path against the plain one: folded norms here, the losses by bands in a whole training run."""

import copy
import sys

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils.flop_counter import FlopCounterMode

from methods import METHODS
from modules.abn import ABN
from modules.folding import fold_norms
from modules.refined_head import RefinedHead
from segmentation_module import Parts, make_model
from tests.builders import PARTS, TinyLoader, make_images, make_labels, make_method
from train import Training, optimizer_step, start
from utils import compile as acceleration
from utils.losses.pixel_means import pixel_means, plain_means

pytestmark = pytest.mark.slow

ITERATIONS = 20
DYNAMO = pytest.mark.filterwarnings("ignore:The .grad attribute")  # its own reading of inputs
LR = 2e-5  # with more, batch norms on so few pixels make rounding errors grow beyond any bound


def lived_in(net: torch.nn.Module) -> torch.nn.Module:
    """`net` with norms as training leaves them, in eval mode."""
    generator = torch.Generator().manual_seed(5)
    for module in net.modules():
        if isinstance(module, ABN):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.data.uniform_(-1.2, 1.2, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
    return net.eval()


def assert_same(out, want):
    torch.testing.assert_close(out.logits_small, want.logits_small, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.features, want.features, rtol=1e-5, atol=1e-5)
    for name, stage in want.attentions.items():
        torch.testing.assert_close(out.attentions[name], stage, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"norm": "lean"}])
@pytest.mark.parametrize("refined", [False, True])
@torch.no_grad()
def test_folding_norms_into_convolutions_changes_nothing(options, refined):
    torch.manual_seed(0)
    net = make_model(Parts(backbone="tiny", output_stride=8, pooling=3, options=options), [3, 1])
    if refined:
        net.head = RefinedHead(net.head)
    lived_in(net)
    folded = fold_norms(copy.deepcopy(net))
    assert all(module.folded for module in folded.modules() if isinstance(module, ABN))
    assert_same(folded(make_images()), net(make_images()))


@torch.no_grad()
def test_bottlenecks_are_folded_too():
    torch.manual_seed(0)
    net = lived_in(make_model(Parts(backbone="resnet50"), [3]))
    assert_same(fold_norms(copy.deepcopy(net))(make_images(1)), net(make_images(1)))


@torch.no_grad()
def test_folding_leaves_two_branches_alone_and_twice_is_once():
    method = make_method("RCIL", 1)
    net = lived_in(method.net)
    want = net(make_images())
    assert_same(fold_norms(fold_norms(net))(make_images()), want)


def frozen_method(*, folded: bool):
    method = make_method("DFT*", 1)
    lived_in(method.net)
    method.start_increment(TinyLoader(method.step))
    method.net._folding = folded
    method.net.train()
    return method


def test_frozen_network_runs_folded_and_its_state_keeps_names_and_values():
    fast, plain = (frozen_method(folded=folded) for folded in (True, False))
    assert fast.net._folded and not plain.net._folded
    assert_same(fast.net(make_images()), plain.net(make_images()))
    states = [method.net.state_dict() for method in (fast, plain)]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert len(list(fast.net.parameters())) == len(list(plain.net.parameters()))


def test_folding_an_unfrozen_network_is_refused():
    with pytest.raises(AssertionError, match="freeze"):
        make_model(PARTS, [3]).fold_frozen()


def test_frozen_network_records_no_graph():
    out = frozen_method(folded=True).net(make_images())
    assert not out.features.requires_grad and out.logits_small.requires_grad


def test_behind_a_frozen_network_only_new_rows_are_differentiated():
    method = frozen_method(folded=True)
    images, labels = make_images(), make_labels(method.step, "mixed")
    loss = sum(method.losses(images, labels).values())
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    new = [row for row in method.net.cls if row.weight.requires_grad]
    pixels = method.net(images).features[:, 0].numel()
    counts = counter.get_flop_counts()["Global"]
    assert sum(counts.values()) == sum(2 * pixels * row.weight.numel() for row in new)
    assert {name for name, parameter in method.net.named_parameters() if parameter.grad is not None} == {
        f"cls.{k}.{kind}" for k in (1, 2) for kind in ("weight", "bias")
    }


def trained(name: str, monkeypatch, *, fast: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of twenty iterations, and all weights behind them in one vector."""
    for module in {sys.modules[kind.__module__] for kind in METHODS[name].__mro__}:
        if hasattr(module, "pixel_means"):
            monkeypatch.setattr(module, "pixel_means", pixel_means if fast else plain_means)
    method = make_method(name, 1)
    method.start_increment(TinyLoader(method.step))
    method.net._folding &= fast
    if fast and method.teacher is not None:
        fold_norms(method.teacher)
    progress = start(method, Training(epochs=1, lr=LR), batches=ITERATIONS, device=torch.device("cpu"))
    method.net.train()
    totals = []
    for seed in range(ITERATIONS):
        images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        total = sum(method.losses(images, make_labels(method.step, "mixed", 8)).values())
        total.backward()
        optimizer_step(method, progress)
        totals.append(total.detach())
    weights = torch.cat([parameter.detach().flatten() for parameter in method.net.parameters()])
    return torch.stack(totals), weights


@pytest.mark.parametrize("name", ["FT", "DFT*", "MiB", "PLOP"])
def test_twenty_iterations_with_every_fast_path_end_where_plain_ones_end(name, monkeypatch):
    losses, weights = trained(name, monkeypatch, fast=True)
    plain_losses, plain_weights = trained(name, monkeypatch, fast=False)
    torch.testing.assert_close(losses, plain_losses, rtol=1e-5, atol=0.0)
    assert (weights - plain_weights).norm() <= 1e-5 * plain_weights.norm()


@pytest.fixture
def compiled():
    """Dynamo's part of --compile: graphs are made, and run as they are."""
    torch._dynamo.reset()
    counters.clear()
    acceleration.use_compiled("eager")
    yield counters
    acceleration.use_compiled("")
    torch._dynamo.reset()


@DYNAMO
@pytest.mark.parametrize("name", ["DFT*", "PLOP"])
def test_compiled_iterations_break_no_graph_and_compile_once(name, compiled):
    method = make_method(name, 1)
    method.start_increment(TinyLoader(method.step))
    acceleration.compile_network(method)
    graphs = []
    for _ in range(3):  # three epochs
        method.net.train()
        for seed in range(2):
            images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            sum(method.losses(images, make_labels(method.step, "mixed", 4)).values()).backward()
        graphs.append(compiled["stats"]["unique_graphs"])
    assert not compiled["graph_break"]
    assert graphs[0] > 1 and graphs[0] == graphs[-1]


@DYNAMO
@pytest.mark.parametrize("name", ["MiB", "CoMFormer"])
def test_compiled_losses_and_gradients_are_those_of_eager_ones(name, compiled):
    def graded():
        method = make_method(name, 1)
        method.start_increment(TinyLoader(method.step))
        acceleration.compile_network(method)
        torch.manual_seed(0)  # of the points at which masks are compared
        losses = method.losses(make_images(), make_labels(method.step, "mixed"))
        sum(losses.values()).backward()
        return losses, [parameter.grad for parameter in method.net.parameters()]

    fast = graded()
    acceleration.use_compiled("")
    torch.testing.assert_close(fast, graded(), rtol=1e-4, atol=3e-6)


def test_tf32_is_what_the_user_says():
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = products.fp32_precision, convolutions.fp32_precision
    try:
        for allowed, precision in ((True, "tf32"), (False, "ieee")):
            acceleration.allow_tf32(allowed)
            assert (products.fp32_precision, convolutions.fp32_precision) == (precision, precision)
    finally:
        products.fp32_precision, convolutions.fp32_precision = before
