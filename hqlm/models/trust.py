"""Checks what a file from elsewhere may name, before anything in it is imported, created or called.

Checkpoints, saved models, run folders and study folders are data. A parser accepts a class path, and wherever it
accepts a class, also a dotted name or a file name, and imports what they lead to. So here every class must already be
imported and fit its slot, and text is only allowed where text is expected. SECURITY.md states the rule for users.
"""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import inspect
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from jsonargparse import get_loader, set_parsing_settings
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hqlm.data import HqlmDataModule
from hqlm.errors import CheckpointError, abbreviate
from hqlm.files import check_plain, parse_argument
from hqlm.models.base import HqlmModule
from hqlm.registry import Component

# a class named where any value is allowed stays a dict: files must not decide what is called
set_parsing_settings(instantiate_subclass_spec_in_any=False)

PLUGINS: Final = "hqlm.plugins"  # entry points of installed packages
NAMED: Final = (  # bases of the classes that a configuration names
    Component, HqlmModule, HqlmDataModule, Optimizer, LRScheduler, Callback, Logger, Profiler, Strategy, Accelerator,
)  # fmt: skip
_PLAIN: Final[tuple[Any, ...]] = (str, int, float, bool, type(None), Ellipsis, Path, os.PathLike, timedelta)
_TEXT: Final = (str, Path, os.PathLike, timedelta)  # types that are written as text
_LISTS: Final = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS: Final = (dict, collections.abc.Mapping)
_CHECKPOINT_KEYS: Final = {"_class_path", "_instantiator"}
_SHOWN: Final = 80  # characters of a name from a file in a message


def check_trusted(spec: Any, source: Path, plugins: Sequence[str] = (), slot: type = object) -> None:
    """Reject a class with its options that names anything but imported components of the right slots.

    Args:
        spec: `{"class_path": ..., "init_args": {...}}`.
        source: file of the spec, for messages.
        plugins: modules that the user named in this invocation; options that are dotted paths may lead into them.
        slot: expected base class; the default allows a component of any slot.

    Raises:
        CheckpointError: with the unknown name, and how to allow it.
    """
    check_plain(spec, str(source))
    _check_class(spec, NAMED if slot is object else (slot,), _Place(source, tuple(plugins)))


def check_class_options(settings: Mapping[str, Any], owner: Any, source: Path, plugins: Sequence[str] = ()) -> None:
    """Reject options of a class, such as `Trainer`, that name what `check_trusted` rejects.

    Raises:
        CheckpointError: with the unknown name, and how to allow it.
    """
    check_plain(settings, str(source))
    _check_options(settings, owner, _Place(source, tuple(plugins)))


def check_run(config: Mapping[str, Any], source: Path, plugins: Sequence[str] = ()) -> None:
    """Reject a resolved configuration that was found beside a checkpoint, as `check_trusted` does.

    Raises:
        CheckpointError: with the unknown name, and how to allow it.
    """
    check_plain(config, str(source))
    place = _Place(source, tuple(plugins))
    check_plugins(config.get("plugins"), source, plugins)
    slots: dict[str, type] = {"model": HqlmModule, "data": HqlmDataModule}
    for key, value in config.items():
        if key in slots and value is not None:
            _check_class(value, (slots[key],), place)
        elif key == "trainer" and isinstance(value, Mapping):
            _check_options(value, Trainer, place)
        elif key not in {*slots, "plugins", "seed_everything"} or (isinstance(value, str) and key != "plugins"):
            raise CheckpointError(f"{source}: {_show(key)} cannot be {_show(value)} in the configuration of a run")


