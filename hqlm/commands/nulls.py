"""Nulls and lists in a configuration: jsonargparse lets them pass in files, whatever the type."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from jsonargparse import Namespace

from hqlm.commands.layers import import_class
from hqlm.data import HqlmDataModule
from hqlm.errors import ConfigError
from hqlm.models import HqlmModule
from hqlm.registry import Component


def check_nulls(config: Namespace, key: str) -> None:
    """Refuse null for an option of a component that must have a value, and what is no mapping for a group.

    Args:
        config: a parsed class, with `class_path` and `init_args`.
        key: where it stands.

    Raises:
        ConfigError: naming the first such option.
    """
    component = import_class(config["class_path"])
    if "init_args" in config and issubclass(component, HqlmModule | HqlmDataModule | Component):
        _check(config["init_args"], component, key)


def _check(options: Namespace, component: type, key: str) -> None:
    hints = get_type_hints(component.__init__)  # type: ignore[misc]
    for name, value in vars(options).items():
        types, where = get_args(hints[name]) or (hints[name],), f"{key}.{name}"
        if value is None and NoneType not in types:
            raise ConfigError(f"{where}=null is not possible: it must have a value{_words((hints[name], *types))}")
        groups = tuple(each for each in types if isinstance(each, type) and is_dataclass(each))
        if groups and value is not None and not isinstance(value, (Namespace, str, *groups)):
            raise ConfigError(f"{where}={value} is not possible: it must be a mapping of options to values")
        if isinstance(value, Namespace) and "class_path" in value:
            check_nulls(value, where)
        elif isinstance(value, Namespace):
            _check(value, next(each for each in types if inspect.isclass(each) and each is not str), where)


def _words(types: tuple[Any, ...]) -> str:
    """The words that are possible, where some are."""
    words = [str(word) for each in types if get_origin(each) is Literal for word in get_args(each)]
    return f", such as {', '.join(words)}" if words else ""
