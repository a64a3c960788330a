"""Short class names of a configuration, made into class paths before jsonargparse sees them.

It knows short names too, but loses them two levels down when a flag changes something beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hqlm.commands.slots import SLOTS
from hqlm.errors import ConfigError
from hqlm.models.renamed import describe_renamed


def expand(value: Any, slot: str = "") -> Any:
    """`value`, found under the key `slot`, with class paths in place of the short names of components.

    Raises:
        UnknownComponent: for a short name that the slot does not have.
        DuplicateComponent: for one that two modules define.
        ConfigError: for a `class_path` or `init_args` of the wrong type.
    """
    if isinstance(value, list):
        return [expand(item) for item in value]
    if isinstance(value, dict):
        _check_class(value, slot)
        expanded = {key: expand(item, key) for key, item in value.items()}
        if isinstance(value.get("class_path"), str):
            expanded["class_path"] = class_path(value["class_path"], slot)
        return expanded
    if slot in SLOTS and isinstance(value, str) and is_short(value):
        return {"class_path": class_path(value, slot)}
    return value


def _check_class(value: Mapping[Any, Any], slot: str) -> None:
    where = f"{slot}: " if slot else ""
    path, options = value.get("class_path", ""), value.get("init_args")
    if not isinstance(path, str):
        raise ConfigError(f"{where}class_path={path} is not possible: it must be the path of a class")
    if not isinstance(options, Mapping | None):
        raise ConfigError(f"{where}init_args={options} is not possible: it must be a mapping of options to values")


def class_path(name: str, slot: str) -> str:
    """The class path of a component by its short name; anything else as it is.

    Raises:
        ConfigError: for a model that has been renamed, saying how.
    """
    renamed = describe_renamed(name) if slot == "model" else ""
    if renamed:
        raise ConfigError(renamed)
    if slot not in SLOTS or not is_short(name):
        return name
    component = SLOTS[slot][name]
    return f"{component.__module__}.{component.__qualname__}"


def is_short(name: str) -> bool:
    """Whether a word can be the short name of a class, and no path, file, JSON or null."""
    return name.isidentifier() and name != "null"
