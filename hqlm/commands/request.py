"""What a command line asks for, read before the parser is built: it may name plugins and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader

from hqlm.commands.layers import Layer
from hqlm.commands.names import expand, is_short
from hqlm.commands.plugins import check_names, load_installed, load_named, named
from hqlm.commands.slots import SLOTS
from hqlm.errors import ConfigError
from hqlm.files import YAML_LOADER, parse_argument, parse_yaml, yaml_line
from hqlm.registry import suggestion

Config = dict[str, Any]
load_yaml = get_loader("yaml")  # jsonargparse's own: 1e-3 is a number there, a word in plain PyYAML


@dataclass(frozen=True)
class Flag:
    """One flag: `--key=value`, `--key value`, or with no value at all."""

    key: str
    value: str | None


@dataclass(frozen=True)
class Request:
    """A command line: configuration files and flags, in order.

    Args:
        files: each configuration file with what it holds.
        flags: all other flags.
        base: what stands below the files, such as the settings of a checkpoint.
        source: the file that `base` was read from, where that was not the user's word.
    """

    files: list[tuple[Path, Config]]
    flags: list[Flag]
    base: Config = field(default_factory=dict)
    source: Path | None = None

    @classmethod
    def read(cls, args: list[str]) -> Request:
        """Read the files and flags of a command line.

        Raises:
            ConfigError: for a configuration file that is missing or no YAML mapping, or a word that is no flag.
        """
        flags = list(_split(args))
        paths = [Path(flag.value or "") for flag in flags if flag.key in ("-c", "--config")]
        return cls(
            [(path, read_config(path)) for path in paths],
            [flag for flag in flags if flag.key not in ("-c", "--config")],
        )

    def __getitem__(self, key: str) -> Any:
        """The value of a top-level key: of its last flag, else of the last file that has it, else None."""
        values = [config.get(key) for _, config in self.files]
        values += [_value(flag) for flag in self.flags if flag.key == f"--{key}" and flag.value]
        return next((value for value in reversed(values) if value is not None), None)

    @property
    def wants_help(self) -> bool:
        """Whether the parser will print help and leave."""
        return any(flag.key in ("-h", "--help", "--print_config") or flag.key.endswith(".help") for flag in self.flags)

    @property
    def stem(self) -> str | None:
        """What the run is called when no name is given: as its first configuration file, or that file's run."""
        if not self.files:
            return None
        path = self.files[0][0].absolute()
        return path.parent.name if path.name == "config.yaml" else path.stem

    @property
    def brings_data(self) -> bool:
        """Whether a file or the flag `--data` names a data set, so that no other one's settings shall shine through."""
        return self["data"] is not None

    def load_plugins(self) -> None:
        """Import the plugins that are installed, then those that files and flags name.

        Raises:
            PluginError: when a named one cannot be imported.
            DuplicateComponent: when two classes of a slot have one name.
        """
        load_installed()
        load_named({"plugins": self.plugins})
        check_names()

    @property
    def plugins(self) -> list[str]:
        """The modules that the user names, in files and by flag.

        Raises:
            ConfigError: when they are not module names.
        """
        configs = [*(config for _, config in self.files), {"plugins": self["plugins"]}]
        return list(dict.fromkeys(module for config in configs for module in named(config)))

    def on(self, base: Config, source: Path | None = None) -> Request:
        """This request with `base` below its files; what comes from `source` must have passed `hqlm.models.trust`."""
        return replace(self, base=base, source=source)

    @property
    def configs(self) -> list[Config]:
        """What stands below the files, then what they hold, short names expanded."""
        configs = [expand(config) for config in (self.base, *(config for _, config in self.files))]
        if self._is_of_default_model:
            return [_without_class(config) for config in configs]
        return configs

    @property
    def _is_of_default_model(self) -> bool:
        """Whether no other model is named than the default one, whose name then can be left out.

        jsonargparse 4.53 cannot read back what it makes of a default head when the class of the model is named.
        """
        models = [config.get("model") for config in (self.base, *(config for _, config in self.files))]
        names = [model.get("class_path") if isinstance(model, dict) else model for model in models]
        names += [flag.value for flag in self.flags if flag.key in ("--model", "--model.class_path")]
        return all(name is None or _names_default_model(name) for name in names)

    def arguments(self) -> list[str]:
        """The command line for the parser, short names expanded.

        Raises:
            UnknownComponent: for a short name that its slot does not have.
        """
        given = [f"--config={yaml_line(config)}" for config in self.configs if config]
        is_of_default_model = self._is_of_default_model
        for flag in self.flags:
            if not (flag.key == "--model" and is_of_default_model and flag.value):
                given.append(_argument(flag))
        return given

    def layers(self, lowest: Layer) -> tuple[list[Layer], Layer]:
        """What the configuration is made of: `lowest`, files, and the flags apart."""
        layers = [lowest, *map(Layer.of, self.configs)]
        places = {key for layer in layers for key in layer.classes}
        flags = Layer()
        for flag in self.flags:
            key = flag.key.removeprefix("--").replace(".init_args", "").removesuffix(".class_path")
            value = _expanded(flag) if flag.value else None
            if key in places and value is not None and value != "null" and value[:1].isalpha():
                flags.classes[key] = value.rpartition(".")[2]
            else:
                flags.options[key] = value
        return layers, flags


