"""One operation on one chunk: a pass over the state, and the same pass backwards over ket and bra.

Every operation maps amplitude K to `v'[K] = D[K] v[K] + F[K] i^w v[K ^ x]` with real D and F (see `operations.py`).
The upper bits of K are the index of the vector, the lowest may be the index of the lane. A row of the table covers all
vectors k with fixed values at up to two bits, so that D and F depend only on the lane; vector k and its partner form a
pair.
"""

from __future__ import annotations

from typing import Any, Final

from numba import njit

from hqlm.backends.kernels.simd import (
    exchange_1,
    exchange_2,
    exchange_4,
    exchange_8,
    like,
    load,
    store,
    times_i,
    zeros,
)

# Fields of a row. COUNT: vectors it touches; LOW, HIGH: fixed bits of the vector index, and VALUE: their values;
# PARTNER, LANE_PARTNER: bits in which the partner vector and its lanes differ; TWIST: power of i; COLUMN: column of the
# angle; PATTERN, INVERSE: patterns of the coefficients of the operation and of its inverse.
COUNT, LOW, HIGH, VALUE, PARTNER, LANE_PARTNER, TWIST, COLUMN, PATTERN, INVERSE = range(10)
PATTERN_ROWS: Final = 14  # three terms each of D and F of a vector and D and F of its partner; generator of both


@njit(inline="always")
def exchange(amplitude: Any, bits: int) -> Any:
    """Exchange lanes: lane l takes the value of lane l ^ bits."""
    if bits & 1:
        amplitude = exchange_1(amplitude)
    if bits & 2:
        amplitude = exchange_2(amplitude)
    if bits & 4:
        amplitude = exchange_4(amplitude)
    if bits & 8:
        amplitude = exchange_8(amplitude)
    return amplitude


@njit(inline="always")
def crossed(amplitude: Any, lane_bits: int, twist: int) -> Any:
    """Return i^w times the amplitude, each lane from its partner lane."""
    if lane_bits:
        amplitude = exchange(amplitude, lane_bits)
    return times_i(amplitude) if twist else amplitude


@njit(inline="always")
def _insert_zero(number: int, bit: int) -> int:
    return ((number >> bit) << (bit + 1)) | (number & ((1 << bit) - 1))


@njit(inline="always")
def _vector(place: int, low: int, high: int, value: int) -> Any:
    """Return the `place`-th vector whose bits `low` and `high` have the given value."""
    return _insert_zero(_insert_zero(place, low), high) | value


@njit(inline="always")
def _forward_pairs(state: Any, row: Any, factors: Any, lane_bits: int, twist: int) -> None:
    d_a, f_a, d_b, f_b = factors
    low, high, value, partner = row[LOW], row[HIGH], row[VALUE], row[PARTNER]
    for place in range(row[COUNT]):
        k = _vector(place, low, high, value)
        a, b = load(state, k), load(state, k ^ partner)
        store(state, k, d_a * a + f_a * crossed(b, lane_bits, twist))
        store(state, k ^ partner, d_b * b + f_b * crossed(a, lane_bits, twist))


@njit(inline="always")
def _forward_singles(state: Any, row: Any, factors: Any) -> None:
    d, f, _, _ = factors
    low, high, value, lane_bits, twist = row[LOW], row[HIGH], row[VALUE], row[LANE_PARTNER], row[TWIST]
    for place in range(row[COUNT]):
        k = _vector(place, low, high, value)
        a = load(state, k)
        store(state, k, d * a + f * crossed(a, lane_bits, twist))


@njit(inline="always")
def _widened(factors: Any, state: Any) -> Any:
    d_a, f_a, d_b, f_b = factors
    example = zeros(state)
    return like(d_a, example), like(f_a, example), like(d_b, example), like(f_b, example)


@njit
def forward_pass(state: Any, row: Any, factors: Any) -> None:
    """Apply a row of the table to a state; factors are D and F of a vector, then of its partner, 16 lanes each."""
    wide = _widened(factors, state)
    if row[PARTNER] == 0:
        _forward_singles(state, row, wide)
    elif row[LANE_PARTNER] == 0 and row[TWIST] == 0:
        _forward_pairs(state, row, wide, 0, 0)  # known to the compiler: the loop has no branches
    else:
        _forward_pairs(state, row, wide, row[LANE_PARTNER], row[TWIST])


@njit(inline="always")
def _backward_pairs(ket: Any, bra: Any, row: Any, factors: Any, lane_bits: int, twist: int) -> Any:
    d_a, f_a, d_b, f_b = factors
    low, high, value, partner = row[LOW], row[HIGH], row[VALUE], row[PARTNER]
    overlap_a, overlap_b = zeros(ket), zeros(ket)
    for place in range(row[COUNT]):
        k = _vector(place, low, high, value)
        a, b = load(ket, k), load(ket, k ^ partner)
        bra_a, bra_b = load(bra, k), load(bra, k ^ partner)
        from_a, from_b = crossed(a, lane_bits, twist), crossed(b, lane_bits, twist)
        overlap_a += bra_a * from_b
        overlap_b += bra_b * from_a
        store(ket, k, d_a * a + f_a * from_b)
        store(ket, k ^ partner, d_b * b + f_b * from_a)
        store(bra, k, d_a * bra_a + f_a * crossed(bra_b, lane_bits, twist))
        store(bra, k ^ partner, d_b * bra_b + f_b * crossed(bra_a, lane_bits, twist))
    return overlap_a, overlap_b


@njit(inline="always")
def _backward_singles(ket: Any, bra: Any, row: Any, factors: Any) -> Any:
    d, f, _, _ = factors
    low, high, value, lane_bits, twist = row[LOW], row[HIGH], row[VALUE], row[LANE_PARTNER], row[TWIST]
    overlap = zeros(ket)
    for place in range(row[COUNT]):
        k = _vector(place, low, high, value)
        a, bra_a = load(ket, k), load(bra, k)
        from_a = crossed(a, lane_bits, twist)
        overlap += bra_a * from_a
        store(ket, k, d * a + f * from_a)
        store(bra, k, d * bra_a + f * crossed(bra_a, lane_bits, twist))
    return overlap, zeros(ket)


@njit
def backward_pass(ket: Any, bra: Any, row: Any, factors: Any) -> Any:
    """Undo a row of the table on ket and bra; `factors` are those of the inverse.

    Returns:
        The products `conj(bra[K]) i^w ket[K ^ x]` before the undo, elementwise, summed over vectors and over partners.
    """
    wide = _widened(factors, ket)
    if row[PARTNER] == 0:
        return _backward_singles(ket, bra, row, wide)
    if row[LANE_PARTNER] == 0 and row[TWIST] == 0:
        return _backward_pairs(ket, bra, row, wide, 0, 0)
    return _backward_pairs(ket, bra, row, wide, row[LANE_PARTNER], row[TWIST])
