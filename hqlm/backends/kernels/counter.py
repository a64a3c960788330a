"""Counters that one thread adds to and another watches, both without the interpreter lock.

A sleeping thread takes some 50 microseconds to wake, as long as a small kernel runs; a watching thread reacts at once.
It watches for only a fifth of a millisecond, so that an idle program leaves the cores to others.
"""

from __future__ import annotations

import platform
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from hqlm.backends.kernels.cache import cached

_LOOKS: Final = 8_000  # polls of some 25 nanoseconds each


class Counter:
    """A counter that only grows, from 0."""

    def __init__(self) -> None:
        self._number = np.zeros(1, dtype=np.int64)
        self._address = self._number.ctypes.data

    def add(self, amount: int) -> None:
        """Add to the counter."""
        count(self._address, amount, self._address, 0)

    def watch(self, target: int) -> None:
        """Return when the counter is at least `target`, or after a fifth of a millisecond."""
        count(self._address, 0, self._address, target)

    def add_and_watch(self, amount: int, other: Counter, target: int) -> None:
        """Add to the counter and watch another.

        The interpreter lock is released before the addition, so that the thread that watches this one finds it free.
        """
        count(self._address, amount, other._address, target)


@cached
@njit(nogil=True)
def count(address: int, amount: int, other: int, target: int) -> None:
    """Add to the number at an address, then watch the one at another address until it is `target` or more."""
    _fetch_and_add(address, amount)
    for _ in range(_LOOKS):
        if _look(other) >= target:
            return


@intrinsic
def _fetch_and_add(typing_context: Any, address: Any, amount: Any) -> Any:
    """Add to the number at an address atomically; return the previous value."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, arguments[0]), arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _look(typing_context: Any, address: Any) -> Any:
    """Return the number at an address, as last written by other threads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):  # tells the processor that this is a wait loop
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(_pointer(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.IntType(64).as_pointer())
