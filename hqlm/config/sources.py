"""Sources of a configuration: files, flags of a command line, and values from Python."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from jsonargparse import get_loader

from hqlm.config.plugins import check_names, load_installed, load_named, named
from hqlm.errors import ConfigError
from hqlm.files import YAML_LOADER, parse_argument, parse_yaml
from hqlm.registry import suggestion

Config = dict[str, Any]
load_yaml = get_loader("yaml")  # jsonargparse's own: 1e-3 is a number there, a string in plain PyYAML
SHIPPED: Final = Path(__file__).parents[1] / "configs"
_HELP: Final = ("help", "h", "print_config")


class Text(str):
    """A typed value: YAML, unless its option takes text."""


@dataclass(frozen=True)
class Sources:
    """Configuration files and dotted keys with values, in order.

    Args:
        files: each file with its content.
        flags: dotted keys with values, which override the files; `Text` at the command line.
    """

    files: tuple[tuple[Path, Config], ...] = ()
    flags: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def from_arguments(cls, args: list[str]) -> Sources:
        """Read the files and flags of a command line.

        Raises:
            ConfigError: for a configuration file that is missing or not a YAML mapping, or a word that is not a flag.
        """
        flags = [(key, value) for key, value in _split(args)]
        files = [find_config(value) for key, value in flags if key in ("c", "config")]
        kept = tuple((key, value) for key, value in flags if key not in ("c", "config"))
        return cls(tuple((path, read_config(path)) for path in files), kept)

    @classmethod
    def from_python(cls, files: Collection[str | os.PathLike[str]], overrides: Mapping[str, Any]) -> Sources:
        """Read files, and use the values of dotted keys unchanged.

        Raises:
            ConfigError: as for `from_arguments`.
        """
        paths = [find_config(os.fspath(file)) for file in files]
        return cls(tuple((path, read_config(path)) for path in paths), tuple(overrides.items()))

    def __getitem__(self, key: str) -> Any:
        """Return the value of a top-level key: from its last flag, else from the last file with it, else None."""
        values = [config.get(key) for _, config in self.files]
        values += [_parse_text(value, key) for name, value in self.flags if name == key]
        return next((value for value in reversed(values) if value is not None), None)

    def has(self, *keys: str) -> bool:
        """Return whether one of these flags is given, with a value or without."""
        return any(name in keys for name, _ in self.flags)

    def split(self, keys: Collection[str]) -> tuple[Sources, Sources]:
        """Return the sources of these top-level keys, and those of all others."""
        of_keys, others = (
            Sources(
                tuple(
                    (path, {k: v for k, v in config.items() if (k in keys) == wanted}) for path, config in self.files
                ),
                tuple((k, v) for k, v in self.flags if (k.partition(".")[0] in keys) == wanted),
            )
            for wanted in (True, False)
        )
        return of_keys, others

    def without(self, *keys: str) -> Sources:
        """Return these sources without some top-level keys."""
        return self.split(keys)[1]

    def below(self, *files: tuple[Path, Config]) -> Sources:
        """Return these sources on top of other files."""
        return replace(self, files=(*files, *self.files))

    @property
    def wants_help(self) -> bool:
        """Whether a flag asks for help."""
        return self.has("h", "help") or self.asks_for_class

    @property
    def asks_for_class(self) -> bool:
        """Whether a flag such as `--model.head.ansatz.help=RingAnsatz` asks for the options of a class."""
        return any(key.endswith(".help") for key, _ in self.flags)

    @property
    def stem(self) -> str | None:
        """Default name of a run: that of its first configuration file, or of that file's run."""
        if not self.files:
            return None
        path = self.files[0][0].absolute()
        return path.parent.name if path.name == "config.yaml" else path.stem

    @property
    def plugins(self) -> list[str]:
        """Modules that the user names, in files and by flag.

        Raises:
            ConfigError: if they are not module names.
        """
        configs = [*(config for _, config in self.files), {"plugins": self["plugins"]}]
        return list(dict.fromkeys(module for config in configs for module in named(config)))

    def load_plugins(self) -> None:
        """Import the installed plugins, then those that files and flags name.

        Raises:
            PluginError: if a named one cannot be imported.
            DuplicateComponent: if two classes of a slot have the same name.
        """
        load_installed()
        load_named({"plugins": self.plugins})
        check_names()


