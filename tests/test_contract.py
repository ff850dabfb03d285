"""What every method promises to the trainer; a new entry of METHODS is tested here for free."""

import copy
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from experiment import checkpoint
from experiment.autosave import Autosave
from experiment.identity import Scopes
from methods import METHODS, hyper_parameters
from methods.base import Method
from methods.build import step0_as, why_step0
from methods.declared import heads_of
from tests.builders import SilentLog, TinyLoader, begun, make_images, make_labels, make_method
from train import Training, fit, start
from utils.outline import outline

KINDS = ["mixed", "all ignored", "only background", "only new classes"]
ON_MASKS = "FT/mask"  # fine-tuning on the head that answers with masks
methods = pytest.mark.parametrize("name", [*METHODS, ON_MASKS])
# Queries are assigned to masks on the CPU.
WAITING = {name for name in METHODS if "deeplab" not in heads_of(name)}


def trained(method, *, epochs: int) -> None:
    """Train `method` on a few batches, or let it learn them in its own way."""
    loader, training = TinyLoader(method.step), Training(epochs=epochs, lr=0.01)
    if not method.fit_step(loader):
        fit(method, loader, training, device=torch.device("cpu"), log=SilentLog())


@methods
@pytest.mark.parametrize("index", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_finite_named_scalars_with_finite_gradients(name, index, kind):
    method = begun(name, index)
    losses = method.losses(make_images(), make_labels(method.step, kind))
    assert losses and all(value.dim() == 0 and torch.isfinite(value) for value in losses.values())
    loss = sum(losses.values())
    if loss.requires_grad:
        loss.backward()
        method.after_backward()
    for key, parameter in method.net.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key


@methods
def test_one_image_gives_finite_losses(name):
    method = begun(name, 1)
    # A head that pools to one value per image cannot normalise a batch of one by its own statistics.
    method.net.eval()
    losses = method.losses(make_images(1), make_labels(method.step, "mixed", 1))
    assert all(torch.isfinite(value) for value in losses.values())


@methods
def test_losses_touch_neither_weights_nor_gradients(name):
    method = begun(name, 1)
    weights = {key: value.clone() for key, value in method.net.named_parameters()}
    method.losses(make_images(), make_labels(method.step, "mixed"))
    for key, value in method.net.named_parameters():
        assert torch.equal(value, weights[key]) and value.grad is None, key


@methods
def test_the_network_runs_once_per_batch(name):
    method = begun(name, 1)
    calls = []
    method.net.register_forward_hook(lambda *_: calls.append(1))
    method.losses(make_images(), make_labels(method.step, "mixed"))
    assert len(calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name not in WAITING])
@pytest.mark.parametrize("index", [0, 2])
def test_an_iteration_stays_on_its_device_and_never_waits_for_it(name, index, monkeypatch):
    # Tensors without values stand for a GPU's: whoever reads one, or mixes it with a CPU's, fails.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no such device
    method = begun(name, index)
    images, labels = make_images(), make_labels(method.step, "mixed")
    for key, value in vars(method).items():
        setattr(method, key, onto(value, "meta"))
    method.model = method.net
    losses = method.losses(images.to("meta"), labels.to("meta"))
    sum(losses.values()).backward()
    method.after_backward()
    assert all(value.is_meta for value in losses.values())


def onto(value, device: str):
    """Networks and tensors on `device`; anything else as it is."""
    if isinstance(value, dict):
        return {key: onto(entry, device) for key, entry in value.items()}
    return value.to(device) if isinstance(value, torch.Tensor | torch.nn.Module) else value


@methods
def test_frozen_parts_and_teacher_stay_bit_identical(name):
    method = begun(name, 1)
    frozen = {key: value.clone() for key, value in method.net.named_parameters() if not value.requires_grad}
    buffers = {
        f"{key}.{name}": buffer.clone()
        for key, module in method.net.named_modules()
        if not module.training
        for name, buffer in module.named_buffers(recurse=False)
    }
    teacher = copy.deepcopy(method.teacher.state_dict()) if method.teacher else {}
    trained(method, epochs=2)
    method.net.train()
    after = dict(method.net.state_dict())
    for key, value in (frozen | buffers).items():
        assert torch.equal(after[key], value), key
    for key, value in teacher.items():
        assert torch.equal(method.teacher.state_dict()[key], value), key


@methods
def test_training_moves_something(name):
    method = begun(name, 1)
    before = {key: value.clone() for key, value in method.net.named_parameters()}
    trained(method, epochs=1)
    assert any(not torch.equal(value, before[key]) for key, value in method.net.named_parameters())


@pytest.mark.slow
@methods
def test_state_survives_a_checkpoint(name, tmp_path):
    method = begun(name, 1)
    trained(method, epochs=1)
    method.end_increment(TinyLoader(method.step))
    state = method.state_dict()
    checkpoint.save({"net": method.net.state_dict(), "method_state": state}, tmp_path / "step_1.pt")
    loaded = checkpoint.load(tmp_path / "step_1.pt")
    follower = make_method(name, 2)
    follower.load_previous(loaded["net"])
    follower.load_state_dict(loaded["method_state"])
    follower.load_state_dict({})  # another method's step 0 leaves nothing


class Stopped(Exception):
    """The process ends here."""


