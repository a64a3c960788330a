"""Folders of runs: a new one for every fit, found again to go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from lightning.pytorch.utilities import rank_zero_only

from hqlm.commands.request import Request
from hqlm.errors import CheckpointError, RunError
from hqlm.io import CHECKPOINTS, LAST, RUNS, find_checkpoint

_CONFIG: Final = "config.yaml"  # what a run writes first


@contextmanager
def new_run(request: Request) -> Iterator[Path]:
    """The folder of a new run, made at once so that no other run takes it; gone again when nothing was trained.

    Raises:
        RunError: when the name was given and the run exists.
    """
    explicit = request["name"]
    if explicit is not None:
        check_name(explicit)
        folder = RUNS / explicit
        if not _taken(folder):
            raise RunError(
                f"the run {folder} exists. Give another --name, remove that folder, or go on from it with "
                f"--name={explicit} --ckpt_path=last"
            )
    else:
        stem = request.stem or "run"
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        folder = next(folder for folder in (RUNS / name for name in names) if _taken(folder))
        if folder.name != stem:
            print(f"the run {RUNS / stem} exists; this one is {folder}")
    if not _writes():  # checkpoints go where rank 0 says
        yield folder
        return
    with _kept_if_filled(folder):
        try:
            yield folder
        finally:
            if [path.name for path in folder.glob("*")] == [_CONFIG]:  # it failed before the first logged step
                (folder / _CONFIG).unlink(missing_ok=True)


@contextmanager
def comparison_folder(request: Request) -> Iterator[Path]:
    """The folder of a comparison, new or to go on in, for this process alone; gone again when nothing was written.

    Raises:
        RunError: for a name that is no name, a folder that cannot be made, or one that another process is at.
    """
    name = request["name"]
    if name is None:
        name = f"{request.stem or 'run'}-compare"
    check_name(name)
    folder = RUNS / name
    _taken(folder)
    lock = FileLock(folder.with_name(f".{name}.lock"))  # beside it: the system frees it when a process dies
    try:
        lock.acquire(blocking=False)
    except Timeout as err:
        raise RunError(
            f"another hqlm compare is at work in {folder}. Wait until it has finished, or give another --name"
        ) from err
    try:
        folder.mkdir(exist_ok=True)  # the process before may have left nothing
        with _kept_if_filled(folder):
            yield folder
    finally:
        if not folder.exists():
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def numbered_folder(run: Path, command: str) -> Iterator[Path | None]:
    """The next free folder `<run>/<command>-<k>`, gone again when nothing was written; none but for rank 0."""
    if not _writes():
        yield None
        return
    folder = next(folder for folder in (run / f"{command}-{number}" for number in count(1)) if _taken(folder))
    with _kept_if_filled(folder):
        yield folder


def last_checkpoint(request: Request) -> Path:
    """What `--ckpt_path last` means: `last.ckpt` of the run `--name`, else of the newest run of this configuration.

    Runs of a configuration are called as its file, or that and a number; without a configuration all runs count.

    Raises:
        CheckpointError: when there is none.
    """
    if request["name"] is not None:
        return find_checkpoint(RUNS / request["name"], LAST)
    stem = request.stem
    pattern = re.compile(".*" if stem is None else re.escape(stem) + r"(-\d+)?")
    found = [file for file in RUNS.glob(f"*/{CHECKPOINTS}/{LAST}.ckpt") if pattern.fullmatch(file.parent.parent.name)]
    if not found:
        which = "run" if stem is None else f"run '{stem}'"
        raise CheckpointError(
            f"ckpt_path=last: no {which} below {RUNS.absolute()} has a checkpoint. Leave --ckpt_path out to start one"
        )
    return max(found, key=lambda file: file.stat().st_mtime)


def _writes() -> bool:
    """Whether this is the only process of a run, or the one of several that writes."""
    return int(rank_zero_only.rank) == 0  # type: ignore[attr-defined]


def _taken(folder: Path) -> bool:
    """Whether the folder could be made here and now, and so belongs to this run.

    Raises:
        RunError: when no folder can be made there at all.
    """
    if not _writes():  # rank 0 names the folder
        return True
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as err:  # a file is in the way, or the folder above cannot be written to
        raise RunError(f"cannot make the folder {folder.absolute()}: {err.strerror}. Run from another folder") from err
    return True


@contextmanager
def _kept_if_filled(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):  # rmdir refuses a folder that holds anything
            folder.rmdir()


def check_name(name: object) -> None:
    """Refuse what is no name of a folder.

    Raises:
        RunError: saying what names are made of.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w.=,+-]+", name) or name.startswith("."):
        raise RunError(f"--name={name}: a run is named with letters, digits and - _ . = , +")
