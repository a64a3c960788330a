"""A configuration is made of layers, later ones on top; what that does to classes and their options is told here."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace, dict_to_namespace
from torch.optim import Optimizer

from hqlm.errors import ConfigError
from hqlm.models.recipes import to_primitives
from hqlm.registry import Component

_OPTIMIZER_KEEPS: Final = "lr"  # weight decay or betas of one optimiser mean something else to another


@dataclass
class Layer:
    """One layer by dotted keys, without `init_args`.

    Args:
        classes: name of the class at each key that holds one.
        options: all other values.
    """

    classes: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Any) -> Layer:
        """The layer of a configuration whose short names are expanded."""
        layer = cls()
        layer._add(config, "")
        return layer

    def _add(self, value: Any, key: str) -> None:
        if not isinstance(value, dict) or not value:
            self.options[key] = value
            return
        for name, item in value.items():
            if name == "class_path":
                self.classes[key] = _name(item)
            elif name == "init_args":
                for option, inner in (item or {}).items():
                    self._add(inner, f"{key}.{option}")
            else:
                self._add(item, f"{key}.{name}".lstrip("."))

    def below(self, key: str) -> set[str]:
        """Names of the options of the class at `key` that this layer says anything of."""
        paths = [*self.options, *self.classes]
        return {path.removeprefix(f"{key}.").partition(".")[0] for path in paths if path.startswith(f"{key}.")}


def defaults(model: type) -> Layer:
    """What a model is made of when nothing is said."""
    config = {
        name: to_primitives(parameter.default, name)
        for name, parameter in inspect.signature(model).parameters.items()
        if isinstance(parameter.default, Component | type) and parameter.default is not inspect.Parameter.empty
    }
    return Layer.of({"model": config})


def import_class(path: str) -> Any:
    """The class at a dotted path that is known to exist."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def check_noise(layers: Sequence[Layer], flags: Layer) -> None:
    """Refuse single noise probabilities on top of a preset: which of the two is meant?

    Raises:
        ConfigError: naming both.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.options.items():
            parent = key.rpartition(".")[0]
            merged.pop(parent, None)
            merged[key] = value
    merged |= {key: value for key, value in flags.options.items() if isinstance(value, str)}
    for key in flags.options:
        parent = key.rpartition(".")[0]
        if parent.endswith(".noise") and isinstance(merged.get(parent), str):
            raise ConfigError(
                f"{key} is given beside the preset {parent}={merged[parent]}: a preset is a whole noise model. "
                f"Replace it, for example with '--{parent}={{one_qubit: 0.001, two_qubit: 0.01}}'"
            )


def check_inherited(config: Any, layers: Sequence[Layer], flags: Layer, source: Path) -> None:
    """Refuse an option that is imported, such as `device`, left over from another class in a file of others.

    Args:
        config: the parsed configuration.
        layers: it was made of: the defaults, what `source` says, and the files of the user.
        flags: of the user.
        source: for messages.

    Raises:
        ConfigError: naming the option.
    """
    own = [*layers[2:], flags]
    for key, found in _classes(config, ""):
        given = vars(found["init_args"]) if found.get("init_args") else {}
        component = import_class(found["class_path"])
        for option in getattr(component, "imports", ()):
            value, where = given.get(option), f"{key}.{option}"
            said = any(where in layer.options or str(value) in str(layer.options.get(key)) for layer in own)
            same = layers[1].classes.get(key) == component.__name__  # then `source` was held to it
            if value not in (None, getattr(component, option)) and not said and not same:
                raise ConfigError(
                    f"{where}={value} is what {source} says for another class, and nothing is imported on the word of "
                    f"a file. Give --{where}"
                )


def _classes(config: Any, key: str) -> Iterator[tuple[str, Any]]:
    """(key, class with options) of every class in a parsed configuration."""
    if not isinstance(config, Namespace):
        return
    if "class_path" in config:
        yield key, config
        config = config.get("init_args")
    for name, value in vars(config).items() if config is not None else ():
        yield from _classes(value, f"{key}.{name}".lstrip("."))


def settle(config: Any, layers: Sequence[Layer]) -> list[str]:
    """Say what changed classes kept of the options that were meant for others; an optimiser keeps nothing but `lr`.

    Options of a class that nobody asked for, the default one, are none of the class that takes its place.

    Args:
        config: the parsed configuration; classes that were changed are settled in place.
        layers: it was made of, the lowest first.
    """
    said = []
    for key, old, place in _changes(layers):
        here = _at(config, key)
        if here is None:
            continue
        new = import_class(here["class_path"])
        said_before = set[str]().union(*(layer.below(key) for layer in layers[1:place]))
        explicit = set[str]().union(*(layer.below(key) for layer in layers[place:]))
        given = vars(here["init_args"]) if here.get("init_args") else {}
        if issubclass(new, Optimizer):
            for name in set(given) - explicit - {_OPTIMIZER_KEEPS}:
                given[name] = inspect.signature(new).parameters[name].default
        else:
            for name in set(given) & layers[0].below(key) - explicit - said_before:
                given[name] = _default(new, name)
        before = said_before | ({_OPTIMIZER_KEEPS} if issubclass(new, Optimizer) else set())
        kept = [name for name in sorted(before - explicit) if name in given and _matters(given[name], new, name)]
        dropped = sorted((said_before | explicit) - set(given))  # also of a flag before that of the class
        if kept or dropped:
            said.append(f"{key}: {old} -> {new.__name__}, {_list('keeps', kept, given)}, {_list('drops', dropped, {})}")
    return said


def differences(before: Layer, after: Layer) -> list[str]:
    """What differs between two whole configurations, one line a key of `before`."""
    old, new = ({**layer.options, **layer.classes} for layer in (before, after))
    lines = [f"{key}: {_show(old[key])} -> {_show(new[key])}" for key in old if key in new and old[key] != new[key]]
    groups = {key.rpartition(".")[0] for key in old}  # a group such as noise may have become one word
    return lines + [f"{key}: -> {_show(new[key])}" for key in new if key not in old and key in groups]


def _changes(layers: Sequence[Layer]) -> Iterator[tuple[str, str, int]]:
    """(key, name of the class before, layer that changed it), the last change of each key, outer keys first."""
    known: dict[str, str] = {}
    changed: dict[str, tuple[str, int]] = {}
    for place, layer in enumerate(layers):
        for key, name in layer.classes.items():
            if known.get(key, name) != name:
                changed[key] = (known[key], place)
            known[key] = name
    for key, (old, place) in sorted(changed.items()):
        yield key, old, place


def _at(config: Any, key: str) -> Any:
    """The part of a parsed configuration that holds a class; None where an outer class has dropped it."""
    here = config
    for name in key.split("."):
        if here is None:
            return None
        here = here.get(name) if "class_path" not in here else (here.get("init_args") or {}).get(name)
    return here if here is not None and "class_path" in here else None


def _default(component: type, name: str) -> Any:
    """Return the default of an option, as the parser has it."""
    value = to_primitives(inspect.signature(component).parameters[name].default, name)
    return dict_to_namespace(value) if isinstance(value, dict) else value


def _matters(value: Any, component: type, name: str) -> bool:
    """Whether an inherited value makes a difference to the class that inherits it."""
    default = inspect.signature(component).parameters[name].default
    if isinstance(value, Namespace) and is_dataclass(default):
        return Layer.of(value.as_dict()) != Layer.of(to_primitives(default, name))
    return bool(value != default)


def _list(verb: str, names: list[str], values: Any) -> str:
    shown = [f"{name}={_show(values[name])}" if name in values else name for name in names]
    return f"{verb} {', '.join(shown) or 'nothing'}"


def _show(value: Any) -> str:
    if isinstance(value, Namespace) and "class_path" in value:
        return _name(value["class_path"])
    return "null" if value is None else str(value)


def _name(path: Any) -> str:
    return str(path).rpartition(".")[2]
