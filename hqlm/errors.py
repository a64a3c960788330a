"""The errors a user can cause: each says what was given, what is possible and how to fix it.

The command line prints them without a traceback and exits with 2; everything else is a defect of ours.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Final


class HqlmError(Exception):
    """Base of every mistake a user can make and mend."""


class UnknownComponent(HqlmError, KeyError):
    """A name that no imported component has."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr, quotes and all


class DuplicateComponent(HqlmError):
    """Two components of one slot share a name."""


class PluginError(HqlmError):
    """A plugin module that cannot be imported."""


class CircuitError(HqlmError, ValueError):
    """A gate, observable or circuit that cannot exist."""


class ConfigError(HqlmError, ValueError):
    """Settings that contradict each other or lie outside what is possible."""


class UnsupportedExecution(HqlmError):
    """A backend was asked for shots, noise, a gate or a gradient it does not have."""


class RemoteError(HqlmError):
    """A remote device that failed for good, with what it had already measured kept."""


class NotSubmitted(HqlmError):
    """Circuits for a paid device that were kept back: a dry run, or more than the user allows to spend."""


class DocumentError(HqlmError, ValueError):
    """A JSON or YAML document that is malformed, nested too deep, cyclic or too large."""


class DataError(HqlmError, ValueError):
    """A data set with missing files, columns, labels or texts."""


class EncoderError(HqlmError):
    """A text encoder whose weights cannot be reached, or embeddings that cannot be encoded."""


class CacheError(HqlmError):
    """What was kept of embeddings or measurements cannot be read or written."""


class CheckpointError(HqlmError):
    """A checkpoint that cannot be read or does not fit."""


class TrainingError(HqlmError):
    """A training run that cannot go on."""


class RunError(HqlmError):
    """A run folder that is missing or would be overwritten."""


class FolderInUse(RunError):
    """A run folder that another process is writing to."""


class StorageError(HqlmError):
    """A file or folder that cannot be read or written: a full disk, a missing permission, a name that is too long."""


class MissingDependency(HqlmError, ImportError):
    """An optional package that is not installed."""


_FIXES: Final = {
    errno.ENOSPC: "Free some space; what was written before is whole",
    errno.EDQUOT: "Free some space; what was written before is whole",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f); what was written before is whole",
    errno.EACCES: "Change the permissions of that folder, or use another one",
    errno.EPERM: "Change the permissions of that folder, or use another one",
    errno.EROFS: "Use a folder that can be written to",
    errno.ENAMETOOLONG: "Give a shorter one",
    errno.ENOTDIR: "A file is in the way of a folder: move it, or use another name",
    errno.EEXIST: "A file is in the way of a folder: move it, or use another name",
    errno.EISDIR: "A folder is in the way of a file: move it, or use another name",
    errno.ENOENT: "Check the path, and that nothing removes it meanwhile",
    errno.EMFILE: "Raise the limit on open files (ulimit -n)",
    errno.EIO: "The disk is failing",
}
_OF_RUST: Final = re.compile(r"\(os error (\d+)\)")  # how safetensors and tokenizers name an error of the system


def user_mistake(error: BaseException | None) -> HqlmError | None:
    """The first HqlmError among `error` and its causes; libraries wrap what constructors raise."""
    return next((each for each in _chain(error) if isinstance(each, HqlmError)), None)


def storage_error(error: BaseException | None) -> StorageError | None:
    """Return what the file system refused as a mistake of the user; None when that is not what `error` comes from."""
    for each in _chain(error):
        of_rust = _OF_RUST.search(str(each))
        number = int(of_rust[1]) if of_rust else each.errno if isinstance(each, OSError) else None
        if number in _FIXES:
            path = os.fsdecode(getattr(each, "filename", None) or "")
            return StorageError(f"{os.strerror(number)}{f': {path}' if path else ''}. {_FIXES[number]}")
    return None


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether `error` comes from Ctrl-C, which some libraries turn into errors of their own."""
    return any(isinstance(each, KeyboardInterrupt) for each in _chain(error))


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
