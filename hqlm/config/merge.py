"""Merges layers of configurations, by the types of their options.

A class is given by its name or its path where its type is expected. A class that replaces another one in a later layer
keeps the options that both have; an optimiser keeps only its learning rate.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hqlm.config.sources import Config, Sources, Text, load_yaml, locate
from hqlm.data import HqlmDataModule
from hqlm.errors import ConfigError, describe
from hqlm.files import parse_argument
from hqlm.heads import HEADS
from hqlm.models import HqlmModule, TextModel
from hqlm.models.recipes import to_primitives
from hqlm.models.renamed import describe_renamed
from hqlm.models.trust import NAMED, option_types, union_members
from hqlm.registry import Component, Registry, field_names, suggestion

_ABSENT: Final = object()
_OPTIMIZER_KEEPS: Final = "lr"  # weight decay or betas of one optimiser mean something else in another
_OURS: Final = (HqlmModule, HqlmDataModule, Component)
_TEXT: Final = (str, Path)
# arguments that a factory of one of these gets
_SUPPLIED: Final = {Optimizer: "params", LRScheduler: "optimizer"}


@dataclasses.dataclass(frozen=True)
class Options:
    """The type of a mapping of options to values.

    Args:
        types: types of its options.
        owner: class of the options, for messages; empty at the root.
        defaults: classes of options that may be left out.
    """

    types: Mapping[str, Any]
    owner: str = ""
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, owner: type) -> Options:
        """Return the type of the options of a class that the configuration does not name."""
        return cls(option_types(owner)[0], owner.__name__)


class Merger:
    """Merges layers, the lowest first.

    Args:
        root: types of the top-level keys.
        source: file of the lowest layer, if it does not come from the user: values in it that would be imported are
            not passed on to other classes.

    Attributes:
        config: configuration merged so far, with a class path for every class.
        notes: which options were kept and dropped when one class replaced another.
    """

    def __init__(self, root: Options, source: Path | None = None) -> None:
        self.root = root
        self.source = source
        self.config: Config = {}
        self.notes: list[str] = []
        self._folder: Path | None = None  # folder of the file whose layer is being merged
        self._changes: dict[str, tuple[str, int]] = {}

    def add(self, sources: Sources) -> None:
        """Merge files on top, then flags.

        Raises:
            ConfigError: for unknown options, classes or values, with the nearest match.
        """
        for path, config in sources.files:
            self.add_layer(config, path.parent)
        self._refuse_parts_of_presets(sources)
        for key, value in sources.flags:
            self.config = self._set(self.config, key.split("."), value, self.root, "", {})

    def add_layer(self, config: Config, folder: Path | None = None) -> None:
        """Merge a configuration on top.

        Args:
            config: the configuration.
            folder: folder of its file, in which its paths are looked up first.
        """
        self._folder = folder
        self.config = self._merge(self.config, config, self.root, "", {})
        self._folder = None

    def finish(self) -> Config:
        """Return the configuration, after checking that all required options have values.

        Raises:
            ConfigError: with the first missing option.
        """
        self._check(self.config, self.root, "")
        return self.config

    # below: the value so far, above: the value on top, hint: type of the option, where: its dotted key

    def _merge(self, below: Any, above: Any, hint: Any, where: str, default: Any) -> Any:
        if isinstance(above, Text):
            above = _read(above, hint, where)
        members = list(union_members(hint))
        options = next((each for each in map(_options, members) if each is not None), None)
        classes = _classes(members)
        if isinstance(above, list) and (elements := _elements(members)):
            return [self._merge(_ABSENT, item, elements, where, None) for item in above]
        if isinstance(above, Mapping) and options is not None:
            return self._merge_options(below if isinstance(below, Mapping) else {}, above, options, where)
        is_options = options is not None and all(each is NoneType or _options(each) for each in members)
        if is_options and (above is not None or NoneType not in members):
            raise ConfigError(f"{where}={_show(above)} is invalid: it must be a mapping of options to values")
        if not classes or not isinstance(above, str | Mapping) or _is_text(above, members):
            return above
        if isinstance(above, Mapping) and "class_path" not in above:
            if any(get_origin(each) in (dict, collections.abc.Mapping) or each is dict for each in members):
                return above
            for key, value in (above["init_args"] if set(above) == {"init_args"} else above).items():
                below = self._set(below, [str(key)], value, hint, where, default)
            return below
        return self._put_class(below, above, classes, where, default)

    def _merge_options(
        self, below: Mapping[str, Any], above: Mapping[str, Any], options: Options, where: str
    ) -> Config:
        merged = dict(below)
        for key, value in above.items():
            self._check_known(key, options.types, where, options.owner)
            default = options.defaults.get(key)
            merged[key] = self._merge(merged.get(key, _ABSENT), value, options.types[key], _join(where, key), default)
        return merged

    def _put_class(self, below: Any, above: Any, classes: Sequence[type], where: str, default: Any) -> Config:
        """Merge a class on top of the one below, which may be a different one."""
        spec = {"class_path": above} if isinstance(above, str) else dict(above)
        options = spec.pop("init_args", None)
        path, rest = spec.pop("class_path"), set(spec) - {"dict_kwargs"}
        if not isinstance(path, str):
            raise ConfigError(f"{where}: class_path={path} is invalid: it must be the path of a class")
        if rest:
            raise ConfigError(f"{where}: options of a class belong under init_args, next to class_path")
        if not isinstance(options, Mapping | None):
            raise ConfigError(f"{where}: init_args={options} is invalid: it must be a mapping of options to values")
        component = self._find_class(path, classes, where)
        was_set, before = below is not _ABSENT, _node(below if below is not _ABSENT else default)
        is_same = before is not None and import_class(before["class_path"]) is component
        kept = self._keep_options(before, component, where) if before is not None and (was_set or is_same) else {}
        kept = {**_spell_out(_node(default), component), **kept}
        node: Config = {"class_path": path if "." in path else _path(component), "init_args": kept, **spec}
        for key, value in (options or {}).items():
            node = self._set_option(node, [str(key)], value, component, where)
        if before is not None and import_class(before["class_path"]) is not component:
            explicit = {str(key) for key in options or {}}
            self._note(before, node, component, explicit, was_set, where)
        return node

    def _keep_options(self, before: Config, component: Any, where: str) -> Config:
        """Return the options of the previous class that a class keeps."""
        options = before.get("init_args") or {}
        old = import_class(before["class_path"])
        if old is component:
            return dict(options)
        types, _ = option_types(component) if isinstance(component, type) else ({}, False)
        kept = {key: value for key, value in options.items() if key in types}
        if isinstance(component, type) and issubclass(component, Optimizer):
            # spelled out, or jsonargparse keeps values of the option's default (its issue 460, open in 4.53)
            kept = {key: options[key] if key == _OPTIMIZER_KEEPS else _default(component, key) for key in kept}
        for option in getattr(component, "imports", ()) if self.source is not None else ():
            if kept.get(option) not in (None, getattr(component, option)):
                raise ConfigError(
                    f"{_join(where, option)}={kept[option]} is set by {self.source} for another class, and files "
                    f"may not trigger imports. Set --{_join(where, option)}"
                )
        return kept

    def _note(
        self, before: Config, node: Config, component: Any, explicit: set[str], was_set: bool, where: str
    ) -> None:
        old, given = before.get("init_args") or {}, node["init_args"]
        kept = [
            f"{key}={_show(given[key])}"
            for key in sorted(set(old) - explicit)
            if key in given and given[key] != _default(component, key)
        ]
        before_it = import_class(before["class_path"])
        lost = sorted(set(old) - set(given)) if was_set else []
        dropped = [key for key in lost if old[key] != _default(before_it, key)]
        if kept or dropped:
            self.notes.append(
                f"{where}: {_name(before)} -> {_name(node)}, keeps {', '.join(kept) or 'nothing'}, drops "
                f"{', '.join(dropped) or 'nothing'}"
            )

    def _set(self, below: Any, keys: Sequence[str], value: Any, hint: Any, where: str, default: Any) -> Any:
        """Set the option at a dotted key, of the class or the options there."""
        if not keys:
            return self._merge(below, value, hint, where, default)
        key, *rest = keys
        members = list(union_members(hint))
        if isinstance(below, list) and (elements := _elements(members)):  # the last one
            return [*below[:-1], self._set(below[-1] if below else _ABSENT, keys, value, elements, where, None)]
        if key == "class_path" and not rest:
            return self._merge(below, value, hint, where, default)
        if _classes(members):
            node = _node(below if below is not _ABSENT else default)
            if node is None:
                known = [name for each in _classes(members) for name in Registry(each, "class")]
                known = ["torch.optim.AdamW"] if Optimizer in _classes(members) else known
                example = f", for example --{where}={known[-1]}" if known else ""
                raise ConfigError(f"{_join(where, *keys)}: there is no class to have it. Name its class{example}")
            keys = rest if key == "init_args" else keys
            return self._set_option(dict(node), keys, value, import_class(node["class_path"]), where)
        options = next((each for each in map(_options, members) if each is not None), None)
        if options is not None:
            appends = key.endswith("+") and not rest
            key = key.removesuffix("+")
            self._check_known(key, options.types, where, options.owner)
            values = below if isinstance(below, Mapping) else _node(default) or default
            values = dict(values) if isinstance(values, Mapping) else {}
            inner, deeper = options.types[key], _join(where, key)
            if appends:
                return {**values, key: self._append(values.get(key), value, inner, deeper)}
            default = options.defaults.get(key)
            return {**values, key: self._set(values.get(key, _ABSENT), rest, value, inner, deeper, default)}
        if any(get_origin(each) in (dict, collections.abc.Mapping) or each in (dict, Any) for each in members):
            return {**(below if isinstance(below, Mapping) else {}), ".".join(keys): _read(value, Any, where)}
        raise ConfigError(f"there is no option {_join(where, *keys)}: {where} is a value")

    def _set_option(self, node: Config, keys: Sequence[str], value: Any, component: Any, where: str) -> Config:
        """Set an option of a class, or one below it."""
        types, takes_more = option_types(component) if isinstance(component, type) else ({}, True)
        key, *rest = keys
        if not takes_more:
            known = {name: hint for name, hint in types.items() if name not in supplied(component)}
            self._check_known(key.removesuffix("+"), known, where, component.__name__)
        options = dict(node.get("init_args") or {})
        appends, key = key.endswith("+") and not rest, key.removesuffix("+")
        hint, deeper = types.get(key, Any), _join(where, key)
        if key in getattr(component, "paths", ()) and self._folder is not None and isinstance(value, str):
            value = locate(value, self._folder)
        if appends:
            options[key] = self._append(options.get(key), value, hint, deeper)
        else:
            options[key] = self._set(
                options.get(key, _ABSENT), rest, value, hint, deeper, _default_node(component, key)
            )
        return {**node, "init_args": options}

    def _append(self, below: Any, value: Any, hint: Any, where: str) -> list[Any]:
        before = below if isinstance(below, list) else [] if below is None else [below]
        more = self._merge(_ABSENT, value, hint, where, None)
        return [*before, *(more if isinstance(more, list) else [more])]

    def _check_known(self, key: str, types: Mapping[str, Any], where: str, owner: str) -> None:
        if key not in types:
            if owner == TextModel.__name__ and any(key in option_types(head)[0] for head in HEADS.values()):
                raise ConfigError(
                    f"there is no option {_join(where, key)} of {owner}: it is {_join(where, 'head', key)}"
                )
            of = f" of {owner}" if owner else ""
            raise ConfigError(f"there is no option {_join(where, str(key))}{of}. {suggestion(str(key), list(types))}")

    def _find_class(self, path: str, classes: Sequence[type], where: str) -> Any:
        """Return the class of a name or a path where one of some classes is expected."""
        renamed = describe_renamed(path) if HqlmModule in classes else ""
        if renamed:
            raise ConfigError(renamed)
        if "." not in path:
            found = [each for base in classes for each in _find_named(base, path)]
            if found:
                return found[0]
            known = sorted({name for base in classes for name in Registry(base, "class")})
            raise ConfigError(f"{where}={path}: there is no such class. {suggestion(path, known)}")
        try:
            component = import_class(path)
        except ImportError as err:
            raise ConfigError(f"{where}={path}: {err}") from err
        except (AttributeError, ValueError) as err:
            raise ConfigError(f"{where}={path}: {describe(err)}") from err
        if isinstance(component, type) and not issubclass(component, tuple(classes)):
            known = sorted({name for base in classes for name in Registry(base, "class")})
            listed = f". Known: {', '.join(known)}" if issubclass(classes[0], _OURS) else ""
            raise ConfigError(f"{where}={path} is not a subclass of {classes[0].__name__}{listed}")
        return component

    def _refuse_parts_of_presets(self, sources: Sources) -> None:
        """Reject single noise probabilities on top of a preset, which would be ambiguous."""
        flags = dict(sources.flags)
        for key in flags:
            parent = key.rpartition(".")[0]
            preset = flags.get(parent, at(self.config, parent.split(".")))
            if parent.endswith(".noise") and isinstance(preset, str) and not isinstance(_read_any(preset), Mapping):
                raise ConfigError(
                    f"{key} is set in addition to the preset {parent}={preset}: a preset is a whole noise model. "
                    f"Replace it, for example with '--{parent}={{one_qubit: 0.001, two_qubit: 0.01}}'"
                )

    def _check(self, value: Any, hint: Any, where: str) -> None:
        members = list(union_members(hint))
        options = next((each for each in map(_options, members) if each is not None), None)
        if isinstance(value, list):
            for item in value:
                self._check(item, _elements(members) or Any, where)
        if not isinstance(value, Mapping):
            return
        if _classes(members) and "class_path" in value:
            component = import_class(value["class_path"])
            given = value.get("init_args") or {}
            missing = next((name for name in _list_required(component) if given.get(name, _ABSENT) is _ABSENT), None)
            if missing is not None:
                raise ConfigError(f"--{_join(where, missing)} is missing. Set it in a configuration file or as a flag")
            if isinstance(component, type):
                self._check_values(given, option_types(component)[0], where, issubclass(component, _OURS))
        elif options is not None:
            self._check_values(value, options.types, where, bool(where) and where != "trainer")

    def _check_values(self, values: Mapping[str, Any], types: Mapping[str, Any], where: str, nulls: bool) -> None:
        """Check options; jsonargparse takes null as a value that is not given, for any type (4.53; its issue 9)."""
        for key, value in values.items():
            members = list(union_members(types.get(key, Any)))
            if nulls and value is None and not {NoneType, Any, None} & set(members):
                words = [str(word) for each in members if get_origin(each) is Literal for word in get_args(each)]
                such = f", such as {', '.join(words)}" if words else ""
                raise ConfigError(f"{_join(where, key)}=null is invalid: it must have a value{such}")
            self._check(value, types.get(key, Any), _join(where, key))


def with_whole_paths(value: Any) -> Any:
    """Return a configuration in which classes of hqlm have one path each, that of the module that defines them."""
    if isinstance(value, list):
        return [with_whole_paths(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    whole = {key: with_whole_paths(item) for key, item in value.items()}
    path = whole.get("class_path")
    if isinstance(path, str) and path.startswith("hqlm."):
        whole["class_path"] = _path(import_class(path))
    return whole


def differences(before: Any, after: Any) -> list[str]:
    """Return the differences of two complete configurations, one line per key that both have or that a group gained."""
    old, new = dict(leaves(before, "")), dict(leaves(after, ""))
    lines = [f"{key}: {_show(old[key])} -> {_show(new[key])}" for key in old if key in new and old[key] != new[key]]
    groups = {key.rpartition(".")[0] for key in old}  # a group such as noise may have become one word
    return lines + [f"{key}: -> {_show(new[key])}" for key in new if key not in old and key in groups]


def leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted key, and every class by its name."""
    if not isinstance(value, Mapping) or not value:
        yield key, value
        return
    for name, item in value.items():
        if name == "class_path":
            yield key, _name(value)
        elif name == "init_args":
            for option, inner in (item or {}).items():
                yield from leaves(inner, _join(key, option))
        else:
            yield from leaves(item, _join(key, name))


