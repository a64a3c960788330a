"""Converts recipes to primitives, in the form of configuration files."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Any

from hqlm.errors import ConfigError
from hqlm.plain import to_plain
from hqlm.registry import Component, field_names


def to_primitives(value: Any, where: str) -> Any:
    """Convert `value` to dicts, lists, strings, numbers, booleans and None.

    Numbers, strings and arrays of other libraries become Python's own.

    A component becomes `{"class_path": ..., "init_args": {...}}`, a plain dataclass its fields, a class its path, a
    `functools.partial` of a class its path and keywords.

    Raises:
        ConfigError: for a value that a configuration file cannot contain, with the argument.
    """
    value = to_plain(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): to_primitives(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_primitives(item, where) for item in value]
    if isinstance(value, Component):
        return {"class_path": _path(type(value), where), "init_args": _fields(value, where)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, where)
    if isinstance(value, functools.partial):
        return {"class_path": _path(_target(value, where), where), "init_args": to_primitives(value.keywords, where)}
    if isinstance(value, type | types.FunctionType):
        return {"class_path": _path(value, where)}
    raise ConfigError(f"{where}: a {type(value).__name__} cannot be stored in a configuration; {_ADVICE}")


_ADVICE = "use a class, or functools.partial of a class with keywords"


def _fields(value: Any, where: str) -> dict[str, Any]:
    return {name: to_primitives(getattr(value, name), f"{where}.{name}") for name in field_names(value)}


def _target(value: functools.partial[Any], where: str) -> Any:
    if not value.args:
        return value.func
    if isinstance(value.args[-1], type):  # jsonargparse passes a partial of its instantiator and the class
        return value.args[-1]
    raise ConfigError(f"{where}: functools.partial must have only keywords, got {value.args}")


def _path(target: Any, where: str) -> str:
    name: str = getattr(target, "__qualname__", "<unknown>")
    if "<" in name:
        raise ConfigError(f"{where}: '{name}' has no importable name; {_ADVICE}")
    return f"{target.__module__}.{name}"
