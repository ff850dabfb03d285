"""The head that answers with masks, and the methods that run on it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import argparser
from analysis import drift, probe, queries
from analysis.trained import load_step
from increments import feature_source
from methods import METHODS
from methods.declared import heads_of
from modules.mask_head import channels_of_maps
from modules.pixel_decoders import PIXEL_DECODERS
from modules.precisions import PRECISIONS
from segmentation_module import Parts, make_model
from tests.builders import MASKS, PARTS, begun, make_images, make_labels, make_method
from utils.labels import IGNORE
from utils.masks.full_size import contest

MASK_PARTS = replace(PARTS, head_name="mask", head_options=MASKS)
ON_MASKS = [name for name in METHODS if heads_of(name) == ["mask"]]


def losses_at_step_1(name: str, precision: str) -> dict:
    """Of one batch, by networks of that precision."""
    method = begun(name, 1)
    for net in filter(None, (method.net, method.teacher)):
        net.precision = PRECISIONS[precision]
    torch.manual_seed(0)
    return method.losses(make_images(), make_labels(method.step, "mixed"))


# -- which methods run on it
def test_methods_that_train_by_the_heads_own_losses_run_on_masks_too_and_formulas_per_pixel_do_not(cli):
    both = {name for name in METHODS if {"deeplab", "mask"} <= set(heads_of(name))}
    assert both == {"FT", "DFT*", "REPLAY"} and "CoMFormer" in ON_MASKS
    for method, head in (("MiB", "mask"), ("CoMFormer", "deeplab")):
        said = f"run.py: error: {method} runs on --head {' or '.join(heads_of(method))}, not on {head}\n"
        assert cli("--method", method, "--head", head) == (2, "", said)


def test_it_brings_its_own_optimizer_unless_others_are_asked_for():
    config = argparser.parse(["--method", "CoMFormer", "--recipe", "none"])
    assert (config.head, config.optimizer, config.clip_grad) == ("mask", "adamw", 0.01)
    assert config.lr == [1e-4, 5e-5]
    assert argparser.parse(["--method", "CoMFormer", "--optimizer", "sgd"]).optimizer == "sgd"
    with pytest.raises(ValueError, match="--clip_grad must be a number, 0 or more, not -1"):
        argparser.parse(["--clip_grad", "-1"])


# -- the network
@pytest.mark.parametrize("backbone", ["tiny", "resnet18"])
def test_it_reads_the_maps_of_any_body_from_stride_4_on(backbone):
    stride = 8 if backbone == "tiny" else 32
    net = make_model(replace(MASK_PARTS, backbone=backbone, output_stride=stride), [3]).eval()
    widths = {"tiny": [48, 72]}.get(backbone, [64, 128, 256, 512])
    assert channels_of_maps(net.body) == widths
    with torch.no_grad():
        out = net(torch.randn(2, 3, 64, 64))
    assert out.masks.shape == (3, 2, 6, 16, 16) and out.features.shape[2:] == (16, 16)
    assert out.class_logits.shape == (3, 2, 6, 4) and out.logits.shape == (2, 3, 64, 64)


@pytest.mark.parametrize("name", PIXEL_DECODERS)
def test_every_pixel_decoder_answers_in_one_shape_and_trains_as_a_whole(name):
    parts = replace(MASK_PARTS, head_options=MASKS | {"pixel_decoder": name})
    net = make_model(parts, [3])
    out = net(make_images())
    assert out.masks.shape == (3, 2, 6, 8, 8) and out.features.shape == (2, 48, 8, 8)
    sum(net.head.losses(out, make_images()[:, 0].long().clamp(0, 2)).values()).backward()
    assert not [key for key, parameter in net.named_parameters() if parameter.grad is None]


def test_what_a_body_is_built_for_does_not_change_by_looking_at_its_maps():
    body = Parts("tiny", output_stride=8).body().train()
    before = {key: value.clone() for key, value in body.state_dict().items()}
    channels_of_maps(body)
    assert body.training and all(torch.equal(value, before[key]) for key, value in body.state_dict().items())


def test_columns_of_classes_stay_and_no_object_stays_last_when_classes_come():
    torch.manual_seed(0)
    small, large = make_model(MASK_PARTS, [3]).eval(), make_model(MASK_PARTS, [3, 2]).eval()
    large.load_previous(small.state_dict(), new=1)
    with torch.no_grad():
        before, after = small(make_images()), large(make_images())
    old, new = before.class_logits, after.class_logits
    assert torch.allclose(new[..., :3], old[..., :3]) and torch.allclose(new[..., -1], old[..., -1])
    assert torch.allclose(before.masks, after.masks)


def test_a_background_that_nobody_labelled_has_no_mask_and_is_never_the_answer():
    parts = replace(MASK_PARTS, head_options=MASKS | {"unlabelled_background": True})
    torch.manual_seed(0)
    net = make_model(parts, [3, 1]).eval()
    labels = torch.tensor([0, 0, 2, 3]).repeat(2, 32, 8)
    assert [one.classes.tolist() for one in net.head.targets(labels, 1, 3)] == [[1, 2]] * 2
    with torch.no_grad():
        out = net(make_images())
    assert out.class_logits.shape[-1] == 4 and out.logits.shape[1] == 4
    assert out.logits.argmax(1).min() > 0
    assert set(net.head.losses(out, labels)) == {"class", "mask", "dice"}


def test_groups_have_the_bodys_rate_no_decay_of_norms_and_embeddings_and_each_parameter_once():
    method = make_method("FT/mask", 0)
    groups = method.param_groups(1.0, 0.5)
    members = [parameter for group in groups for parameter in group["params"]]
    assert len(members) == len({id(p) for p in members}) == len(method.net.trainable())
    kinds = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    named = {name: kinds[id(parameter)] for name, parameter in method.net.named_parameters()}
    assert named["body.mod1.conv1.weight"] == (0.1, 0.5) and named["body.mod1.bn1.weight"] == (0.1, 0.0)
    assert named["head.decoder.query_feat.weight"] == named["head.decoder.decoder_norm.bias"] == (1.0, 0.0)
    assert named["cls.0.weight"] == named["head.decoder.mask_embed.layers.0.weight"] == (1.0, 0.5)


@pytest.mark.parametrize("name", ["FT/mask", "CoMFormer"])
def test_what_classifiers_read_of_a_cell_is_the_query_that_it_goes_to(name):
    method = begun(name, 1)
    net = method.net.eval()
    with torch.no_grad():
        out = net(make_images())
        classes, size = net.classify(out.read), out.masks.shape[-2:]  # (N, C, h, w)
    logits = out.class_logits[-1]
    scores = logits.softmax(-1)[..., :-1].amax(-1)
    winner = contest(scores, out.masks[-1], size, softmask=net.head.criterion.softmask).winner
    for image in range(2):
        wanted = logits[image, winner[image], :-1].movedim(-1, 0)
        torch.testing.assert_close(classes[image], wanted)


def test_the_queries_that_are_shown_of_eclipse_are_those_that_decide_by_their_sigmoids():
    net = begun("ECLIPSE", 1).net.eval()
    with torch.no_grad():
        net.head.decoder.query_feat.weight.mul_(20)  # so that queries differ in how sure they are
        out = net(make_images()[:1])
    shown = queries.strongest(out, out.masks.shape[2])
    result = out.logits.argmax(1)[0].numpy()
    assert len(shown) > 1 and all((result[mask] == label).all() for label, mask in shown)
    assert (sum(mask for label, mask in shown if label) == (result > 0)).all()


# -- the methods on it
@pytest.mark.parametrize("name", ["FT/mask", *ON_MASKS])
@pytest.mark.parametrize("kind", ["mixed", "all ignored"])
def test_every_parameter_that_trains_has_a_gradient_so_that_processes_do_not_wait(name, kind):
    method = begun(name, 1)
    sum(method.losses(make_images(), make_labels(method.step, kind)).values()).backward()
    assert [key for key, p in method.net.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", ["FT/mask", *ON_MASKS])
def test_losses_in_16_bits_are_near_those_in_float32(name):
    plain, *others = (losses_at_step_1(name, precision) for precision in ("fp32", "bf16", "fp16"))
    for key, value in plain.items():
        for rounded in others:
            assert rounded[key].dtype == torch.float32
            assert rounded[key].item() == pytest.approx(value.item(), rel=0.2)


def test_dft_on_masks_moves_nothing_but_the_rows_of_classes_to_come():
    method = begun("DFT*/mask", 1)
    sum(method.losses(make_images(), make_labels(method.step, "mixed")).values()).backward()
    moved = {key for key, p in method.net.named_parameters() if p.grad is not None}
    assert moved == {f"cls.{k}.{kind}" for k in (1, 2) for kind in ("weight", "bias")}


def test_features_are_kept_of_heads_that_make_one_map_alone():
    said = []
    config, log = SimpleNamespace(cache="features:2", method="DFT*"), SimpleNamespace(say=said.append)
    assert feature_source(config, begun("DFT*/mask", 1), None, log) is None
    assert said == ["--cache features has no effect on DFT* at step 1: its head makes more than one map"]


def test_comformers_teacher_adds_masks_of_old_classes_and_background_hides_none():
    method = begun("CoMFormer", 1)
    seen = []
    head, criterion = method.net.head, method.net.head.criterion

    class Spy(type(criterion)):
        def __call__(self, logits, maps, targets):
            seen.extend(targets)
            return super().__call__(logits, maps, targets)

    head.criterion = Spy(**vars(criterion))
    void = method.teacher.head.void
    method.teacher.head.decoder.mask_embed.layers[-1].weight.data.mul_(100)  # masks without doubt
    for bias in (50.0, -50.0):  # a teacher that sees nothing, and one whose queries all see something
        void.bias.data.fill_(bias)
        method.losses(make_images(), make_labels(method.step, "mixed"))
    nothing, something = seen[:2], seen[2:]
    assert [one.classes.tolist() for one in nothing] == [[3], [3]]
    assert all(one.classes[0] == 3 and len(one) > 1 and max(one.classes[1:]) < 3 for one in something)
    assert head.criterion.softmask and method.teacher.head.criterion.softmask


def test_eclipse_keeps_masks_and_classes_of_earlier_steps_bit_for_bit():
    method = begun("ECLIPSE", 1)
    images, labels = make_images(), make_labels(method.step, "mixed")
    answers = []
    for _ in range(2):
        method.net.eval()
        with torch.no_grad():
            answers.append(method.net(images))
        method.net.train()
        sum(method.losses(images, labels).values()).backward()
        with torch.no_grad():
            for parameter in method.net.trainable():
                parameter -= 0.1 * parameter.grad
    first, second = answers
    queries = MASKS["queries"]
    assert torch.equal(first.masks[:, :, :queries], second.masks[:, :, :queries])
    old = first.class_logits[:, :, :queries, :-1], second.class_logits[:, :, :queries, :-1]
    assert torch.equal(*old)
    assert not torch.equal(first.masks[:, :, queries:], second.masks[:, :, queries:])


def test_eclipse_trains_a_small_share_and_starts_its_prompts_as_the_mean_query():
    method = begun("ECLIPSE", 1)
    share = sum(p.numel() for p in method.net.trainable()) / sum(p.numel() for p in method.net.parameters())
    assert share < 0.05
    decoder, newest = method.net.head.decoder, method.net.head.prompts[-1]
    assert torch.equal(newest.feat.weight[0], decoder.query_feat.weight.mean(0))
    assert len(newest.feat.weight) == method.step.num_new
    out = method.net(make_images())
    assert out.class_logits.shape[:3] == (2, 2, method.step.num_new)
    assert len(begun("ECLIPSE", 1, prompts=3).net.head.prompts[-1].feat.weight) == 3


def test_balconpas_leaves_open_what_images_of_a_memory_do_not_show():
    method = begun("BalConpas", 2)
    labels = make_labels(method.step, "mixed")
    labels[0][labels[0] == 0] = 1  # shows an old class, as an image of a memory does
    losses = method.losses(make_images(), labels)
    assert all(torch.isfinite(losses[key]) for key in ("class", "mask", "dice", "kd"))
    labels[:] = torch.where(labels == IGNORE, 1, labels)
    assert torch.isfinite(method.losses(make_images(), labels)["class"])


@pytest.mark.slow
# -- a whole run, and what looks at it
def test_a_run_on_masks_stands_beside_others_and_is_looked_at_by_the_programs(cli, tmp_path, runs, capsys):
    assert cli("--head", "mask", "--step", "0")[0] == 0
    run = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny_mask"
    words = ["--out", str(tmp_path / "out"), "--num_images", "2"]
    assert queries.cli([str(run), *words]) == 0 and (tmp_path / "out/queries.png").is_file()
    assert queries.cli([str(runs["FT"]), *words]) == 2
    assert "FT has no queries: it answers per pixel; leave it out" in capsys.readouterr().err
    for program in (drift, probe):
        assert program.cli([str(run), "--out", str(tmp_path / "out")]) == 0
    trained = load_step(run / "step_0.pt")
    assert trained.method.net.head.decoder.query_feat.num_embeddings == 6