def _read(value: Any, hint: Any, where: str) -> Any:
    """Return the value of typed text: unchanged if its option takes text, otherwise parsed as YAML."""
    if not isinstance(value, Text):
        return value
    members = list(union_members(hint))
    parsed = parse_argument(str(value), where, load_yaml)
    takes_text = any(each in _TEXT for each in members)
    if Any in members or (not takes_text and (parsed is None or not any(get_origin(m) is Literal for m in members))):
        return parsed
    if isinstance(parsed, list):
        return parsed if _elements(members) else str(value)
    if isinstance(parsed, Mapping):
        return parsed if set(members) - {str, Path, NoneType, int, float, bool} else str(value)
    return None if parsed is None and NoneType in members else str(value)


def _read_any(value: str) -> Any:
    return parse_argument(str(value), "", load_yaml)


def _options(member: Any) -> Options | None:
    """Return the options of a type that is a plain dataclass, such as Noise; None for any other type."""
    if isinstance(member, Options):
        return member
    if isinstance(member, type) and dataclasses.is_dataclass(member) and not issubclass(member, _OURS):
        return Options.of(member)
    return None


def _classes(members: Sequence[Any]) -> list[type]:
    """Return the classes that are allowed by these types, or by a callable that returns one."""
    found: list[type] = []
    for each in members:
        if get_origin(each) is collections.abc.Callable:
            found += _classes(list(union_members(get_args(each)[-1])))
        elif isinstance(each, type) and get_origin(each) is None and issubclass(each, NAMED):
            found.append(each)
    return found


