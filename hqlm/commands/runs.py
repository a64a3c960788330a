"""Folders of runs: a new one for every fit, found again to go on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Final

from lightning.pytorch.utilities import rank_zero_only

from hqlm.commands.request import Request
from hqlm.errors import CheckpointError, FolderInUse, RunError
from hqlm.files import LOCK, list_leftovers, lock_folder, remove_leftovers
from hqlm.io import BEST, CHECKPOINTS, LAST, RUNS, find_checkpoint

_BEFORE_AN_EPOCH: Final = re.compile(
    rf"config\.yaml|metrics\.csv|{CHECKPOINTS}|wandb(/((offline-)?run-\d[^/]*(/.*)?|latest-run|debug[^/]*\.log))?"
)
_BEFORE_RESULTS: Final = re.compile(r"config\.yaml")
_MAX_NAME: Final = 200  # letters; file systems allow 255, and temporary names are longer


@contextmanager
def new_run(request: Request) -> Iterator[Path]:
    """Make the folder of a new run and hold it; it is removed when training failed before the first logged step.

    A run whose process was killed in its first epoch starts again in its folder, unless anything else lies there.

    Raises:
        RunError: when the name was given and the run exists, or another process is training it.
    """
    explicit, stem = request["name"], request.stem or "run"
    with ExitStack() as held:
        if explicit is not None:
            check_name(explicit)
            folder = RUNS / explicit
            if not _claim(folder, held, _BEFORE_AN_EPOCH):
                has_last = (folder / CHECKPOINTS / f"{LAST}.ckpt").is_file()
                go_on = f", or go on from it with --name={explicit} --ckpt_path=last" if has_last else ""
                raise RunError(f"the run {folder} exists. Give another --name, or remove that folder{go_on}")
        else:
            names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
            folder = _claim_first((RUNS / name for name in names), held, _BEFORE_AN_EPOCH)
            if folder.name != stem:
                print(f"the run {RUNS / stem} exists; this one is {folder}")
        try:
            yield folder
        finally:
            if _writes() and {path.name for path in folder.glob("*")} <= {"config.yaml", LOCK}:
                (folder / "config.yaml").unlink(missing_ok=True)


def discard_unfinished(run: Path) -> None:
    """Remove what an interrupted new run has written, unless it has finished an epoch."""
    if _writes():
        remove_leftovers(list_leftovers(run, _BEFORE_AN_EPOCH, True) or [])


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

    One that a killed process left without results is used again. Of several processes rank 0 alone gets one.
    """
    if not _writes():
        yield None
        return
    with ExitStack() as held:
        yield _claim_first((run / f"{command}-{number}" for number in count(1)), held, _BEFORE_RESULTS)


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
            best = next((folder / CHECKPOINTS).glob(f"{BEST}*.ckpt"), None)
            if best is not None:
                raise CheckpointError(f"the run {folder} has no {LAST}.ckpt. Go on with --ckpt_path={best}")
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


def _claim_first(folders: Iterable[Path], held: ExitStack, unfinished: re.Pattern[str]) -> Path:
    for folder in folders:
        with suppress(FolderInUse):
            if _claim(folder, held, unfinished):
                return folder
    raise AssertionError("there is always another number")


def _claim(folder: Path, held: ExitStack, unfinished: re.Pattern[str]) -> bool:
    """Make a folder, or take over what a killed process left there, and hold it; False when it holds anything else.

    Args:
        folder: what to claim.
        held: closed when the folder is no longer needed.
        unfinished: names of what a killed process may have left, which are removed.

    Raises:
        FolderInUse: when another process holds it.
    """
    if not _writes():  # rank 0 claims it for all
        return True
    with suppress(FileNotFoundError):  # removed by the process that held it
        if os.path.lexists(folder) and list_leftovers(folder, unfinished, (folder / LOCK).exists()) is None:
            return False
    was_killed = held.enter_context(lock_folder(folder))
    leftovers = list_leftovers(folder, unfinished, was_killed)
    if leftovers is None:  # another process was faster
        held.close()
        return False
    remove_leftovers(leftovers)
    return True


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
