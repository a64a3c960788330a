"""Checks of sizes against the available memory, before anything is allocated."""

from __future__ import annotations

import math
from typing import Final

from hqlm.errors import ConfigError
from hqlm.resources import physical_memory

_TRAINED: Final = 4 * 4  # bytes per trained parameter: value, gradient and two moments of Adam, float32
_MODULE: Final = 10_000  # bytes of a torch module without its tensors


def check_fits(n_bytes: int, what: str, fix: str) -> None:
    """Reject an allocation that does not fit in memory.

    Args:
        n_bytes: size of the allocation.
        what: subject of the message, in the plural, such as `measurements of 10 shots`.
        fix: what to change, as a sentence without its full stop.

    Raises:
        ConfigError: with the needed and the available memory.
    """
    limit = physical_memory()
    if n_bytes > limit:
        raise ConfigError(
            f"{what} take {gibibytes(n_bytes)} of memory, but this process may use {gibibytes(limit)}. {fix}"
        )


def check_parameters(count: int, fix: str, n_modules: int = 1) -> None:
    """Reject trained parameters that do not fit in memory with their gradients and the state of Adam.

    Raises:
        ConfigError: with the needed and the available memory.
    """
    check_fits(count * _TRAINED + n_modules * _MODULE, f"{_count(count)} parameters with their gradients", fix)


def gibibytes(n_bytes: float) -> str:
    """Return a number of bytes in GiB, as a power of two if it has too many digits."""
    if n_bytes == math.inf:
        return "unlimited memory"
    if n_bytes >= 2**70:
        return f"2^{int(n_bytes).bit_length() - 31} GiB"
    return f"{n_bytes / 2**30:,.1f} GiB"


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"2^{number.bit_length() - 1}"
