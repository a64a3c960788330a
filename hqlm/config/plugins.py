"""Imports plugins before the parser is built, so that their classes have names there."""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hqlm.config.slots import SLOTS
from hqlm.errors import ConfigError, describe
from hqlm.models.restoring import import_plugin
from hqlm.models.trust import PLUGINS
from hqlm.notices import say_if_slow


class BrokenPlugin(UserWarning):
    """An installed plugin that could not be imported and is skipped."""


def load_installed() -> None:
    """Import the plugins of installed packages; skip a broken one with a warning."""
    for entry in sorted(entry_points(group=PLUGINS), key=lambda entry: (_package(entry), entry.name)):
        title = f"the plugin '{entry.name}' of the package '{_package(entry)}'"
        try:
            with say_if_slow(f"still importing {title} ..."):
                entry.load()
        except KeyboardInterrupt:
            raise
        except BaseException as err:  # a plugin may fail in any way while it is imported, sys.exit included
            warnings.warn(
                f"{title} is left out: {describe(err)}",
                BrokenPlugin,
                stacklevel=2,
            )


def load_named(config: dict[str, Any]) -> None:
    """Import the modules that a configuration of the user names under `plugins`.

    Raises:
        ConfigError: if they are not module names.
        PluginError: if one cannot be imported.
    """
    for module in named(config):
        import_plugin(module)


def named(config: dict[str, Any]) -> list[str]:
    """Return the modules that a configuration names under `plugins`.

    Raises:
        ConfigError: if they are not module names.
    """
    plugins = config.get("plugins") or []
    modules = [plugins] if isinstance(plugins, str) else plugins
    if not isinstance(modules, list) or not all(isinstance(module, str) for module in modules):
        raise ConfigError(f"plugins must be a list of module names, such as [plugins.my_backend], got {plugins!r}")
    return modules


def check_names() -> None:
    """Reject two classes with the same name in a slot.

    Raises:
        DuplicateComponent: with the modules of both.
    """
    for registry in SLOTS.values():
        for name in registry:
            registry[name]


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"