def _elements(members: Sequence[Any]) -> Any:
    """Return the element type if one of these types is a list; None if none is."""
    found: list[Any] = []
    for each in members:
        if get_origin(each) in (list, tuple, set, collections.abc.Sequence, collections.abc.Iterable):
            found += [inner for inner in get_args(each) if inner is not Ellipsis]
        elif each in (list, tuple, set):
            found.append(Any)
    return functools.reduce(lambda one, other: one | other, found) if found else None


def _is_text(value: Any, members: Sequence[Any]) -> bool:
    """Return whether a text is a value there and not the name of a class."""
    words = [word for each in members if get_origin(each) is Literal for word in get_args(each)]
    return isinstance(value, str) and (str in members or value in words or (bool(words) and "." not in value))


def _find_named(base: type, name: str) -> list[type]:
    """Return the classes of that name; for a class of another library, prefer the expected one itself."""
    if base.__name__ == name and not inspect.isabstract(base):
        return [base]
    registry: Registry[Any] = Registry(base, base.__name__)
    return [registry[name]] if name in set(registry) else []


def import_class(path: str) -> Any:
    """Return the object at a dotted path.

    Raises:
        ImportError: if there is no such module.
        AttributeError: if the module has no such name.
    """
    module, _, name = path.rpartition(".")
    if not all(part.isidentifier() for part in path.split(".")):  # "../.." would be a relative import
        raise ImportError(f"'{path}' is not a dotted Python path")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as err:
        raise AttributeError(f"module '{module}' has no attribute '{name}'") from err


