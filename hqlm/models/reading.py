"""Reads checkpoints as data: nothing in a file is run, and invalid content is rejected with a message."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from hqlm.errors import CheckpointError
from hqlm.files import check_plain
from hqlm.models.pretrained import WEIGHTS, read_pretrained

_UNREADABLE: Final = (  # raised by torch and pickle for invalid checkpoints
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, pickle.UnpicklingError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_VERSION: Final = "pytorch-lightning_version"
_TYPES: Final[dict[str, Any]] = {  # types of the parts of a checkpoint
    "state_dict": Mapping, "callbacks": Mapping, "loops": Mapping, "optimizer_states": list, "lr_schedulers": list,
    "epoch": int, "global_step": int, _VERSION: str, "planned_steps": int | None, "text_encoder_key": str | None,
}  # fmt: skip
_PATHS: Final = ("best_model_path", "kth_best_model_path", "last_model_path")  # in the state of a ModelCheckpoint
_SCORES: Final = ("best_model_score", "current_score", "kth_value")  # also there


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU; nothing in the file is run, and no object is created from it.

    Raises:
        CheckpointError: if it cannot be read, was not written by hqlm, or contains values of wrong types.
    """
    checkpoint: Any = read_pretrained(Path(path).parent) if Path(path).name == WEIGHTS else _load(path)
    hparams = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    if not isinstance(hparams, Mapping) or not isinstance(hparams.get("_class_path"), str):
        raise CheckpointError(f"{path} is not an hqlm checkpoint: it names no model class")
    check_plain(hparams, str(path))
    wrong = next(_wrong_parts(checkpoint), None)
    if wrong is not None:
        raise CheckpointError(f"{path} is corrupt, or from another version of hqlm or Lightning: {wrong}")
    return checkpoint  # type: ignore[no-any-return]


def _load(path: str | os.PathLike[str]) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not check the checksums
        checkpoint: Any = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as err:
        raise CheckpointError(
            f"cannot read the checkpoint {path} ({type(err).__name__}): it is missing or corrupt, or contains more "
            "than tensors and plain values"
        ) from err
    if damaged is not None:
        raise CheckpointError(f"the checkpoint {path} is corrupt: the checksum of its part {damaged} does not match")
    return checkpoint


def _wrong_parts(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    """Yield which parts of a checkpoint are missing, have a wrong type, or point outside the folder of its run."""
    for key, kind in _TYPES.items():
        if not isinstance(checkpoint.get(key), kind) and (key in checkpoint or key == "state_dict"):
            yield f"its {key} is a {type(checkpoint.get(key)).__name__}"
    yield from _wrong_weights(checkpoint["state_dict"])
    classes = checkpoint["hyper_parameters"].get("class_names")
    if not isinstance(classes, list | tuple | None) or not all(isinstance(name, str) for name in classes or ()):
        yield f"its class_names are {ascii(classes)[:80]}"
    number = checkpoint.get(_VERSION, "0")
    if not re.fullmatch(r"\d[\w.+-]{0,40}", number):
        yield f"its {_VERSION} is {ascii(number)[:80]}"
    for schedule in checkpoint.get("lr_schedulers", ()):
        if not isinstance(schedule, Mapping) or not isinstance(schedule.get("last_epoch"), int):
            yield "one of its lr_schedulers has no last_epoch"
    for keeper in checkpoint.get("callbacks", {}).values():  # Lightning deletes files that these paths name
        if not isinstance(keeper, Mapping) or not {"best_k_models", *_PATHS} & set(keeper):
            continue
        known = keeper.get("best_k_models", {})
        if not isinstance(known, Mapping):
            yield f"its callbacks keep {ascii(known)[:80]}"
            continue
        paths = [*known, *(keeper[name] for name in _PATHS if keeper.get(name) is not None)]
        folder = str(keeper.get("dirpath"))
        yield from (f"its callbacks name {ascii(path)[:80]}" for path in paths if _leads_out(path, folder))
        scores = [*known.values(), *(keeper.get(name) for name in _SCORES)]
        yield from (f"a score of its callbacks is {ascii(each)[:80]}" for each in scores if not _is_score(each))


def _wrong_weights(state: Mapping[Any, Any]) -> Iterator[str]:
    for name, value in state.items():
        if not isinstance(name, str):
            yield f"one of its weights has the name {ascii(name)[:80]}, not a string"
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta or value.is_quantized:
            yield f"its weight {ascii(name)[:80]} is not a dense tensor"


def _is_score(value: Any) -> bool:
    return value is None or (isinstance(value, Tensor) and value.numel() == 1)


def _leads_out(path: Any, folder: str) -> bool:
    """Return whether a value is not a path, or a path that leads out of a folder, by `..` or through a link."""
    if not isinstance(path, str) or "\0" in path:
        return True
    elsewhere = not Path(path).resolve().is_relative_to(Path(folder).resolve())
    return ".." in Path(path).parts or (Path(path).is_relative_to(folder) and elsewhere)