def check_plugins(named: Any, source: Path, plugins: Sequence[str]) -> None:
    """Reject modules that a file names as plugins and the user does not.

    Modules of hqlm and of installed plugins are always allowed.

    Raises:
        CheckpointError: with the flag that allows them.
    """
    modules = [named] if isinstance(named, str) else named or []
    if not isinstance(modules, list) or not all(isinstance(module, str) for module in modules):
        raise CheckpointError(f"{source}: plugins must be a list of module names, not {_show(named)}")
    if set(modules) <= set(plugins):
        return
    free = {*plugins, *(entry.module for entry in entry_points(group=PLUGINS))}
    if any(module not in free and module.partition(".")[0] != "hqlm" for module in modules):
        flag = ",".join(_show(module) for module in modules)
        raise CheckpointError(
            f"{source} names the plugins {', '.join(map(_show, modules))}, but files may not trigger imports. If you "
            f"trust them, add --plugins=[{flag}]"
        )


@dataclasses.dataclass(frozen=True)
class _Place:
    source: Path
    plugins: tuple[str, ...]

    def refuse(self, path: Any) -> CheckpointError:
        shown = _show(path)
        module = shown.rpartition(".")[0] or shown
        return CheckpointError(
            f"{self.source} names '{shown}', which is not an imported component that fits there, and files may not "
            f"trigger imports. If you trust the module {module}: --plugins={module}, or plugins=['{module}'] in Python"
        )

    def refuse_file(self, name: str) -> CheckpointError:
        """Return the error for a word that is also a file name: the parser would read that file as a class."""
        name = _show(name)
        return CheckpointError(
            f"{self.source} contains the word '{name}', and a file '{name}' is in the working directory, which "
            "would be read instead. Rename that file, or work in another folder"
        )


def _check(value: Any, hint: Any, place: _Place) -> None:
    members = list(union_members(hint))
    if Any in members:
        _check_any(value, place)
    elif isinstance(value, str):
        if not _accepts_text(value, members):
            raise place.refuse(value)
        if not all(map(_is_plain, members)) and os.path.exists(value) and not os.path.isdir(value):
            raise place.refuse_file(value)
    elif isinstance(value, list | tuple):
        elements = [each for one in members if get_origin(one) in _LISTS for each in get_args(one)]
        for item in value:
            _check(item, Union[tuple(elements)] if elements else None, place)  # noqa: UP007 (a union of a list)
    elif isinstance(value, Mapping):
        _check_mapping(value, members, place)
    elif not (value is None or isinstance(value, bool | int | float)):
        kind = type(value).__name__
        raise CheckpointError(f"{place.source} contains a {kind} in its settings: hqlm did not write it")


def _check_any(value: Any, place: _Place) -> None:
    """Reject what the parser would import even where any value is allowed: classes, also in text that is YAML."""
    if isinstance(value, str):
        parsed = parse_argument(value, str(place.source), get_loader("yaml"))
        if parsed != value:
            _check_any(parsed, place)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_any(item, place)
    elif isinstance(value, Mapping):
        path = value.get("class_path")
        if path is not None and not (isinstance(path, str) and path.isidentifier()):  # a short name imports nothing
            _check_class(value, NAMED, place)
        else:
            for item in value.values():
                _check_any(item, place)


def _check_mapping(value: Mapping[Any, Any], members: Sequence[Any], place: _Place) -> None:
    if "class_path" in value:
        _check_class(value, tuple(_bases(members)), place)
        return
    records = [each for each in members if dataclasses.is_dataclass(each)]
    hints = {name: each for record in records for name, each in option_types(record)[0].items()}
    values = [get_args(one)[1] for one in members if get_origin(one) in _MAPPINGS and get_args(one)]
    for name, item in value.items():
        _check(item, hints.get(name, values[0] if values else None), place)


def _check_class(value: Any, bases: tuple[type, ...], place: _Place) -> None:
    if not isinstance(value, Mapping) or not isinstance(value.get("class_path"), str):
        raise CheckpointError(
            f"{place.source} contains {_show(value)} where a class with class_path and init_args is expected: it is "
            "corrupt, or from another version of hqlm"
        )
    found = _find_imported(value["class_path"])
    if not (isinstance(found, type) and bases and issubclass(found, bases)):
        raise place.refuse(value["class_path"])
    options = value.get("init_args") or {}
    if set(value) - {"class_path", "init_args"} or not isinstance(options, Mapping):
        raise CheckpointError(f"{place.source}: a class must have class_path and init_args, got {_show(list(value))}")
    _check_options(options, found, place)
    for option in getattr(found, "imports", ()):
        item = options.get(option)
        trusted = item == getattr(found, option) or str(item).rpartition(".")[0] in place.plugins
        if item is not None and not trusted:
            raise place.refuse(item)