def _path(component: Any) -> str:
    return f"{component.__module__}.{component.__qualname__}"


def _node(value: Any) -> Config | None:
    """Return a class with options in the form of a configuration; None for anything else."""
    return dict(value) if isinstance(value, Mapping) and "class_path" in value else None


def _default(component: Any, option: str) -> Any:
    """Return the default of an option of a class; `_ABSENT` if it has none."""
    if dataclasses.is_dataclass(component):
        for field in dataclasses.fields(component):
            if field.name == option and field.default_factory is not dataclasses.MISSING:
                return field.default_factory()
    try:
        default = inspect.signature(component).parameters[option].default
    except (ValueError, KeyError):  # a class written in C, or one that passes options on
        return _ABSENT
    return _ABSENT if default is inspect.Parameter.empty else default


def _default_node(component: Any, option: str) -> Any:
    """Return the default of an option in the form of a configuration; None for a plain value.

    For a component it has only what differs from the defaults of its class, which no other class should keep.
    """
    default = _default(component, option)
    if isinstance(default, Component):
        options = {name: getattr(default, name) for name in field_names(default)}
        changed = {name: value for name, value in options.items() if value != _default(type(default), name)}
        return {"class_path": _path(type(default)), "init_args": to_primitives(changed, option)}
    is_named = isinstance(default, type | functools.partial) or dataclasses.is_dataclass(default)
    return to_primitives(default, option) if is_named else None


