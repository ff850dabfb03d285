"""Recipes: the values that belong to a setting, from `scripts/recipes.yaml`.

The file has entries of two kinds. A layer (it has `when`) applies wherever its conditions hold; later layers
win over earlier ones. A row (it has `method`) is one published row: it applies to its own method, dataset,
task, setting and backbone, and wins over layers. Where several rows fit, the first in the file applies; the
others by `--recipe NAME`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from config.published import published_for
from modules.heads import PUBLISHED as PUBLISHED_HEAD
from task_tables import lookup
from utils.naming import closest

FILE = Path(__file__).resolve().parent.parent / "scripts" / "recipes.yaml"
TEMPLATES = "templates"  # entry that only holds YAML anchors
LAYER_FIELDS = {"when", "source", "set"}
IDENTITY = ("method", "dataset", "task", "setting", "backbone")
ROW_FIELDS = {*IDENTITY, "system", "source", "gpus", "set", "step0"}


@dataclass(frozen=True)
class Row:
    """One published row.

    Args:
        name: of the entry, and of the script that runs it: scripts/<name>.sh.
        system: repository whose values these are. source: the script or table they come from.
        method, dataset, task, setting, backbone: what the row is about.
        values: flags of run.py and hyper-parameters of the method.
        gpus: number that the system used, 0 if it does not say.
        published: what `config.published.published_for` knows of the row, and step0 as [mIoU, tolerance].
    """

    name: str
    system: str
    source: str
    method: str
    dataset: str
    task: str
    setting: str
    backbone: str
    values: Mapping[str, object]
    gpus: int = 0
    published: Mapping[str, object] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, str]:
        """Flags that say which row this is."""
        return {name: getattr(self, name) for name in IDENTITY}

    def fits(self, setting: Mapping[str, object]) -> bool:
        """Whether the row is about `setting`, which may leave backbone and head open."""
        wanted = {name: str(setting.get(name, "")).lower() for name in IDENTITY}
        wanted["backbone"] = wanted["backbone"] or self.backbone.lower()
        head = str(self.values.get("head", PUBLISHED_HEAD)).lower()
        if str(setting.get("head", head)).lower() != head:
            return False
        own = self.identity | {"task": lookup(self.dataset, self.task)[0]}
        return wanted == {name: value.lower() for name, value in own.items()}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml's takes a fifth of the time
    """Refuses a mapping that gives a key twice, of which YAML would keep the last."""

    def get_single_node(self):
        node = super().get_single_node()
        refuse_repeated_keys(node)
        return node


def refuse_repeated_keys(root: yaml.Node | None) -> None:
    """ValueError if a mapping in `root` gives a key twice."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # aliases may lead back
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        waiting += [value for _, value in node.value]
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"{key} is given twice in line {node.start_mark.line + 1}")


@cache
def read_recipes(path: Path = FILE) -> dict[str, Row | dict]:
    """All layers (as they stand there) and rows by name, in file order.

    Raises:
        ValueError: if the file is no mapping of recipes, or a recipe lacks a field or has an unknown one.
    """
    try:
        recipes = yaml.load(path.read_text(encoding="utf-8"), Loader) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if isinstance(recipes, dict):
        recipes.pop(TEMPLATES, None)
    if not isinstance(recipes, dict) or not all(isinstance(recipe, dict) for recipe in recipes.values()):
        raise ValueError(f"{path} must map names to recipes")
    return {str(name): entry(str(name), recipe) for name, recipe in recipes.items()}


def entry(name: str, recipe: dict) -> Row | dict:
    """A layer or a row, its fields checked."""
    fields = LAYER_FIELDS if "when" in recipe else ROW_FIELDS
    for unknown in recipe.keys() - fields:
        closest(str(unknown), fields, f"field of recipe {name}")
    if "when" in recipe:
        return recipe
    if missing := ROW_FIELDS - {"step0", "gpus"} - recipe.keys():
        raise ValueError(f"recipe {name} lacks {', '.join(sorted(missing))} (or `when`, if it is a layer)")
    published = dict(published_for(name)) | ({"step0": recipe["step0"]} if "step0" in recipe else {})
    words = {key: str(recipe[key]) for key in (*IDENTITY, "system", "source")}
    return Row(name, values=recipe["set"], gpus=recipe.get("gpus", 0), published=published, **words)


