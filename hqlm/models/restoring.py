"""Recreates trained models from checkpoints: classes by their paths, then weights."""

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
    """Return the model of a checkpoint, on the CPU and ready for `predict`.

    Its optimizer and its schedule are not created; they remain settings. Content that is not the user's own must have
    passed `check_model` before.

    Args:
        checkpoint: content of the file.
        file: path of the file, for messages.
        body: folder of the text encoder, if that was tuned.

    Raises:
        CheckpointError: if this version does not know its settings or weights.
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
            f"{file} holds settings that {model_class.__name__} of this version rejects: {describe(err)}"
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
            f"{file} is corrupt, or from another version of hqlm: {model_class.__name__} cannot take its weights "
            f"({describe(err)})"
        ) from err
    return model.eval()


def model_settings(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a checkpoint as a class with options."""
    options = {name: value for name, value in hparams.items() if name not in ("_class_path", "_instantiator")}
    return {"class_path": hparams["_class_path"], "init_args": options}


def check_model(hparams: Mapping[str, Any], source: Path, plugins: Sequence[str] = ()) -> None:
    """Reject hyperparameters of a checkpoint that name anything but trusted components.

    Trusted are parts of hqlm, of installed plugins, and of modules that are already imported.

    Args:
        hparams: hyperparameters of the checkpoint.
        source: file of the checkpoint, for messages.
        plugins: modules that the user named.

    Raises:
        CheckpointError: with the unknown name, and how to allow it.
        PluginError: if an installed plugin cannot be imported.
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
    """Return placeholders for optimizer and schedule; whether one is set may change how a model is built."""
    stand_ins = {"optimizer": {"class_path": "torch.optim.SGD"}, "schedule": "constant"}
    return {name: value for name, value in stand_ins.items() if options.get(name) is not None}


def _class(path: str) -> type[HqlmModule]:
    module, _, name = path.rpartition(".")
    found: type[HqlmModule] = getattr(importlib.import_module(module), name)
    return found


def import_plugin(module: str) -> Any:
    """Import a module whose components can then be chosen by name.

    Raises:
        PluginError: if the import fails.
    """
    try:
        with say_if_slow(f"still importing the plugin '{module}' ..."):
            return importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as err:  # a plugin may fail in any way while it is imported, sys.exit included
        absent = isinstance(err, ModuleNotFoundError) and module.split(".")[0] == err.name
        advice = ". Its folder must be in the working directory or be installed" if absent else ""
        raise PluginError(f"cannot import the plugin '{module}': {describe(err)}{advice}") from err
