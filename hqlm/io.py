"""Checkpoints and run folders on disk: found by name, read as data, written whole or not at all.

Reading a file unpickles tensors and plain values alone; making a model of it imports and calls nothing but components
that `hqlm.models.trust` lets through.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hqlm.errors import CheckpointError, describe, user_mistake
from hqlm.files import atomic_file, recover_folder
from hqlm.models.pretrained import WEIGHTS
from hqlm.models.reading import read_checkpoint as read_checkpoint
from hqlm.models.restoring import check_model, import_plugin, restored
from hqlm.registry import suggestion

RUNS: Final = Path("runs")  # where runs lie, below the working directory
CHECKPOINTS: Final = "checkpoints"  # their folder in a run
LAST: Final = "last"  # stem of the checkpoint of the last finished epoch
BEST: Final = "best"  # how names of checkpoints chosen on the validation data start


def load(path: str | os.PathLike[str], *, plugins: Sequence[str] = ()) -> Any:
    """A trained model (a `TextModel`, if nothing else was trained), on the CPU and ready for `predict`.

    Args:
        path: a checkpoint, the folder of a run, or the name of a run below `runs/`; of a run its best checkpoint; or a
            folder that `save_pretrained` wrote.
        plugins: modules to import first, where the model has components that are no part of hqlm or of an installed
            plugin. Nothing is imported on the word of the file.

    Raises:
        CheckpointError: when there is no such checkpoint, it is corrupt or not one of hqlm, or it names classes that
            are not known.
        PluginError: when a plugin cannot be imported.
    """
    for plugin in plugins:
        import_plugin(plugin)
    file = find_checkpoint(path)
    checkpoint = read_checkpoint(file)
    check_model(checkpoint["hyper_parameters"], file, plugins)
    model = restored(checkpoint, file)
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


@contextmanager
def restoring(trainer: Trainer, checkpoint: Path | None) -> Iterator[None]:
    """Say that a checkpoint does not fit where Lightning or an optimizer fails with the state that it took from one.

    Raises:
        CheckpointError: naming the checkpoint and what was wrong.
    """
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError, AssertionError) as err:
        fails_with_state = trainer._checkpoint_connector._loaded_checkpoint or _is_of_trainer(err)
        if checkpoint is None or user_mistake(err) or not fails_with_state:
            raise
        raise CheckpointError(
            f"cannot go on from {checkpoint}: it is corrupt, or of another version of hqlm or Lightning "
            f"({describe(err)})"
        ) from err


def _is_of_trainer(error: BaseException) -> bool:
    """Whether Lightning or an optimizer of torch has raised an exception, and no part of a model that they call."""
    modules = [f"{frame.f_globals.get('__name__')}." for frame, _ in traceback.walk_tb(error.__traceback__)]
    raising = [name for name in modules if not name.startswith("torch.") or name.startswith("torch.optim.")]
    return bool(raising) and raising[-1].startswith(("lightning.", "torch.optim."))


class CheckpointFiles(TorchCheckpointIO):
    """Checkpoints that are written whole or not at all, and read without running code.

    Args:
        folder: of the run, whose earlier checkpoints may be removed; None removes none but those written here.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = None if folder is None else (folder / CHECKPOINTS).resolve()
        self._written: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` under a temporary name, then rename it."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(Path(path)) as part, part.open("wb") as file:  # with a path, torch hides why it failed
            torch.save(checkpoint, file)
        self._written.add(Path(path).resolve())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; tensors are moved where they belong when they are restored."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint that was written here, or a `*.ckpt` file in the checkpoints of the run.

        Checkpoints and configurations say which earlier ones to remove, so all else they name is left alone.
        """
        file = Path(path).resolve()
        own = self._folder is not None and file.suffix == ".ckpt" and file.is_relative_to(self._folder)
        if (own or file in self._written) and file.is_file() and not Path(path).is_symlink():
            file.unlink()


def _known_runs(given: str | os.PathLike[str]) -> str:
    names = sorted(folder.parent.name for folder in RUNS.glob(f"*/{CHECKPOINTS}"))
    return suggestion(str(given), names) if names else f"There are no runs below {RUNS.absolute()}"
