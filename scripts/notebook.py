"""Writes the notebook of a first run, analysis/examples/first_run.ipynb, and runs it for its outputs.

    python -m scripts.notebook             # needs: python -m pip install nbclient ipykernel; some minutes

The cells are here, so that they can be read and compared as text; a test runs them on smaller images.
"""

import sys
from pathlib import Path

from utils.commands import answer
from utils.files import write_text

FILE = Path(__file__).resolve().parent.parent / "analysis" / "examples" / "first_run.ipynb"
PARAMETERS = "parameters"  # tag of the cell whose values a test makes smaller
INSTALL = "python -m pip install nbclient ipykernel"

# Texts and code in turn, beginning with a text.
CELLS = (
    """# A first run: see forgetting, and a way against it

Classes arrive in steps. Each step sees labels of its own classes only, and everything else is labelled
background. What happens to the classes of earlier steps? Start this notebook in a clone of the project, with
`requirements.txt` installed; it takes some minutes on two cores, and nothing is downloaded.""",
    """\
import os, sys
from pathlib import Path

root = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "run.py").is_file())
os.chdir(root)
sys.path.insert(0, str(root))

import matplotlib.pyplot as plt
plt.rcParams["figure.dpi"] = 60
from IPython.display import Image

from dataset.shapes import Shapes
from run import run_experiment""",
    """The values of all runs. Empty means: as the recipe of the embedded task has them, which is 8 epochs per
step and crops of 64 pixels.""",
    """\
values = {}
out = Path("outputs/notebook")""",
    """## The task
Six generated classes: four in step 0, then one in step 1, and one in step 2.""",
    """\
shapes = Shapes()
print(", ".join(shapes.class_names))
figure, axes = plt.subplots(2, 4, figsize=(6, 3))
for axis, sample in zip(axes.T, shapes.samples("val")[:4]):
    image, labels = shapes.read(sample)
    axis[0].imshow(image.permute(1, 2, 0))
    axis[1].imshow(shapes.palette[labels.numpy()])
for axis in axes.flat:
    axis.axis("off")
figure.tight_layout()""",
    """## A backbone that has seen other shapes
As ImageNet is to photos. It is trained once, on generated classes that the task does not have.""",
    """\
%%capture
from scripts.pretrain_shapes import FILE, main as pretrain

if not FILE.is_file():
    pretrain([])
folders = {"checkpoint": out / "checkpoints", "results_dir": out / "results", "logdir": out / "logs"}
common = {"dataset": "shapes", "task": "4-1", "pretrained_path": FILE, **folders, **values}""",
    """## Fine-tuning forgets
`run_experiment` does what `python run.py` does, and returns a result per step. All its arguments are flags.
Repeated, it trains nothing again.""",
    """\
%%capture log
finetuning = run_experiment(method="FT", **common)""",
    None,
    """\
def show(results):
    for step in results:
        shares = {"old": step.miou_old, "new": step.miou_new, "all": step.miou, "forgetting": step.forgetting}
        cells = {name: "-" if value is None else f"{100 * value:.1f}" for name, value in shares.items()}
        words = [f"{name} {cell:>5}" for name, cell in cells.items()]
        print(f"step {step.step}:", "   ".join(words))

show(finetuning)""",
    """Old are the classes of step 0, background among them: after two steps little but background is left of
them. The text of the run is in `log`; here is its table.""",
    """\
lines = log.stdout.splitlines()
start = next(number for number, line in enumerate(lines) if line.startswith("FT, "))
print("\\n".join(lines[start : start + 5]))""",
    """## MiB keeps them
It takes labels for what they are: a pixel of "background" may be an old class (in the labels of this step)
or a new one (in the eyes of the network before). Step 0 is that of fine-tuning, and is taken over.""",
    """\
%%capture
mib = run_experiment(method="MiB", **common)""",
    None,
    """\
show(mib)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for axis, results in zip(axes, (finetuning, mib)):
    for name in results[-1].iou:
        known = {step.step: 100 * step.iou[name] for step in results if step.iou.get(name) is not None}
        axis.plot([*known], [*known.values()], marker="o", label=name)
    axis.set_title(results[0].method)
    axis.set_xticks(range(len(results)))
    axis.set_xlabel("step")
axes[0].set_ylabel("IoU, %")
axes[1].legend(fontsize=7)
figure.tight_layout()""",
    """## Pictures
The same two images after each step: fine-tuning and MiB.""",
    """\
%%capture
from analysis import visualize

runs = [str(results[0].checkpoint.parent) for results in (finetuning, mib)]
visualize.cli([*runs, "--num_images", "2", "--side", "64", "--out", str(out / "pictures")])""",
    None,
    """\
Image(out / "pictures" / "predictions.png", width=700)""",
    """## What next
- `run_experiment(method="DFT*", **common)`, or any other method: `python run.py --help` names them.
- Your own images: `python -m data.check DIR --out my.yaml`; `run_experiment(dataset="my.yaml", task="6-1")`.
- Published settings: `python run.py --recipe voc/plop_15-1-overlap --data_root DIR`.
- All numbers and curves on one page: `python -m analysis.report outputs/notebook/results`.""",
)


def notebook():
    """The notebook without outputs, as nbformat has it.

    Raises:
        ValueError: if nbformat is not installed.
    """
    try:
        import nbformat.v4 as made
    except ImportError:
        raise ValueError(f"notebooks need two packages: {INSTALL}") from None
    cells = []
    for number, text in enumerate(CELLS):
        if text is not None:
            new = made.new_code_cell if number % 2 else made.new_markdown_cell
            cells.append(new(text, id=f"cell-{number:02d}"))
    for cell in cells:
        if cell.source.startswith("values = {}"):
            cell.metadata["tags"] = [PARAMETERS]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return made.new_notebook(cells=cells, metadata=about)


def execute(made, folder: Path, *, timeout: int = 7200):
    """Run all cells of a notebook in `folder`; the notebook, with its outputs and without times.

    Raises:
        ValueError: if the packages are missing, or with the first cell that fails.
    """
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError:
        raise ValueError(f"notebooks need two packages: {INSTALL}") from None
    try:
        NotebookClient(made, timeout=timeout, resources={"metadata": {"path": str(folder)}}).execute()
    except CellExecutionError as error:
        raise ValueError(f"a cell of the notebook failed: {error}") from error
    for cell in made.cells:
        cell.metadata.pop("execution", None)
    return made


def main() -> int:
    """Write the notebook with its outputs; returns the exit status."""

    def work() -> None:
        import nbformat

        made = execute(notebook(), FILE.parent)
        made.metadata.pop("language_info", None)
        write_text(FILE, nbformat.writes(made) + "\n")
        print(f"{FILE}: {FILE.stat().st_size / 1e3:.0f} kB")

    return answer("notebook", work)


if __name__ == "__main__":
    sys.exit(main())
