"""Folders of runs: a new one for every fit, found again to go on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Final

from lightning.pytorch.utilities import rank_zero_only

from hqlm.commands.request import Request
from hqlm.errors import CheckpointError, FolderInUse, RunError
from hqlm.files import LOCK, clear_folder, lock_folder
from hqlm.io import CHECKPOINTS, LAST, RUNS, find_checkpoint
from hqlm.models.text_model import BODY

_BEFORE_AN_EPOCH: Final = {"config.yaml", "metrics.csv", CHECKPOINTS, BODY, "wandb", "wandb.json"}
_MAX_NAME: Final = 200  # letters; file systems allow 255, and temporary names are longer


@contextmanager
def new_run(request: Request) -> Iterator[Path]:
    """Make the folder of a new run and hold it; it is removed when training failed before the first logged step.

    A run that ended before its first epoch did starts again in its folder.

    Raises:
        RunError: when the name was given and the run exists, or another process is training it.
    """
    explicit, stem = request["name"], request.stem or "run"
    with ExitStack() as held:
        if explicit is not None:
            check_name(explicit)
            folder = RUNS / explicit
            if not _claim(folder, held, _is_trained):
                has_last = (folder / CHECKPOINTS / f"{LAST}.ckpt").is_file()
                go_on = f", or go on from it with --name={explicit} --ckpt_path=last" if has_last else ""
                raise RunError(f"the run {folder} exists. Give another --name, or remove that folder{go_on}")
        else:
            names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
            folder = _claim_first((RUNS / name for name in names), held, _is_trained)
            if folder.name != stem:
                print(f"the run {RUNS / stem} exists; this one is {folder}")
        try:
            yield folder
        finally:
            if _writes() and {path.name for path in folder.glob("*")} <= {"config.yaml", LOCK}:
                (folder / "config.yaml").unlink(missing_ok=True)


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Hold the folder of a run or comparison for this process, or for those that train together with it.

    Raises:
        FolderInUse: when another process does.
    """
    with lock_folder(folder) if _writes() else nullcontext():
        yield


@contextmanager
def comparison_folder(request: Request) -> Iterator[Path]:
    """Make the folder of a comparison unless it is there, and hold it; it is removed when nothing was written.

    Raises:
        RunError: for a name that is no name, or a folder that another process is at.
    """
    name = request["name"]
    if name is None:
        name = f"{request.stem or 'run'}-compare"
    check_name(name)
    with hold_run(RUNS / name):
        yield RUNS / name


@contextmanager
def numbered_folder(run: Path, command: str) -> Iterator[Path | None]:
    """Make the next free folder `<run>/<command>-<k>` and hold it; it is removed when nothing was written.

    One that a killed process left is used again. Of several processes rank 0 alone gets one.
    """
    if not _writes():
        yield None
        return
    with ExitStack() as held:
        yield _claim_first((run / f"{command}-{number}" for number in count(1)), held, _is_filled)


def last_checkpoint(request: Request) -> Path:
    """What `--ckpt_path last` means: `last.ckpt` of the run `--name`, else of the newest run of this configuration.

    Runs of a configuration are called as its file, or that and a number; without a configuration all runs count.

    Raises:
        CheckpointError: when there is none.
    """
    if request["name"] is not None:
        check_name(request["name"])
        folder = RUNS / request["name"]
        if folder.is_dir() and not (folder / CHECKPOINTS / f"{LAST}.ckpt").is_file():
            raise CheckpointError(
                f"the run {folder} has finished no epoch to go on from. Leave --ckpt_path out to start it"
            )
        return find_checkpoint(folder, LAST)
    stem = request.stem
    pattern = re.compile(".*" if stem is None else re.escape(stem) + r"(-\d+)?")
    found = [file for file in RUNS.glob(f"*/{CHECKPOINTS}/{LAST}.ckpt") if pattern.fullmatch(file.parent.parent.name)]
    if not found:
        which = "run" if stem is None else f"run '{stem}'"
        raise CheckpointError(
            f"ckpt_path=last: no {which} below {RUNS.absolute()} has a checkpoint. Leave --ckpt_path out to start one"
        )
    return max(found, key=lambda file: file.stat().st_mtime)


def _claim_first(folders: Iterable[Path], held: ExitStack, is_kept: Callable[[Path, bool], bool]) -> Path:
    for folder in folders:
        with suppress(FolderInUse):
            if _claim(folder, held, is_kept):
                return folder
    raise AssertionError("there is always another number")


def _claim(folder: Path, held: ExitStack, is_kept: Callable[[Path, bool], bool]) -> bool:
    """Make a folder, or take over what an unfinished process left there, and hold it; False when it holds more.

    Args:
        folder: what to claim.
        held: closed when the folder is no longer needed.
        is_kept: whether a folder that exists must stay as it is; given the folder, and whether the process that held it
            before was killed.

    Raises:
        FolderInUse: when another process holds it.
    """
    if not _writes():  # rank 0 claims it for all
        return True
    with suppress(FileNotFoundError):  # it is new
        if is_kept(folder, (folder / LOCK).exists()):
            return False
    was_killed = held.enter_context(lock_folder(folder))
    if is_kept(folder, was_killed):  # another process was faster
        held.close()
        return False
    clear_folder(folder)
    return True


def _is_trained(run: Path, was_killed: bool) -> bool:
    """Return whether a run has finished an epoch, or its folder holds anything else than a run writes before that."""
    others = {path.name for path in run.iterdir() if not path.name.startswith(".")} - _BEFORE_AN_EPOCH
    checkpoints = [path.stem for path in (run / CHECKPOINTS).glob("*.ckpt")]
    # the best one alone: the process was killed before it wrote the last one, or the user removed that
    return bool(others) or LAST in checkpoints or (bool(checkpoints) and not was_killed)


def _is_filled(folder: Path, was_killed: bool) -> bool:
    return not was_killed and any(path.name != LOCK for path in folder.iterdir())


def _writes() -> bool:
    """Whether this is the only process of a run, or the one of several that writes."""
    return int(rank_zero_only.rank) == 0  # type: ignore[attr-defined]


def check_name(name: object) -> None:
    """Refuse what is no name of a folder.

    Raises:
        RunError: saying what names are made of.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w.=,+-]+", name) or name.startswith("."):
        raise RunError(f"--name={name}: a run is named with letters, digits and - _ . = , +")
    if len(os.fsencode(name)) > _MAX_NAME:
        raise RunError(f"--name={name}: a run is named with at most {_MAX_NAME} letters, not {len(name)}")
