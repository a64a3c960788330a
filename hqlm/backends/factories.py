"""Creates user-defined devices and samplers from a class or function that a configuration names."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from hqlm.errors import ConfigError
from hqlm.registry import suggestion


def create_from(option: str, path: str, hint: str) -> Any:
    """Return the result of a class or function called without arguments.

    Args:
        option: name of the option, for messages.
        path: dotted path of the class or function.
        hint: what to write instead of a path without a module.

    Raises:
        ConfigError: if there is no such class or function, it needs arguments, or it fails.
    """
    return _call(option, path, _factory(option, path, hint))


def _factory(option: str, path: str, hint: str) -> Any:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise ConfigError(f"{option}={path}: {hint}")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{option}={path}: cannot import {module_name}: {error}") from error
    if not hasattr(module, name):
        known = [each for each in dir(module) if not each.startswith("_")]
        raise ConfigError(f"{option}={path}: {module_name} has no '{name}'. {suggestion(name, known)}")
    return getattr(module, name)


def _call(option: str, path: str, factory: Any) -> Any:
    if not callable(factory):
        raise ConfigError(f"{option}={path} is a {type(factory).__name__}; it must be a class or a function")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ConfigError(
            f"{option}={path} is called without arguments: {error}. Write a function that passes them"
        ) from error
    try:
        return factory()
    except Exception as error:  # a provider may raise anything, for example for accounts or networks
        raise ConfigError(f"{option}={path} failed: {type(error).__name__}: {error}") from error
