"""Pauli strings on one chunk: expectation values, and the bra that the adjoint method starts from."""

from __future__ import annotations

from typing import Any, Final

from numba import njit

from hqlm.backends.kernels.passes import crossed
from hqlm.backends.kernels.simd import count_ones, like, load, real_part, store, zeros

_BLOCK: Final = 1024  # nested sums keep float32 exact enough over millions of amplitudes


@njit(inline="always")
def _applied(ket: Any, k: int, observable: Any) -> tuple[Any, bool]:
    """Return amplitude vector k of P|ket>, before the per-lane signs, and whether to negate it."""
    partner, lane_bits, parity, twist = observable
    return crossed(load(ket, k ^ partner), lane_bits, twist), count_ones(k & parity) & 1 == 1


@njit
def expectation(ket: Any, observable: Any, signs: Any, start: int, end: int) -> Any:
    """Return the part of <ket| P |ket> of vectors `start` to `end - 1`, 16 lanes; `signs` are the lane signs of P."""
    fields = (observable[0], observable[1], observable[2], observable[3])
    total = zeros(ket)
    for first in range(start, end, _BLOCK):
        even, odd = zeros(ket), zeros(ket)
        for k in range(first, min(first + _BLOCK, end)):
            image, negative = _applied(ket, k, fields)
            if negative:
                odd += load(ket, k) * image
            else:
                even += load(ket, k) * image
        total += even - odd
    return signs * real_part(total)


@njit
def add_to_bra(ket: Any, bra: Any, observable: Any, weights: Any, start: int, end: int) -> None:
    """Add `weights * P|ket>` to vectors `start` to `end - 1` of the bra; the 16 weights hold the signs of the lanes."""
    fields = (observable[0], observable[1], observable[2], observable[3])
    plus = like(weights, zeros(ket))
    minus = zeros(ket) - plus
    for k in range(start, end):
        image, negative = _applied(ket, k, fields)
        store(bra, k, load(bra, k) + (minus if negative else plus) * image)
