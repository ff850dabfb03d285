"""A trained step for other programs, as ONNX or by torch.export; compared with the original, then written.

    python -m analysis.export step_2.pt --onnx net.onnx
    python -m analysis.export step_2.pt --torch net.pt2      # torch.export.load("net.pt2").module()(images)

The file takes any number of normalised images of any size, and gives logits and the method's decision; its
metadata hold class names and normalisation. Norms are folded into the convolutions; fp32. Networks that
cannot be one for all sizes (timm's transformers) are refused with the reason; --size 512 512 exports them for
that size, if need be for one image at a time. In a graph, the masks of all queries are formed at full size.

ONNX needs: python -m pip install onnx onnxscript onnxruntime
"""

import argparse
import copy
import io
import json
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from analysis.commands import Parser, at_least, main, text_table
from analysis.deployed import (
    INPUT,
    OUTPUTS,
    Deployed,
    exported,
    for_export,
    metadata,
    on_cpu,
    takes_one_image,
)
from analysis.runs import last_step
from analysis.trained import load_step
from utils.files import write_bytes

OPSET = 18
INSTALL = "python -m pip install onnx onnxscript onnxruntime"
TOLERANCE = 1e-3  # of the largest logit
OTHER = 1e-3  # share of pixels whose two best logits are so near that rounding decides

Run = Callable[[Tensor], tuple[Tensor, Tensor]]


def work(options: Namespace) -> None:
    """Export to each of the files that are asked for."""
    if not (options.onnx or options.torch):
        raise ValueError("name a file to write: --onnx net.onnx or --torch net.pt2")
    trained = load_step(last_step(Path(options.checkpoint)), dataset=options.dataset,
                        data_root=options.data_root, data=False)  # fmt: skip
    original, side = on_cpu(trained), trained.data.crop_size
    size = tuple(options.size) or (side, side)
    program = exported(for_export(original), size, fixed=bool(options.size))
    about = metadata(trained, options.size)
    counts = (1, 1, 1) if takes_one_image(program) else (1, 2, 3)
    batches = [(count, *size) for count in counts] if options.size else sizes(side)
    for path, write in ((options.onnx, write_onnx), (options.torch, write_torch)):
        if path:
            written, run, what = write(program, about, options)
            limits = ", one image at a time" if takes_one_image(program) else ""
            print(f"{path}: {trained.path}, {what}{limits}, {len(written) / 1e6:.1f} MB")
            print(check(original, run, batches))
            write_bytes(path, written)


def sizes(side: int) -> list[tuple[int, int, int]]:
    """Three batches (N, H, W), one of them of odd sides."""
    return [(1, side, side), (2, 3 * side // 4, 5 * side // 4), (1, side + 33, side + 7)]


def write_torch(program: ExportedProgram, about: dict, _: Namespace) -> tuple[bytes, Run, str]:
    """The bytes of a .pt2 file, what reads them again and runs them, and what it is."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"metadata.json": json.dumps(about)})
    again = torch.export.load(io.BytesIO(file.getvalue())).module()
    return file.getvalue(), again, f"torch.export of torch {torch.__version__}"


def write_onnx(program: ExportedProgram, about: dict, options: Namespace) -> tuple[bytes, Run, str]:
    """The bytes of an .onnx file, what runs them by onnxruntime, and what it is.

    Raises:
        ValueError: if a package is missing.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch writes by it)
    except ImportError as error:
        raise ValueError(f"--onnx needs the package {error.name}: {INSTALL}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own insides
        made = torch.onnx.export(copy.deepcopy(program), (), dynamo=True, opset_version=options.opset,
                                 input_names=[INPUT], output_names=[*OUTPUTS], verbose=False)  # fmt: skip
    model = made.model_proto
    name_axes(model.graph)
    onnx.helper.set_model_props(model, about)
    data = model.SerializeToString()
    onnx.checker.check_model(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        logits, classes = session.run(list(OUTPUTS), {INPUT: images.numpy()})
        return torch.from_numpy(logits), torch.from_numpy(classes)

    return data, run, f"ONNX opset {opset}"


def name_axes(graph) -> None:
    """Call the axes of input and outputs by what they are; torch numbers them."""
    words = {}
    for value, names in ((graph.input[0], ("N", "", "H", "W")), (graph.output[0], ("N", "", "H", "W"))):
        for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            if name and axis.dim_param:
                words.setdefault(axis.dim_param, name)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in words:
                axis.dim_param = words[axis.dim_param]


@torch.no_grad()
def check(original: Deployed, run: Run, batches: Sequence[tuple[int, int, int]]) -> str:
    """A table of how far `run` is from `original` on random images of each size.

    Raises:
        ValueError: if it is further than rounding explains.
    """
    rows, generator = [], torch.Generator().manual_seed(0)
    for count, height, width in batches:
        images = torch.randn(count, 3, height, width, generator=generator)
        wanted, decided = original(images)
        try:
            logits, classes = run(images)
        except Exception as error:  # of torch or onnxruntime, whose first line says what does not fit
            reason = f"{error}".strip().splitlines()[:1] or [type(error).__name__]
            raise ValueError(
                f"the exported network does not take {count} images of {height} x {width} pixels "
                f"({reason[0]}); for one size alone: --size H W. Nothing was written"
            ) from None
        apart = float((logits - wanted).abs().max())
        other = int((classes != decided).sum())
        name, largest = f"{count} x {height} x {width}", float(wanted.abs().max())
        rows.append([name, f"{apart:.1e}", f"{largest:.3g}", f"{other:,} of {decided.numel():,}"])
        if not apart <= TOLERANCE * largest or other > OTHER * decided.numel():
            raise ValueError(
                f"the exported network is not the same for {name} pixels: logits differ by {apart:.1e}, "
                f"{other:,} of {decided.numel():,} pixels get another class; nothing was written"
            )
    heads = ["images", "largest difference of logits", "largest logit", "pixels of another class"]
    return text_table(heads, rows)


def parser() -> Parser:
    """The command line."""
    made = Parser("export", __doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("checkpoint", help="a step's checkpoint, or the folder of a run (its last step)")
    made.add_argument("--onnx", default="", help="file to write for ONNX")
    made.add_argument("--torch", default="", help="file to write for torch.export, *.pt2")
    made.add_argument("--opset", type=at_least(18), default=OPSET, help=f"of ONNX's operators ({OPSET})")
    made.add_argument("--size", nargs=2, type=at_least(1), default=[], metavar=("H", "W"),
                      help="take images of this size alone")  # fmt: skip
    for name, what in {"dataset": "description", "data_root": "folder"}.items():
        made.add_argument(f"--{name}", default="", help=f"{what} of the data, for checkpoints without a card")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
