"""The YAML file of one's own data: its keys, and a refusal of whatever is misspelt or of another kind."""

from pathlib import Path

import yaml

from task_tables import STEPS
from utils.naming import closest

KEYS = (
    "name", "root", "classes", "background", "ignore", "train", "val", "test", "tasks",
    "order", "steps",
    "values", "colors", "draw", "divide_by", "page", "channel", "lossy", "palette",
    "bands", "range", "exif", "max_pixels", "prefix", "suffix", "unlabelled",
)  # fmt: skip
KINDS = {str: "text", bool: "true or false", list: "list", dict: "mapping", int: "whole number"}


class DescriptionError(ValueError):
    """A description that cannot be followed; `cure` is the line that helps, where there is one."""

    def __init__(self, message: str, cure: str = ""):
        super().__init__(message)
        self.kind, self.cure = "description", cure


class _Loader(yaml.SafeLoader):
    """Plain YAML, but a key that is given twice is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice!r} is given twice, in line {node.start_mark.line + 1} or below")
        return super().construct_mapping(node, deep)


class Description:
    """The content of the YAML file `path`.

    Raises:
        FileNotFoundError: if there is none. DescriptionError: if it is no such file or has an unknown key.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}")
        try:
            content = yaml.load(path.read_text("utf-8-sig"), _Loader)  # noqa: S506 (a SafeLoader)
        except Exception as error:  # the reader stumbles over odd files in many ways, all of them plain data
            reason = " ".join(str(error).split()) or type(error).__name__
            hint = '; quote values that begin with *, as in "*_mask"' if "alias" in reason else ""
            raise self.wrong(f"is no YAML file: {reason}{hint}") from None
        if not isinstance(content, dict):
            raise self.wrong(f"must consist of lines `key: value` with the keys {', '.join(KEYS)}")
        for key in content:
            if key not in KEYS:
                closest(str(key), KEYS, f"key in {path}")
                raise self.wrong(f"has the key {key!r}; keys are lower case")
        self.content = content

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def typed(self, key: str, kind: type, default):
        """The value of `key`, `default` if it has none; refused if it is of another `kind`."""
        value = self.content.get(key, default)
        if not isinstance(value, kind) or kind is int and isinstance(value, bool):
            raise self.wrong(f"has {key}: {value!r}, which is no {KINDS[kind]}")
        return value

    def choice(self, key: str, *choices: str) -> str:
        """The value of `key`, one of `choices`; "" if it has none."""
        value = self.content.get(key, "")
        if key in self.content and value not in choices:
            raise self.wrong(f"has {key}: {value!r}; write {key}: {f' or {key}: '.join(choices)}")
        return value

    def wrong(self, what: str, cure: str = "") -> DescriptionError:
        """The error that says `what` is wrong with this file."""
        return DescriptionError(f"{self.path} {what}", cure)


def described_tasks(description: Path | str) -> tuple[str, ...]:
    """The task of `steps:` in the YAML file `description`, if it names any, and its `tasks:`."""
    about = Description(Path(description).expanduser())
    return (*((STEPS,) if "steps" in about else ()), *map(str, about.typed("tasks", list, [])))