def _spell_out(default: Config | None, component: Any) -> Config:
    """Return a class's defaults for the options that it shares with the default class there.

    Otherwise jsonargparse 4.53 fills them in from that default class.
    """
    replaced = None if default is None else import_class(default["class_path"])
    if not isinstance(replaced, type) or not isinstance(component, type) or replaced is component:
        return {}
    common = option_types(replaced)[0].keys() & option_types(component)[0].keys()
    values = {key: _default(component, key) for key in sorted(common)}
    return {key: to_primitives(value, key) for key, value in values.items() if value is not _ABSENT}


def _list_required(component: Any) -> list[str]:
    """Return the required options of a class."""
    try:
        parameters = inspect.signature(component).parameters.values()
    except ValueError:  # a class written in C
        return []
    return [
        each.name
        for each in parameters
        if each.default is each.empty
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and each.name not in supplied(component)
    ]


def supplied(component: Any) -> list[str]:
    """Return the options of a class that its caller supplies."""
    return [name for base, name in _SUPPLIED.items() if isinstance(component, type) and issubclass(component, base)]


def at(config: Any, keys: Sequence[str]) -> Any:
    """Return the value at a dotted key of a configuration; None if there is none."""
    for key in keys:
        config = config.get("init_args", config) if isinstance(config, Mapping) else None
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _join(*keys: str) -> str:
    return ".".join(key for key in keys if key)


def _show(value: Any) -> str:
    if isinstance(value, Mapping) and "class_path" in value:
        return _name(value)
    return "null" if value is None else str(value)


def _name(node: Mapping[str, Any]) -> str:
    return str(node["class_path"]).rpartition(".")[2]
