"""Trained models made again from what a checkpoint holds: classes by their paths, then weights."""

from __future__ import annotations

import importlib
from argparse import ArgumentError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import set_parsing_settings
from lightning.pytorch.cli import instantiate_module

from hqlm.errors import CheckpointError, PluginError, describe
from hqlm.models.base import HqlmModule
from hqlm.notices import say_if_slow

# a class named where any value is allowed stays a dict: files must not choose what is called
set_parsing_settings(instantiate_subclass_spec_in_any=False)


def restored(checkpoint: Mapping[str, Any], file: Path) -> HqlmModule:
    """The model that was read from a file, on the CPU and ready for `predict`.

    Raises:
        CheckpointError: when its settings or weights are none that this version knows.
        PluginError: when the module of its class or of a component cannot be imported.
    """
    hparams = dict(checkpoint["hyper_parameters"])
    hparams.pop("_instantiator", None)
    model_class = import_model(hparams, file)
    try:
        model: HqlmModule = instantiate_module(model_class, hparams)
    except (SystemExit, ArgumentError) as err:
        raise CheckpointError(
            f"{file} holds settings that {model_class.__name__} of this version refuses: {' '.join(str(err).split())}"
        ) from err
    model.find_body(file)
    model.on_load_checkpoint(dict(checkpoint))
    model.configure_model()
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def import_model(hparams: Mapping[str, Any], source: Path) -> type[HqlmModule]:
    """The model class that a checkpoint names, after importing the modules of all its components.

    Raises:
        CheckpointError: when that class is no model of hqlm.
        PluginError: when a module cannot be imported.
    """
    for path in class_paths(hparams):
        import_plugin(path.rpartition(".")[0])
    module, _, name = str(hparams["_class_path"]).rpartition(".")
    found = getattr(import_plugin(module), name, None)
    if not (isinstance(found, type) and issubclass(found, HqlmModule)):
        raise CheckpointError(f"{source} names the class {module}.{name}, which is no HqlmModule")
    return found


def class_paths(config: Any) -> list[str]:
    """Every class path in a configuration, from the outside in."""
    if isinstance(config, Mapping):
        here = [config[key] for key in ("class_path", "_class_path") if isinstance(config.get(key), str)]
        return here + [path for value in config.values() for path in class_paths(value)]
    if isinstance(config, list | tuple):
        return [path for value in config for path in class_paths(value)]
    return []


def import_plugin(module: str) -> Any:
    """Import a module whose components shall be known by name.

    Raises:
        PluginError: when that fails.
    """
    try:
        with say_if_slow(f"still importing the plugin '{module}' ..."):
            return importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as err:  # a plugin may fail in any way while it is imported, sys.exit included
        absent = isinstance(err, ModuleNotFoundError) and module.split(".")[0] == err.name
        advice = ". Its folder must lie in the working directory or be installed" if absent else ""
        raise PluginError(f"cannot import the plugin '{module}': {describe(err)}{advice}") from err
