"""Trained models made again from what a checkpoint holds: classes by their paths, then weights."""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.cli import instantiate_module

from hqlm.errors import CheckpointError, HqlmError, PluginError, describe
from hqlm.models.base import HqlmModule
from hqlm.models.renamed import describe_renamed
from hqlm.models.trust import PLUGINS, check_trusted
from hqlm.notices import say_if_slow

_PARTS: Final = {
    "algorithms",
    "backends",
    "circuits",
    "encoders",
    "heads",
    "kernels",
    "models",
    "tasks",
}  # packages that components live in


def restored(checkpoint: Mapping[str, Any], file: Path, body: Path) -> HqlmModule:
    """Return the model that was read from a file, on the CPU and ready for `predict`.

    Neither its optimizer nor its schedule is made: they remain settings. What is not the user's own must have passed
    `check_model` before.

    Args:
        checkpoint: what the file holds.
        file: for messages.
        body: folder of the text encoder, where that was tuned.

    Raises:
        CheckpointError: when its settings or weights are none that this version knows.
    """
    hparams = dict(checkpoint["hyper_parameters"])
    settings = model_settings(hparams)
    model_class = _class(settings["class_path"])
    options = {**settings["init_args"], **_without_training(settings["init_args"])}
    try:
        model: HqlmModule = instantiate_module(model_class, {**options, "_class_path": settings["class_path"]})
    except HqlmError:
        raise
    except (SystemExit, ArgumentError, TypeError, ValueError) as err:
        raise CheckpointError(
            f"{file} holds settings that {model_class.__name__} of this version refuses: {describe(err)}"
        ) from err
    model.hparams.update({name: value for name, value in hparams.items() if name in ("optimizer", "schedule")})
    model.find_body(body)
    try:
        model.on_load_checkpoint(dict(checkpoint))
        model.configure_model()
        model.load_state_dict(checkpoint["state_dict"])
    except HqlmError:
        raise
    except (TypeError, AttributeError, RuntimeError, LookupError) as err:
        raise CheckpointError(
            f"{file} is corrupt, or of another version of hqlm: {model_class.__name__} cannot take its weights "
            f"({describe(err)})"
        ) from err
    return model.eval()


def model_settings(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a checkpoint as a class with options."""
    options = {name: value for name, value in hparams.items() if name not in ("_class_path", "_instantiator")}
    return {"class_path": hparams["_class_path"], "init_args": options}


def check_model(hparams: Mapping[str, Any], source: Path, plugins: Sequence[str] = ()) -> None:
    """Refuse hyperparameters of a checkpoint that name anything but components the user can be held to want.

    These are parts of hqlm, of plugins that are installed, and of modules that are imported already.

    Args:
        hparams: of the checkpoint.
        source: file that they come from, for messages.
        plugins: modules that the user named.

    Raises:
        CheckpointError: naming what is unknown, and how to allow it.
        PluginError: when an installed plugin cannot be imported.
    """
    renamed = describe_renamed(hparams["_class_path"])
    if renamed:
        raise CheckpointError(f"{source} was written by an earlier version of hqlm: {renamed}. Train the model again")
    settings = model_settings(hparams)
    for path in class_paths(settings):
        part = path.split(".")[1:2]
        if path.startswith("hqlm.") and part[0] in _PARTS:
            importlib.import_module(f"hqlm.{part[0]}")
    missing = {path.split(".")[0] for path in class_paths(settings) if path.rpartition(".")[0] not in sys.modules}
    for entry in entry_points(group=PLUGINS) if missing else ():
        if entry.module.split(".")[0] in missing:
            import_plugin(entry.module)
    check_trusted(settings, source, plugins, HqlmModule)


def class_paths(config: Any) -> list[str]:
    """Return every class path in a configuration, from the outside in."""
    if isinstance(config, Mapping):
        here = [config["class_path"]] if isinstance(config.get("class_path"), str) else []
        return here + [path for value in config.values() for path in class_paths(value)]
    if isinstance(config, list | tuple):
        return [path for value in config for path in class_paths(value)]
    return []


def _without_training(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stand-ins for optimizer and schedule; without one, a model may be built otherwise than with one."""
    stand_ins = {"optimizer": {"class_path": "torch.optim.SGD"}, "schedule": "constant"}
    return {name: value for name, value in stand_ins.items() if options.get(name) is not None}


def _class(path: str) -> type[HqlmModule]:
    module, _, name = path.rpartition(".")
    found: type[HqlmModule] = getattr(importlib.import_module(module), name)
    return found


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