def run_step(name: str, index: int, path: Path, *, stop_after: int = 0) -> tuple[dict, dict]:
    """Weights and state after a step as `run.py` trains it, saved at every iteration in `path`."""
    method, scopes = make_method(name, index), Scopes()
    loader, device = TinyLoader(method.step), torch.device("cpu")
    method.training = Training(epochs=2, lr=0.01)
    autosave = Autosave(path, method, {"step": index, "identity": {}}, minutes=0.0, scopes=scopes)
    autosave.open()
    if index > 0:
        method.start_increment(loader)
    left = [stop_after]

    def after_iteration(progress) -> None:
        autosave(progress)
        left[0] -= 1
        if left[0] == 0:
            raise Stopped

    if not method.fit_step(loader):
        method.model = method.net
        progress = start(method, method.training, batches=len(loader), device=device)
        autosave.restore(progress)
        fit(method, loader, method.training, device=device, log=SilentLog(), progress=progress,
            after_iteration=after_iteration)  # fmt: skip
    elif stop_after:
        raise Stopped
    method.end_increment(loader)
    autosave.discard()
    return method.net.state_dict(), method.state_dict()


@pytest.mark.slow
@methods
@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupted_step_ends_with_the_same_bits_and_state(name, index, tmp_path):
    whole = run_step(name, index, tmp_path / "whole.pt")
    with pytest.raises(Stopped):
        run_step(name, index, tmp_path / "step.pt", stop_after=3)
    resumed = run_step(name, index, tmp_path / "step.pt")
    for one, other in zip(whole, resumed, strict=True):
        assert checkpoint.checksum(one) == checkpoint.checksum(other)


def rows_as_in(name: str) -> str:
    """The method whose step 0 `name` says to train, if their networks have the same rows; else itself."""
    step, other = make_method(name, 0).step, step0_as(METHODS[name])
    return other if METHODS[other](step).heads(step) == METHODS[name](step).heads(step) else name


@pytest.mark.parametrize("name", [name for name in METHODS if rows_as_in(name) != name])
def test_a_step_0_that_is_said_to_be_anothers_has_its_bits_and_the_state_that_adoption_gives(name, tmp_path):
    own = run_step(name, 0, tmp_path / "own.pt")
    head = heads_of(name)[0]  # which both have: it is part of what step 0 is known by
    other = run_step(f"{step0_as(METHODS[name])}/{head}", 0, tmp_path / "other.pt")
    assert checkpoint.checksum(own[0]) == checkpoint.checksum(other[0])
    adopting = make_method(name, 0)
    adopting.load_state_dict(other[1])
    same_state = checkpoint.checksum(adopting.state_dict()) == checkpoint.checksum(own[1])
    assert same_state or METHODS[name].gathers_at_step0


class ClassMeans(Method):
    """Gathers state after every step and changes no weight."""

    def end_increment(self, loader) -> None:
        """Look at the data once more."""


class Adopting(ClassMeans):
    """Says that its step 0 is that of fine-tuning."""

    step0_as = "FT"


class ChangedAgain(Adopting):
    """Changes what the class that it derives from has said."""

    def losses(self, images, labels):
        return {"ce": 2 * super().losses(images, labels)["ce"]}


def test_whoever_overrides_what_acts_at_step_0_trains_its_own_unless_it_says_otherwise():
    found = [step0_as(kind) for kind in (Method, ClassMeans, Adopting, ChangedAgain)]
    assert found == ["FT", "ClassMeans", "FT", "ChangedAgain"]


def test_why_step_0_is_shared_or_not_is_said_with_the_hook_that_decides():
    words = "shared with methods that train it alike: it overrides no hook that acts there"
    assert why_step0(Method) == words
    assert why_step0(ClassMeans).endswith("as ClassMeans does: ClassMeans overrides end_increment")
    assert why_step0(Adopting).endswith("alike: Adopting.step0_as says that it is FT's")
    assert why_step0(ChangedAgain).endswith("ChangedAgain overrides losses")
    assert "gathers state" in why_step0(METHODS["EWC"])


@pytest.mark.parametrize("name", METHODS)
def test_hyper_parameters_have_help_and_plain_defaults(name):
    # As the command line reads them from the source, without importing it.
    place = f"{METHODS[name].__module__}:{METHODS[name].__name__}"
    assert hyper_parameters(outline(place)) == hyper_parameters(METHODS[name])
    for hyper, (kind, default, text) in hyper_parameters(METHODS[name]).items():
        assert len(text) > 10, hyper
        assert isinstance(default, kind), hyper


@methods
def test_prediction_is_a_model_index_per_pixel(name):
    method = begun(name, 1)
    method.net.eval()
    with torch.no_grad():
        out = method.net(make_images())
    predicted = method.predict(out.logits)
    assert predicted.shape == (2, *out.size)
    assert 0 <= int(predicted.min()) and int(predicted.max()) < sum(method.heads(method.step))


def test_trainer_runner_model_and_data_name_no_method():
    """By reading the sources: a method is known to its own file and to the registry."""
    root = Path(__file__).resolve().parent.parent
    # Case matters: "plop" and "mib" in lower case are the names of two evaluation protocols.
    words = {re.escape(name) for name in METHODS} | {kind.__name__ for kind in METHODS.values()} | {"DFT"}
    words -= {"FT", "Method"}
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(words))})(?![\w-])")
    files = [root / "train.py", root / "run.py", root / "increments.py", root / "segmentation_module.py"]
    for folder in ("models", "dataset", "metrics"):
        files += sorted((root / folder).glob("*.py"))
    for file in files:
        code = re.sub(r'"""[\s\S]*?"""|#.*', "", file.read_text(encoding="utf-8"))
        assert not pattern.search(code), f"{file.name} names a method: {pattern.search(code)}"


def test_nothing_that_trains_imports_the_analyses():
    root = Path(__file__).resolve().parent.parent
    folders = ["methods", "models", "modules", "dataset", "metrics", "utils"]
    files = [*root.glob("*.py"), *(file for folder in folders for file in (root / folder).glob("*.py"))]
    wrong = re.compile(r"^\s*(from|import) analysis\b", re.M)
    assert len(files) > 50 and not [file.name for file in files if wrong.search(file.read_text("utf-8"))]
