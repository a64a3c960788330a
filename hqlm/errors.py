"""The errors a user can cause: each says what was given, what is possible and how to fix it.

The command line prints them without a traceback and exits with 2; everything else is a defect of ours.
"""

from __future__ import annotations

import re
import traceback
from typing import Final

_LONGEST_WORD: Final = 300
_LONGEST_MESSAGE: Final = 2000
_REFUSING: Final = {"lightning": "trainer", "torch.optim": "model.optimizer"}  # packages, and the options they refuse
_REFUSALS: Final = (ValueError, TypeError, RuntimeError, AssertionError)  # that they raise for it
_MISCONFIGURATION: Final = "MisconfigurationException"  # of Lightning, which this module does not import


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


class MissingDependency(HqlmError, ImportError):
    """An optional package that is not installed."""


def user_mistake(error: BaseException | None) -> HqlmError | None:
    """Return the mistake of the user behind an exception, or None when there is none.

    That is the first HqlmError among `error` and its causes, since libraries wrap what constructors raise; or else a
    file that the system does not let us use, or a setting that Lightning or an optimizer of torch refuses as it runs.
    """
    chain = []
    while error is not None:
        if isinstance(error, HqlmError):
            return error
        chain.append(error)
        error = error.__cause__ or error.__context__
    return next(filter(None, map(_refused, chain)), None)


def refusal(error: BaseException, option: str) -> ConfigError:
    """Return the ConfigError for settings at `option` that a library has refused with `error`."""
    return ConfigError(f"{option}: {' '.join(str(error).split()) or type(error).__name__}")


def _refused(error: BaseException) -> HqlmError | None:
    if isinstance(error, OSError) and error.filename is not None:
        return RunError(f"cannot use {error.filename}: {error.strerror}")
    if (
        not isinstance(error, ValueError | TypeError | RuntimeError | AssertionError)
        and type(error).__name__ != _MISCONFIGURATION
    ):
        return None
    module = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")  # the last one has raised it
    option = next((option for package, option in _REFUSING.items() if f"{module}.".startswith(f"{package}.")), None)
    return None if option is None else refusal(error, option)


def shorten(message: str) -> str:
    """Return a message cut to what can be read at a terminal, with control characters and half surrogates escaped.

    The start says what is wrong and the end how to fix it: what is left out lies between them.
    """
    message = re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda found: _cut(found[0], _LONGEST_WORD), message)
    message = _cut(message, _LONGEST_MESSAGE)
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in message)


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: 2 * length // 3]}[... {len(text) - length:,} characters ...]{text[-(length // 3) :]}"
