"""Trained steps as ONNX and torch.export files: one function for every size, with what users must know."""

import json
import sys

import pytest
import torch

from analysis import export
from analysis.deployed import Deployed, exported, for_export, prepare_torch, takes_one_image
from dataset.shapes import Shapes
from methods import METHODS
from modules.any_size import window_means
from modules.deeplab import DeepLabV3Head
from segmentation_module import Parts
from tasks import make_step
from tests.builders import begun
from utils.compile import allow_tf32


@pytest.mark.parametrize(("length", "window"), [(9, 4), (9, 5), (4, 4), (3, 8), (33, 32)])
def test_the_pooling_that_asks_no_size_is_the_pooling_of_the_head(length, window):
    torch.manual_seed(0)
    head = DeepLabV3Head(6, 4, output_stride=16, pooling=window).eval()
    images = torch.randn(2, 6, length, length + 2)
    wanted = head.image(images).expand(2, 4, length, length + 2)
    rows, columns = (window_means(side, window, images) for side in images.shape[-2:])
    pooled = rows @ images @ columns.T
    found = head.pool_red_conv(head.global_pooling_bn(head.global_pooling_conv(pooled)))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_step_is_exported_by_torch_and_compared_on_three_sizes(runs, here, capsys):
    assert export.cli([str(runs["FT"]), "--torch", "net.pt2"]) == 0
    out = capsys.readouterr().out
    assert "1 x 32 x 32" in out and "2 x 24 x 40" in out and "1 x 65 x 39" in out
    about = {"metadata.json": ""}
    program = torch.export.load("net.pt2", extra_files=about)
    about = json.loads(about["metadata.json"])
    assert json.loads(about["class_names"])[0] == "background" and about["step"] == "2"
    logits, classes = program.module()(torch.zeros(3, 3, 50, 70))
    assert logits.shape == (3, 7, 50, 70) and classes.shape == (3, 50, 70)


@pytest.mark.slow
def test_a_step_is_exported_to_onnx_and_run_by_onnxruntime(runs, here, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert export.cli([str(runs["DFT*"] / "step_1.pt"), "--onnx", "net.onnx"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "ONNX opset 18" in out and "0 of 1,024" in out
    session = onnxruntime.InferenceSession("net.onnx")
    assert session.get_inputs()[0].shape == ["N", 3, "H", "W"]
    assert [one.name for one in session.get_outputs()] == ["logits", "classes"]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["mean"])[0] == pytest.approx(0.485) and about["method"] == "DFT*"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FT/mask", "CoMFormer", "ECLIPSE"])  # one of each rule of decision
def test_networks_that_answer_with_masks_are_exported_for_all_sizes(name):
    method = begun(name, 1)
    deployed = Deployed(method.net.eval().requires_grad_(False), method.predict)
    program = exported(for_export(deployed), (32, 32), fixed=False).module()
    for shape in ((1, 3, 32, 32), (3, 3, 40, 72)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        (logits, classes), (wanted, labels) = program(images), deployed(images)
        torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)
        assert torch.equal(classes, labels)


@pytest.mark.parametrize("name", ["SSUL", "DKD", "BARM", "RCIL", "SegACIL", "SDR"])
def test_what_is_exported_is_the_network_and_the_decision_of_the_method(name):
    torch.manual_seed(0)
    step = make_step(Shapes(), "4-1", 1)
    method = METHODS[name](step)
    net = method.build_model(step, Parts("tiny", output_stride=8)).eval().requires_grad_(False)
    images, deployed = torch.randn(2, 3, 64, 56), Deployed(net, method.predict)
    (logits, classes), (wanted, _) = for_export(deployed)(images), deployed(images)
    torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(classes, method.predict(logits)) and classes.dtype == torch.int64


def test_what_is_not_the_same_is_not_written(runs, here, capsys, monkeypatch):
    monkeypatch.setattr(export, "exported", lambda net, *_, **__: Deployed(net.net, lambda x: x.argmin(1)))
    monkeypatch.setattr(export, "takes_one_image", lambda program: False)
    monkeypatch.setattr(export, "write_torch", lambda program, *_: (b"", program, ""))
    assert export.cli([str(runs["FT"]), "--torch", "net.pt2", "--size", "32", "32"]) == 2
    assert "not the same for 1 x 32 x 32" in capsys.readouterr().err and not (here / "net.pt2").exists()


def test_sizes_that_the_graph_does_not_take_are_refused_with_what_helps():
    def picky(images):
        raise AssertionError("Guard failed: 16\nand a long story")

    with pytest.raises(ValueError, match=r"Guard failed: 16\).*--size H W"):
        export.check(lambda images: (images, images), picky, [(1, 8, 8)])


def test_a_network_for_one_size_alone_is_refused_with_the_reason_and_what_helps():
    class Fixed(torch.nn.Module):
        def forward(self, images):
            assert images.shape[-1] == 32, "sides are 32 here"
            return images, images

    with pytest.raises(ValueError, match="for any size.*--size 32 32"):
        exported(Fixed(), (32, 32), fixed=False)


def test_a_network_that_fixes_the_number_of_images_is_exported_for_one():
    class Single(torch.nn.Module):
        def forward(self, images):
            assert len(images) < 2, "one by one"
            return images, images.amax(1)

    program = exported(Single(), (8, 8), fixed=True)
    assert takes_one_image(program) and program.module()(torch.zeros(1, 3, 8, 8))[0].shape == (1, 3, 8, 8)


def test_a_run_in_the_same_process_does_not_keep_export_from_working():
    allow_tf32(False)
    prepare_torch()
    assert torch.backends.cudnn.allow_tf32 is False  # PyTorch 2.14 raises here after a run, which export asks


def test_without_a_file_or_without_the_packages_one_line_says_what_helps(runs, here, capsys, monkeypatch):
    assert export.cli([str(runs["FT"])]) == 2
    assert "--onnx net.onnx" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(export, "exported", lambda *_, **__: None)
    monkeypatch.setattr(export, "takes_one_image", lambda program: False)
    assert export.cli([str(runs["FT"]), "--onnx", "net.onnx"]) == 2
    cure = "--onnx needs the package onnx: python -m pip install onnx onnxscript onnxruntime"
    assert cure in capsys.readouterr().err
