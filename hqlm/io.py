"""Checkpoints and run folders on disk: found by name, read as data, written whole or not at all.

Reading a file unpickles tensors and plain values alone; making a model of it imports and calls nothing but components
that `hqlm.models.trust` lets through.
"""

from __future__ import annotations

import os
import pickle
import re
import traceback
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from hqlm.errors import CheckpointError, user_mistake
from hqlm.files import atomic_file, check_plain, recover_folder
from hqlm.models.pretrained import WEIGHTS, read_pretrained
from hqlm.models.restoring import check_model, import_plugin, restored
from hqlm.registry import suggestion

RUNS: Final = Path("runs")  # where runs lie, below the working directory
CHECKPOINTS: Final = "checkpoints"  # their folder in a run
LAST: Final = "last"  # stem of the checkpoint of the last finished epoch
_UNREADABLE: Final = (  # what torch and pickle raise for files that are no checkpoints, or no longer
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, pickle.UnpicklingError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_VERSION: Final = "pytorch-lightning_version"
_TYPES: Final[dict[str, Any]] = {  # of what a checkpoint holds
    "state_dict": Mapping, "callbacks": Mapping, "loops": Mapping, "optimizer_states": list, "lr_schedulers": list,
    "epoch": int, "global_step": int, _VERSION: str, "planned_steps": int | None, "text_encoder_key": str | None,
}  # fmt: skip
_SHOWN: Final = 300  # letters of a message of Lightning
_PATHS: Final = ("best_model_path", "kth_best_model_path", "last_model_path")  # in the state of a ModelCheckpoint
BEST: Final = "best"  # how names of checkpoints chosen on the validation data start


def load(path: str | os.PathLike[str], *, plugins: Sequence[str] = ()) -> Any:
    """A trained model (a `TextClassifier`, if nothing else was trained), on the CPU and ready for `predict`.

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


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a checkpoint holds, on the CPU; nothing in the file is run, and nothing is made of its settings.

    Raises:
        CheckpointError: when it cannot be read, was not written by hqlm, or holds values of wrong types.
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
    if not isinstance(hparams, Mapping) or not isinstance(hparams.get("_class_path"), str):
        raise CheckpointError(f"{path} is not a checkpoint of hqlm: it names no model class")
    check_plain(hparams, str(path))
    wrong = next(_wrong_parts(checkpoint), None)
    if wrong is not None:
        raise CheckpointError(f"{path} is corrupt, or of another version of hqlm or Lightning: {wrong}")
    return checkpoint  # type: ignore[no-any-return]


def _wrong_parts(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    """What is missing in a checkpoint, of a wrong type, or leads out of the folder of its run."""
    for key, kind in _TYPES.items():
        if not isinstance(checkpoint.get(key), kind) and (key in checkpoint or key == "state_dict"):
            yield f"its {key} is a {type(checkpoint.get(key)).__name__}"
    state = checkpoint["state_dict"]
    yield from (f"its weight {ascii(name)[:80]} is no tensor" for name in state if not isinstance(state[name], Tensor))
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
        known = keeper.get("best_k_models") if isinstance(keeper, Mapping) else None
        paths = [*known, *(keeper.get(name) or "" for name in _PATHS)] if isinstance(known, Mapping) else []
        folder = str(keeper.get("dirpath")) if paths else ""
        yield from (f"its callbacks name {ascii(path)[:80]}" for path in paths if _leads_out(str(path), folder))


def _leads_out(path: str, folder: str) -> bool:
    """Whether a path in a folder leads elsewhere, by its steps or through a link."""
    elsewhere = not Path(path).resolve().is_relative_to(Path(folder).resolve())
    return ".." in Path(path).parts or (Path(path).is_relative_to(folder) and elsewhere)


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
            f"({type(err).__name__}: {' '.join(str(err).split())[:_SHOWN]})"
        ) from err


def _is_of_trainer(error: BaseException) -> bool:
    """Whether Lightning or an optimizer of torch has raised an exception, and no part of a model that they call."""
    modules = [f"{frame.f_globals.get('__name__')}." for frame, _ in traceback.walk_tb(error.__traceback__)]
    raising = [name for name in modules if not name.startswith("torch.") or name.startswith("torch.optim.")]
    return bool(raising) and raising[-1].startswith(("lightning.", "torch.optim."))


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

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a file of the local disk, no folder and no address: checkpoints say which earlier ones to remove."""
        file = Path(path)
        if file.is_file():
            file.unlink()


def _known_runs(given: str | os.PathLike[str]) -> str:
    names = sorted(folder.parent.name for folder in RUNS.glob(f"*/{CHECKPOINTS}"))
    return suggestion(str(given), names) if names else f"There are no runs below {RUNS.absolute()}"