def find_config(name: str) -> Path:
    """Return the file of a name: a path, or a shipped configuration such as `quickstart` or `noise/ionq_forte`.

    A file takes precedence over a shipped configuration; a folder, such as a data folder of that name, does not.
    """
    path = Path(name)
    shipped = SHIPPED / f"{name}.yaml"
    is_name = os.path.isfile(shipped) and shipped.resolve().is_relative_to(SHIPPED.resolve())
    is_file = os.path.lexists(path) and not os.path.isdir(path)
    return shipped if is_name and not is_file else path


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configurations by name."""
    files = sorted(SHIPPED.rglob("*.yaml"), key=lambda path: (len(path.relative_to(SHIPPED).parts), path))
    return {str(path.relative_to(SHIPPED).with_suffix("")): path for path in files}


def locate(path: str, folder: Path) -> str:
    """Resolve a path in a file: beside the file, in the working directory, or among the shipped configurations.

    Args:
        path: path as written in the file; returned unchanged if none of the three has it.
        folder: folder of the file.
    """
    if os.path.isabs(path):
        return path
    for place in (folder, Path(), SHIPPED):
        if os.path.exists(place / path):
            return str(place / path)
    return path


def read_config(path: Path) -> Config:
    """Return a YAML file as a dict.

    Raises:
        ConfigError: if it is missing, unreadable, not a mapping, or has a key twice.
        DocumentError: if it is not YAML, or not plain data.
    """
    try:
        text = path.read_text(encoding="utf-8")
        config = parse_yaml(text, f"the configuration file {path}", load_yaml)
        twice = _repeated_key(yaml.compose(text, Loader=YAML_LOADER), set())
    except FileNotFoundError as err:
        files = [*sorted(str(file) for file in path.parent.glob("*.yaml")), *shipped_configs()]
        raise ConfigError(f"there is no configuration file {path}. {suggestion(str(path), files)}") from err
    except IsADirectoryError as err:
        raise ConfigError(f"{path} is a folder. Choose a configuration file in it") from err
    except OSError as err:
        raise ConfigError(f"cannot read the configuration file {path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"cannot read the configuration file {path}: it is not UTF-8 text: {err}") from err
    if not isinstance(config, dict):
        raise ConfigError(f"the configuration file {path} has no keys: it must be a YAML mapping")
    if twice is not None:
        raise ConfigError(f"{path}, line {twice.start_mark.line + 1}: the key '{twice.value}' is listed twice")
    return config


def _repeated_key(node: Any, visited: set[int]) -> Any:
    """Return the node of the first key that a mapping repeats; YAML itself would use the last one."""
    if id(node) in visited:  # an alias, which may even be inside the node itself
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


def _parse_text(value: Any, key: str) -> Any:
    return parse_argument(str(value), key, load_yaml) if isinstance(value, Text) else value


def _split(args: list[str]) -> Iterator[tuple[str, Text]]:
    """Yield (key, value) of each flag: `--key=value`, `--key value`, or `--key` alone, which means true."""
    words = iter([*args, None])
    word = next(words)
    while word is not None:
        if not word.startswith("-"):
            raise ConfigError(f"'{word}' is not a flag: flags are --key=value or --key value")
        flag, equals, value = word.partition("=")
        key = flag.removeprefix("-").removeprefix("-")
        if "" in key.removesuffix("+").split("."):
            raise ConfigError(f"'{word}' is not a flag: flags are --key=value or --key value")
        key = key if "." in key else key.replace("-", "_")
        word = next(words)
        if equals:
            yield key, Text(value)
        elif word is None or word.startswith("--"):
            yield key, Text("" if key in _HELP else "true")
        else:
            yield key, Text(word)
            word = next(words)
