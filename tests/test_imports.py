"""Which package may import which, and how large a package may grow."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the highest layer to the lowest: a package imports from itself and from those below it.
LAYERS = """
scripts average_csv analysis pretrained data run increments argparser config methods experiment train
segmentation_module models modules dataset metrics tasks task_tables utils
""".split()


def sources() -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    files = [*ROOT.glob("*.py"), *(file for package in LAYERS for file in (ROOT / package).rglob("*.py"))]
    names = {file: file.relative_to(ROOT).with_suffix("").parts for file in files}
    return {".".join(parts).removesuffix(".__init__"): file for file, parts in names.items()}


def imports(modules: dict[str, Path]) -> dict[str, set[str]]:
    """The modules of the program that each one imports, wherever the import stands."""
    found: dict[str, set[str]] = {name: set() for name in modules}
    for name, file in modules.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: relative import"
                both = [f"{node.module}.{alias.name}" for alias in node.names]
                wanted = [whole if whole in modules else node.module for whole in both]
            else:
                continue
            found[name] |= {module for module in wanted if module in modules} - {name}
    return found


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Imports between modules."""
    return imports(sources())


def package(module: str) -> str:
    """The top-level folder or file of a module."""
    return module.split(".")[0]


def test_every_module_belongs_to_a_layer(graph):
    assert {package(module) for module in graph} == set(LAYERS)


def test_no_package_imports_from_a_layer_above(graph):
    upwards = [
        f"{module} -> {other}"
        for module, others in graph.items()
        for other in others
        if LAYERS.index(package(other)) < LAYERS.index(package(module))
    ]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle(graph):
    # A package's modules may be used by its __init__, which collects them; nothing else may close a circle.
    order = [*TopologicalSorter(graph).static_order()]  # raises CycleError, which names the circle
    assert len(order) == len(graph)


def test_no_package_holds_more_than_a_fifth_of_the_program():
    lines = Counter()
    for module, file in sources().items():
        lines[package(module)] += len(file.read_text(encoding="utf-8").splitlines())
    largest, count = lines.most_common(1)[0]
    assert count <= 0.2 * lines.total(), f"{largest}: {count} of {lines.total()} lines"


def test_an_upward_import_and_a_circle_are_found(tmp_path):
    (tmp_path / "tasks.py").write_text("def late():\n    from dataset import images\n")
    (tmp_path / "dataset.py").write_text("import tasks\n")
    found = imports({name: tmp_path / f"{name}.py" for name in ("tasks", "dataset")})
    assert found == {"tasks": {"dataset"}, "dataset": {"tasks"}}
