"""Checkpoints and run folders on disk: found by name, read without running code, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hqlm.errors import CheckpointError
from hqlm.files import atomic_file, recover_folder
from hqlm.models.pretrained import WEIGHTS, read_pretrained
from hqlm.models.restoring import restored
from hqlm.registry import suggestion

RUNS: Final = Path("runs")  # where runs lie, below the working directory
CHECKPOINTS: Final = "checkpoints"  # their folder in a run
LAST: Final = "last"  # stem of the checkpoint of the last finished epoch
_UNREADABLE: Final = (  # what torch and pickle raise for files that are no checkpoints, or no longer
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, pickle.UnpicklingError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
BEST: Final = "best"  # how names of checkpoints chosen on the validation data start


def load(path: str | os.PathLike[str]) -> Any:
    """A trained model (a `TextClassifier`, if nothing else was trained), on the CPU and ready for `predict`.

    Args:
        path: a checkpoint, the folder of a run, or the name of a run below `runs/`; of a run its best checkpoint; or a
            folder that `save_pretrained` wrote.

    Raises:
        CheckpointError: when there is no such checkpoint, or it is corrupt or not one of hqlm.
        PluginError: when the module of the model's class or of a component cannot be imported.
    """
    file = find_checkpoint(path)
    model = restored(read_checkpoint(file), file)
    model.checkpoint, model.run_folder = file, run_folder(file)
    return model


def find_checkpoint(path: str | os.PathLike[str], choose: Literal["best", "last"] = "best") -> Path:
    """The checkpoint file that `path` means: a file, a folder of `save_pretrained`, the folder or the name of a run.

    Raises:
        CheckpointError: when there is none.
    """
    given = Path(path)
    recover_folder(given)
    if given.is_file():
        return given
    if (given / WEIGHTS).is_file():
        return given / WEIGHTS
    run = given if (given / CHECKPOINTS).is_dir() else RUNS / given  # a folder of data may have the run's name
    found = sorted((run / CHECKPOINTS).glob(f"{choose}*.ckpt"), key=lambda file: file.stat().st_mtime)
    if found:
        return found[-1]
    if run.is_dir():
        raise CheckpointError(f"the run {run} has no checkpoint {CHECKPOINTS}/{choose}*.ckpt")
    raise CheckpointError(f"no checkpoint '{path}': there is no such file, folder or run. {_known_runs(path)}")


def run_folder(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint file belongs to: the one above `checkpoints`, else its own."""
    parent = checkpoint.absolute().parent
    return parent.parent if parent.name == CHECKPOINTS else parent


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU; nothing in the file is run.

    Raises:
        CheckpointError: when it cannot be read or was not written by hqlm.
    """
    if Path(path).name == WEIGHTS:
        return read_pretrained(Path(path).parent)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not look at the checksums
        checkpoint: Any = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as err:
        raise CheckpointError(
            f"cannot read the checkpoint {path} ({type(err).__name__}): it is missing or corrupt, or holds more than "
            "tensors and plain values"
        ) from err
    if damaged is not None:
        raise CheckpointError(f"the checkpoint {path} is corrupt: the checksum of its part {damaged} does not match")
    hparams = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    if not isinstance(hparams, Mapping) or "_class_path" not in hparams or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} is not a checkpoint of hqlm: it names no model class")
    return checkpoint  # type: ignore[no-any-return]


class CheckpointFiles(TorchCheckpointIO):
    """Checkpoints that are written whole or not at all, and read without running code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` under a temporary name, then rename it."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(Path(path)) as part, part.open("wb") as file:  # with a path, torch hides why it failed
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; tensors are moved where they belong when they are restored."""
        return read_checkpoint(path)


def _known_runs(given: str | os.PathLike[str]) -> str:
    names = sorted(folder.parent.name for folder in RUNS.glob(f"*/{CHECKPOINTS}"))
    return suggestion(str(given), names) if names else f"There are no runs below {RUNS.absolute()}"
