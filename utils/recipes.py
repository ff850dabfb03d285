"""Recipes: the values that belong to a setting, from `scripts/recipes.yaml`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from utils.naming import closest

FILE = Path(__file__).resolve().parent.parent / "scripts" / "recipes.yaml"
FIELDS = {"when", "source", "set"}


@cache
def read_recipes(path: Path = FILE) -> dict[str, dict]:
    """All recipes by name, in file order.

    Raises:
        ValueError: if the file is no mapping of recipes, or a recipe has a field that does not exist.
    """
    try:
        recipes = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(recipes, dict) or not all(isinstance(recipe, dict) for recipe in recipes.values()):
        raise ValueError(f"{path} must map names to recipes with the fields {', '.join(sorted(FIELDS))}")
    for name, recipe in recipes.items():
        for unknown in recipe.keys() - FIELDS:
            closest(str(unknown), FIELDS, f"field of recipe {name}")
    return recipes


def find_recipes(setting: Mapping[str, object], path: Path = FILE) -> list[tuple[str, dict]]:
    """Name and values of each recipe that fits, from the most general to the most specific (file order).

    Args:
        setting: method, dataset, task, backbone and so on of the run, and `recipe`: "auto", "none", or the one name
            to use whatever its conditions are.

    Raises:
        ValueError: for an unknown recipe name, naming the nearest.
    """
    recipes = read_recipes(path)
    wanted = str(setting["recipe"])
    if wanted.lower() == "none":
        return []
    if wanted.lower() != "auto":
        name = closest(wanted, recipes, "recipe")
        return [(name, recipes[name].get("set", {}))]
    return [(name, recipe.get("set", {})) for name, recipe in recipes.items() if fits(recipe.get("when", {}), setting)]


def fits(conditions: Mapping[str, object], setting: Mapping[str, object]) -> bool:
    """Whether every condition (one value, or a list of allowed ones) holds in `setting`."""
    for key, allowed in conditions.items():
        allowed = allowed if isinstance(allowed, list) else [allowed]
        if str(setting.get(key)).lower() not in {str(value).lower() for value in allowed}:
            return False
    return True