def is_file(recipe: str) -> bool:
    """Whether `--recipe` names a file of one's own."""
    return recipe.lower().endswith((".yaml", ".yml"))


def read_values(path: str) -> dict[str, object]:
    """Values by flag from a file of one's own, as `--explain --yaml` writes it.

    Raises:
        FileNotFoundError: if there is none. ValueError: if it is no mapping, or gives a flag twice.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path} of values (--explain --yaml writes one)")
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError(f"{path} must have lines `flag: value`, such as `lr: [0.01, 0.001]`")
    return values


def rows(path: Path = FILE) -> list[Row]:
    """All published rows, in file order."""
    return [recipe for recipe in read_recipes(path).values() if isinstance(recipe, Row)]


def named(name: str, path: Path = FILE) -> Row | None:
    """The row that `--recipe NAME` asks for; None for "auto", "none", files and layers.

    Raises:
        ValueError: for an unknown name, naming the nearest.
    """
    if name.lower() in ("auto", "none") or is_file(name):
        return None
    recipe = read_recipes(path)[full_name(name, path)]
    return recipe if isinstance(recipe, Row) else None


def full_name(name: str, path: Path = FILE) -> str:
    """The row or layer that `name` means; only rows are proposed, for layers apply by themselves.

    Raises:
        ValueError: for an unknown name, naming the nearest rows.
    """
    layers = {known.lower(): known for known, one in read_recipes(path).items() if isinstance(one, dict)}
    return layers.get(name.lower()) or closest(name, [row.name for row in rows(path)], "recipe")


def row_of(setting: Mapping[str, object], path: Path = FILE) -> Row | None:
    """The row that `setting` names, or else the first that is about it."""
    return named(str(setting["recipe"]), path) or next((row for row in rows(path) if row.fits(setting)), None)


def find_recipes(
    setting: Mapping[str, object], path: Path = FILE, *, layers_only: bool = False
) -> list[tuple[str, dict]]:
    """Name and values of each recipe that applies, from the most general to the most specific.

    Args:
        setting: method, dataset, task, setting, head, backbone of the run (it may lack the backbone, and then
            the row's is used), and `recipe`: "auto", "none", a file (whose values are read elsewhere), or the
            one name to use whatever the setting is.
        path: the YAML file.
        layers_only: take no row, unless `recipe` names one.

    Raises:
        ValueError: for an unknown recipe name, naming the nearest.
    """
    wanted, recipes = str(setting["recipe"]), read_recipes(path)
    if wanted.lower() == "none" or is_file(wanted):
        return []
    if wanted.lower() != "auto" and not named(wanted, path):
        name = full_name(wanted, path)
        return [(name, recipes[name].get("set", {}))]
    layers = {name: recipe for name, recipe in recipes.items() if isinstance(recipe, dict)}
    found = [(name, layer.get("set", {})) for name, layer in layers.items() if holds(layer["when"], setting)]
    row = named(wanted, path) if layers_only else row_of(setting, path)
    return [*found, (row.name, row.identity | row.values)] if row else found


def holds(conditions: Mapping[str, object], setting: Mapping[str, object]) -> bool:
    """Whether every condition (one value, or a list of allowed ones) holds in `setting`."""
    for key, allowed in conditions.items():
        allowed = allowed if isinstance(allowed, list) else [allowed]
        if str(setting.get(key)).lower() not in {str(value).lower() for value in allowed}:
            return False
    return True


def source_of(name: str, path: Path = FILE) -> str:
    """Where the values of the recipe `name` come from."""
    recipe = read_recipes(path)[name]
    return recipe.source if isinstance(recipe, Row) else str(recipe.get("source", ""))
