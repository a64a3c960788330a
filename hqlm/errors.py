"""Errors that a user can cause: each says what was given, what is possible and how to fix it.

The command line prints them without a traceback and exits with 2; all other exceptions are bugs in hqlm.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterable
from typing import Final


class HqlmError(Exception):
    """Base class of all errors that a user can cause and fix."""


class UnknownComponent(HqlmError, KeyError):
    """A name that no imported component has."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr, with quotes


class DuplicateComponent(HqlmError):
    """Two components of one slot share a name."""


class PluginError(HqlmError):
    """A plugin module that cannot be imported."""


class ComponentError(HqlmError):
    """A component from outside hqlm that breaks the contract of its slot."""


class CircuitError(HqlmError, ValueError):
    """A gate, observable or circuit that cannot exist."""


class ConfigError(HqlmError, ValueError):
    """Settings that contradict each other or are out of range."""


class UnsupportedExecution(HqlmError):
    """A backend was asked for shots, noise, a gate or a gradient that it does not support."""


class RemoteError(HqlmError):
    """A remote device that failed permanently; its measurements so far are stored."""


class NotSubmitted(HqlmError):
    """Circuits for a paid device that were not sent: a dry run, or a cost above the user's limit."""


class DocumentError(HqlmError, ValueError):
    """A JSON or YAML document that is malformed, nested too deeply, cyclic or too large."""


class DataError(HqlmError, ValueError):
    """A data set with missing files, columns, labels or texts."""


class EncoderError(HqlmError, ValueError):
    """A text encoder whose weights cannot be loaded, or embeddings that cannot be encoded."""


class CacheError(HqlmError):
    """Stored embeddings or measurements that cannot be read or written."""


class CheckpointError(HqlmError):
    """A checkpoint that cannot be read or does not fit."""


class TrainingError(HqlmError):
    """A training run that cannot continue."""


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
_OF_RUST: Final = re.compile(r"\(os error (\d+)\)")  # format of system errors in safetensors and tokenizers
_OPTIONS: Final = {"lightning": "trainer", "torch.optim": "model.optimizer"}  # of packages that reject settings
_REFUSALS: Final = {"ValueError", "TypeError", "RuntimeError", "AssertionError", "MisconfigurationException"}
_LONGEST_WORD: Final = 300
_LONGEST_MESSAGE: Final = 2000


def user_mistake(error: BaseException | None) -> HqlmError | None:
    """Return the user error behind an exception, or None if there is none.

    That is the first HqlmError among `error` and its causes, since libraries wrap exceptions of constructors; or else
    an error of the file system, or a setting that Lightning or an optimizer of torch rejects at run time.
    """
    chain = _chain(error)
    own = [each for each in chain if isinstance(each, HqlmError)]
    return own[0] if own else _storage_error(chain) or next(filter(None, map(_find_refused_setting, chain)), None)


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether `error` comes from Ctrl-C, which some libraries turn into their own errors."""
    return any(isinstance(each, KeyboardInterrupt) for each in _chain(error))


def refusal(error: Exception, option: str) -> HqlmError | None:
    """Return the user error behind an exception of a class that the user has named or configured.

    Args:
        error: exception raised while the class was created.
        option: key of the class in the configuration, for messages.

    Returns:
        None for a bug in hqlm, that is for an exception from hqlm's code that is not an `HqlmError`.
    """
    mistake = user_mistake(error)
    if mistake is None and not any(_module(each).split(".")[0] == "hqlm" for each in _causes(error)):
        mistake = ConfigError(f"{option}: {_message(error) or type(error).__name__}")
    return mistake


def describe(error: BaseException) -> str:
    """Return the type and the message of any exception in one line of at most 300 characters."""
    said = _message(error)
    return f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__


def abbreviate(text: str, length: int = 60) -> str:
    """Return a text for a message on one line: at most `length` characters, with non-printing ones escaped."""
    cut = text if len(text) <= length else text[:length] + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut)


def list_names(names: Iterable[str], shown: int = 10) -> str:
    """Return the first of some names for a message, each abbreviated, and how many more there are."""
    every = list(names)
    rest = len(every) - shown
    return ", ".join(map(abbreviate, every[:shown])) + (f" and {rest:,} more" if rest > 0 else "")


def shorten(message: str) -> str:
    """Shorten a message for the terminal, with control characters and half surrogates escaped.

    The start states the problem and the end the fix, so the middle is left out.
    """
    message = re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda found: _cut_middle(found[0], _LONGEST_WORD), message)
    message = _cut_middle(message, _LONGEST_MESSAGE)
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in message)


def _message(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # a plugin's exception may fail to print
        return ""


def _storage_error(chain: list[BaseException]) -> StorageError | None:
    for error in chain:
        of_rust = _OF_RUST.search(_message(error))
        number = int(of_rust[1]) if of_rust else error.errno if isinstance(error, OSError) else None
        handled = number == errno.ENOENT and error not in _causes(chain[0])  # a missing file was expected
        if number in _FIXES and not handled:
            path = os.fsdecode(getattr(error, "filename", None) or "")
            return StorageError(f"{os.strerror(number)}{f': {path}' if path else ''}. {_FIXES[number]}")
    return None


def _find_refused_setting(error: BaseException) -> ConfigError | None:
    if type(error).__name__ not in _REFUSALS:
        return None
    module = _module(error)
    option = next((option for package, option in _OPTIONS.items() if f"{module}.".startswith(f"{package}.")), None)
    return None if option is None else ConfigError(f"{option}: {_message(error) or type(error).__name__}")


def _module(error: BaseException) -> str:
    """Return the name of the module that raised an exception."""
    modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return modules[-1] if modules else ""


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return an exception and what it was raised from."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__
    return causes


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an exception, what it was raised from, and what was being handled then."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def _cut_middle(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: 2 * length // 3]}[... {len(text) - length:,} characters ...]{text[-(length // 3) :]}"