def read_config(path: Path) -> Config:
    """A YAML file as a dict.

    Raises:
        ConfigError: when it is missing, unreadable, no mapping, or says a key twice.
        DocumentError: when it is no YAML, or not plain data.
    """
    try:
        text = path.read_text(encoding="utf-8")
        config = parse_yaml(text, f"the configuration file {path}", load_yaml)
        twice = _repeated_key(yaml.compose(text, Loader=YAML_LOADER), set())
    except FileNotFoundError as err:
        files = sorted(str(file) for file in path.parent.glob("*.yaml"))
        near = suggestion(str(path), files) if files else "Its folder holds no .yaml file"
        raise ConfigError(f"there is no configuration file {path}. {near}") from err
    except IsADirectoryError as err:
        raise ConfigError(f"{path} is a folder: name a configuration file in it") from err
    except OSError as err:
        raise ConfigError(f"cannot read the configuration file {path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"cannot read the configuration file {path}: it is not UTF-8 text: {err}") from err
    if not isinstance(config, dict):
        raise ConfigError(f"the configuration file {path} holds no keys: it must be a YAML mapping")
    if twice is not None:
        raise ConfigError(f"{path}, line {twice.start_mark.line + 1}: the key '{twice.value}' stands there twice")
    return config


def _names_default_model(name: Any) -> bool:
    return isinstance(name, str) and name in ("TextModel", "hqlm.models.TextModel", "hqlm.models.text_model.TextModel")


def _without_class(config: Config) -> Config:
    model = config.get("model")
    if not isinstance(model, dict) or "class_path" not in model:
        return config
    return {**config, "model": {key: value for key, value in model.items() if key != "class_path"}}


def _repeated_key(node: Any, visited: set[int]) -> Any:
    """The node of the first key that a mapping says a second time; YAML itself would let the last one win."""
    if id(node) in visited:  # by an alias, which may stand in the node itself
        return None
    visited.add(id(node))
    seen: set[object] = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in seen:
            return key
        seen.add(key.value)
        inner = _repeated_key(value, visited)
        if inner is not None:
            return inner
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    return next((found for item in items if (found := _repeated_key(item, visited)) is not None), None)


def _split(args: list[str]) -> Iterator[Flag]:
    words = iter([*args, None])
    word = next(words)
    while word is not None:
        if not word.startswith("-"):
            raise ConfigError(f"'{word}' stands where a flag is expected: flags are --key=value or --key value")
        key, equals, value = word.partition("=")
        if "" in key.removeprefix("-").removeprefix("-").removesuffix("+").split("."):
            raise ConfigError(f"'{word}' is no flag: flags are --key=value or --key value")
        word = next(words)
        if equals:
            yield Flag(key, value)
        elif word is None or word.startswith("--"):
            yield Flag(key, None)
        else:
            yield Flag(key, word)
            word = next(words)


def _argument(flag: Flag) -> str:
    """A flag as the parser takes it."""
    if flag.value is None:
        return flag.key
    if flag.value and _value(flag) is None and flag.key.count(".") > 1:
        # jsonargparse makes a null below two keys into the word None on its way down; a mapping keeps it
        top, *keys = flag.key.split(".")
        nested: Any = None
        for key in reversed(keys):
            nested = {key: nested}
        return f"{top}={yaml_line(nested)}"
    return f"{flag.key}={_expanded(flag)}"


def _value(flag: Flag) -> Any:
    return parse_argument(flag.value or "", flag.key, load_yaml)


def _expanded(flag: Flag) -> str:
    slot = flag.key.rpartition(".")[2].removeprefix("--")
    assert flag.value is not None
    if slot in SLOTS and is_short(flag.value):
        return str(expand(flag.value, slot)["class_path"])
    return flag.value
