"""Noise channels on one chunk of density matrices, a pass each.

A density matrix is the state of 2 n qubits: a qubit has a bit in the row index and one in the column index. Both passes
are real and linear, so the same code runs them on the bra, with the transposed coefficients.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from hqlm.backends.kernels.simd import like, load, store, zeros


@njit(inline="always")
def _spread(place: int, bit: int) -> Any:
    return ((place >> bit) << (bit + 1)) | (place & ((1 << bit) - 1))


@njit
def one_qubit_channel(state: Any, column_bit: int, row_bit: int, factors: Any) -> None:
    """[[a, b], [c, d]] on the diagonal elements 00 and 11 of a qubit, times e on 01 and 10; column bit < row bit.

    Depolarizing, amplitude damping, phase damping and whatever they compose to have this form.
    """
    a, b, c, d, e = (
        like(factors[0], zeros(state)),
        like(factors[1], zeros(state)),
        like(factors[2], zeros(state)),
        like(factors[3], zeros(state)),
        like(factors[4], zeros(state)),
    )
    column, row = 1 << column_bit, 1 << row_bit
    for place in range(len(state) // 4):
        k = _spread(_spread(place, column_bit), row_bit)
        zero, one = load(state, k), load(state, k | column | row)
        store(state, k, a * zero + b * one)
        store(state, k | column | row, c * zero + d * one)
        store(state, k | column, e * load(state, k | column))
        store(state, k | row, e * load(state, k | row))


@njit
def two_qubit_depolarizing(state: Any, bits: Any, keep: Any, share: Any) -> None:
    """`keep` times the state, plus `share` times the partial trace on the four diagonal elements of two qubits.

    `bits` are, in order: column bits of both qubits, row bits of both, each pair ascending and of the same qubits.
    """
    keep, share = like(keep, zeros(state)), like(share, zeros(state))
    one, other = (1 << bits[0]) | (1 << bits[2]), (1 << bits[1]) | (1 << bits[3])
    for place in range(len(state) // 16):
        k = _spread(_spread(_spread(_spread(place, bits[0]), bits[1]), bits[2]), bits[3])
        trace = load(state, k) + load(state, k | one) + load(state, k | other) + load(state, k | one | other)
        added = share * trace
        for choice in range(16):
            m = k
            for i in range(4):
                m |= ((choice >> i) & 1) << bits[i]
            value = keep * load(state, m)
            # diagonal in both qubits: row and column bits agree
            store(state, m, value + added if (choice & 3) == (choice >> 2) else value)