def _check_options(options: Mapping[Any, Any], owner: Any, place: _Place) -> None:
    hints, takes_more = option_types(owner)
    for option, item in options.items():
        if option not in hints and not takes_more:
            raise CheckpointError(
                f"{place.source} was written by another version of hqlm: {owner.__name__} of this one has no option "
                f"'{_show(option)}'. Load it with that version"
            )
        _check(item, hints.get(option), place)


def _find_imported(path: str) -> Any:
    """Return the object at a dotted path without importing anything, not even what a module imports lazily."""
    module, _, name = path.rpartition(".")
    return vars(sys.modules.get(module, object)).get(name)


class _Unknown:
    """Placeholder for a type in an annotation that only type checkers import."""

    def __class_getitem__(cls, item: Any) -> type:
        return cls


class _Names(dict[str, Any]):
    def __missing__(self, key: str) -> type:
        return _Unknown


def option_types(owner: Any) -> tuple[dict[str, Any], bool]:
    """Return the types of the options of a class, and whether it takes further options."""
    if dataclasses.is_dataclass(owner):
        known = get_type_hints(owner)
        return {field.name: known[field.name] for field in dataclasses.fields(owner) if field.init}, False
    found: dict[str, Any] = {}
    for parent in owner.__mro__:
        init = inspect.unwrap(vars(parent).get("__init__", object))
        if not inspect.isfunction(init):
            continue
        known = get_type_hints(init, localns=_Names({**vars(builtins), **init.__globals__}))
        kinds = inspect.signature(init).parameters.values()
        for each in kinds:
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) and each.name != "self":
                found.setdefault(each.name, known.get(each.name))
        if not any(each.kind is each.VAR_KEYWORD for each in kinds):
            return found, False
    return found, True


def union_members(hint: Any) -> Iterator[Any]:
    """Yield the types that a union allows."""
    if get_origin(hint) in (Union, types.UnionType):
        for each in get_args(hint):
            yield from union_members(each)
    elif get_origin(hint) is Annotated:
        yield from union_members(get_args(hint)[0])
    else:
        yield hint


def _bases(members: Sequence[Any]) -> Iterator[type]:
    """Yield the base classes that are allowed by these types, or by a callable that returns them."""
    for each in members:
        if get_origin(each) is collections.abc.Callable:
            yield from (made for made in union_members(get_args(each)[-1]) if made is not Any and _is_known(made))
        elif _is_known(each):
            yield each


def _is_known(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, NAMED)


def _accepts_text(text: str, members: Sequence[Any]) -> bool:
    """Return whether text stays text there: where a class is allowed, the parser imports a text that is a path."""
    if members == [None]:  # an option of unknown type that the class passes on
        return not text  # which names nothing
    if all(map(_is_plain, members)):
        return any(each in _TEXT or get_origin(each) in (Literal, *_TEXT) for each in members)
    word = text in [each for one in members if get_origin(one) is Literal for each in get_args(one)]
    return word or (str in members and text.isidentifier())


def _is_plain(hint: Any) -> bool:
    """Return whether a value of this type is text, or numbers and text, and never imported."""
    if get_origin(hint) is Literal or hint in _PLAIN or get_origin(hint) in _PLAIN:
        return True
    makes = get_origin(hint) in (Union, types.UnionType, *_LISTS, *_MAPPINGS)
    return makes and all(_is_plain(each) for each in get_args(hint))


def _show(value: Any) -> str:
    """Return a value from a file in short form, for messages."""
    return abbreviate(value if isinstance(value, str) else ascii(value), _SHOWN)
