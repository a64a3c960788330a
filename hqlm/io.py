"""Checkpoints on disk: read as data, written atomically, resumed by a trainer."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hqlm.errors import CheckpointError, describe, user_mistake
from hqlm.files import atomic_file
from hqlm.models.reading import read_checkpoint


@contextmanager
def restoring(trainer: Trainer, checkpoint: Path | None) -> Iterator[None]:
    """Report that a checkpoint does not fit if Lightning or an optimizer fails with its state.

    Raises:
        CheckpointError: with the checkpoint and the error.
    """
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError, AssertionError) as err:
        fails_with_state = trainer._checkpoint_connector._loaded_checkpoint or _is_of_trainer(err)
        if checkpoint is None or user_mistake(err) or not fails_with_state:
            raise
        raise CheckpointError(
            f"cannot resume from {checkpoint}: it is corrupt, or from another version of hqlm or Lightning "
            f"({describe(err)})"
        ) from err


def _is_of_trainer(error: BaseException) -> bool:
    """Return whether an exception comes from Lightning or an optimizer of torch, not from a model that they call."""
    modules = [f"{frame.f_globals.get('__name__')}." for frame, _ in traceback.walk_tb(error.__traceback__)]
    raising = [name for name in modules if not name.startswith("torch.") or name.startswith("torch.optim.")]
    return bool(raising) and raising[-1].startswith(("lightning.", "torch.optim."))


class CheckpointFiles(TorchCheckpointIO):
    """Checkpoints that are written atomically, and read without running code.

    Args:
        folder: folder whose earlier checkpoints may be removed; None only removes those written here.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = None if folder is None else folder.resolve()
        self._written: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` under a temporary name, then rename it."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(Path(path)) as part, part.open("wb") as file:  # with a path, torch hides why it failed
            torch.save(checkpoint, file)
        self._written.add(Path(path).resolve())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; tensors are moved to their devices when they are restored."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint that was written here, or a `*.ckpt` file in the checkpoints of the run.

        Checkpoints and configurations say which earlier ones to remove, so everything else they name is left alone.
        """
        file = Path(path).resolve()
        own = self._folder is not None and file.suffix == ".ckpt" and file.is_relative_to(self._folder)
        if (own or file in self._written) and file.is_file() and not Path(path).is_symlink():
            file.unlink()
