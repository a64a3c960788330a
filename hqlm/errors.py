"""The errors a user can cause: each says what was given, what is possible and how to fix it.

The command line prints them without a traceback and exits with 2; everything else is a defect of ours.
"""

from __future__ import annotations


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


class ComponentError(HqlmError):
    """A component from outside hqlm that breaks the contract of its slot."""


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


def describe(error: BaseException) -> str:
    """Return the type and the message of any exception in one line of at most 300 characters."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # a plugin's own exception may fail to print
        said = ""
    return f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__


def user_mistake(error: BaseException | None) -> HqlmError | None:
    """The first HqlmError among `error` and its causes; libraries wrap what constructors raise."""
    while error is not None and not isinstance(error, HqlmError):
        error = error.__cause__ or error.__context__
    return error
