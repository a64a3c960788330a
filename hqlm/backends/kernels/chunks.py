"""Whole circuits on ranges of chunks: forward, and backward by the adjoint method.

A chunk holds 16 lanes: 16 rows of the batch, or one row whose last four qubits are the lanes. It stays in cache
through the whole circuit. Values that differ between rows have 16 numbers per entry in the first case, one in the
second; angles that all rows share have one.

Adjoint method: Jones and Gacon (2020), arXiv:2009.02823. The bra is half the derivative by the state: P|ket> for
<ket| P |ket>, whose derivative is 2 P|ket>. A gate exp(-i t P / 2) has half of -i P for its derivative by t, so a slope
is the real part of <bra| -i P |ket> without any factor, and only derivatives by initial amplitudes are doubled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.lengths import STRETCH, put_back, squared_lengths
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.parameters import (
    add_input_slopes,
    add_slope,
    add_to,
    input_turns,
    read,
    turn,
    weight_turns,
)
from hqlm.backends.kernels.passes import COLUMN, INVERSE, PATTERN, PATTERN_ROWS, backward_pass, forward_pass
from hqlm.backends.kernels.simd import (
    LANES,
    flush_denormals,
    load,
    real_part,
    restore_denormals,
)


@njit(inline="always")
def _factor(patterns: Any, first: int, cosine: Any, sine: Any) -> Any:
    return load(patterns, first) + load(patterns, first + 1) * cosine + load(patterns, first + 2) * sine


@njit(inline="always")
def _factors_of(patterns: Any, pattern: int, turns: Any, column: int) -> Any:
    """Return D and F of a vector and of its partner."""
    first = pattern * PATTERN_ROWS
    cosine, sine = turn(turns, column)
    return (
        _factor(patterns, first, cosine, sine),
        _factor(patterns, first + 3, cosine, sine),
        _factor(patterns, first + 6, cosine, sine),
        _factor(patterns, first + 9, cosine, sine),
    )


@njit(inline="always")
def _slope_of(patterns: Any, pattern: int, overlaps: Any) -> Any:
    """Return the derivative by the angle, 16 lanes, from the overlaps that `backward_pass` returns."""
    generator = (pattern + 1) * PATTERN_ROWS - 2
    return load(patterns, generator) * real_part(overlaps[0]) + load(patterns, generator + 1) * real_part(overlaps[1])


@njit
def run(ket: Any, rows: Any, patterns: Any, turns: Any) -> None:
    """Apply rows of a table to a state."""
    for g in range(len(rows)):
        row = rows[g]
        forward_pass(ket, row, _factors_of(patterns, row[PATTERN], turns, row[COLUMN]))


@njit
def undo(ket: Any, bra: Any, rows: Any, table: Any, turns: Any, of_weights: Any, of_columns: Any) -> None:
    """Undo rows of a table on ket and bra, with their patterns from `table`; `add_slope` accumulates the slopes."""
    patterns, parameters = table.patterns, table.parameters
    for g in range(len(rows) - 1, -1, -1):
        row = rows[g]
        overlaps = backward_pass(ket, bra, row, _factors_of(patterns, row[INVERSE], turns, row[COLUMN]))
        slope = _slope_of(patterns, row[INVERSE], overlaps)
        add_slope(parameters, of_weights, of_columns, row[COLUMN], slope)


@njit
def run_all(ket: Any, table: Any, turns: Any) -> None:
    """Apply all rows of a table to a state; the norm is restored after each stretch of a long table."""
    rows = table.rows
    if len(rows) <= STRETCH:
        run(ket, rows, table.patterns, turns)
        return
    lengths = squared_lengths(ket, table.lane_qubits)
    for first in range(0, len(rows), STRETCH):
        run(ket, rows[first : first + STRETCH], table.patterns, turns)
        put_back(lengths, table.lane_qubits, ket, ket[:0])


@njit
def undo_all(ket: Any, bra: Any, table: Any, turns: Any, of_weights: Any, of_columns: Any) -> None:
    """Undo all rows of a table; the rounding error in the norm of the ket is corrected on both ket and bra."""
    rows = table.rows
    if len(rows) <= STRETCH:
        undo(ket, bra, rows, table, turns, of_weights, of_columns)
        return
    lengths = squared_lengths(ket, table.lane_qubits)
    for end in range(len(rows), 0, -STRETCH):
        undo(ket, bra, rows[max(0, end - STRETCH) : end], table, turns, of_weights, of_columns)
        put_back(lengths, table.lane_qubits, ket, bra)


@njit
def _place(index: int, part: int, row: int, parts: int, lane_qubits: int) -> int:
    """Return the position in a flat chunk of a basis index of one of its rows (a lane if lanes are not qubits)."""
    vector, lane = index >> lane_qubits, (index & ((1 << lane_qubits) - 1)) | row
    return (vector * parts + part) * LANES + lane


@njit
def fill(chunk: int, lane_qubits: int, rows: Any, state: Any) -> None:
    """Copy rows `(batch, 2**n, 1 or 2)` of real and imaginary parts into a chunk; |0...0> if there are none."""
    flat = state.reshape(-1)
    flat[:] = 0
    parts = flat.size // (len(state) * LANES)
    in_chunk = LANES >> lane_qubits
    if rows.size == 0:
        for row in range(in_chunk):
            flat[_place(0, 0, row, parts, lane_qubits)] = 1
        return
    for row in range(min(in_chunk, len(rows) - chunk * in_chunk)):
        for index in range(rows.shape[1]):
            for part in range(rows.shape[2]):
                flat[_place(index, part, row, parts, lane_qubits)] = rows[chunk * in_chunk + row, index, part]


@njit
def empty(chunk: int, lane_qubits: int, state: Any, scale: float, rows: Any) -> None:
    """Copy `scale` times a chunk to rows `(batch, 2**n, 1 or 2)`; imaginary parts are dropped if the rows are real."""
    flat = state.reshape(-1)
    parts = flat.size // (len(state) * LANES)
    in_chunk = LANES >> lane_qubits
    for row in range(min(in_chunk, len(rows) - chunk * in_chunk)):
        for index in range(rows.shape[1]):
            for part in range(min(parts, rows.shape[2])):
                value = flat[_place(index, part, row, parts, lane_qubits)]
                rows[chunk * in_chunk + row, index, part] = scale * value


@njit
def lanes_of(rows: Any, chunk: int, lanes: int) -> Any:
    """Return rows `(batch, columns)` of a chunk as `(columns, lanes)`, with zeros beyond the last row."""
    table = np.zeros((rows.shape[1], lanes), rows.dtype)
    for lane in range(min(lanes, len(rows) - chunk * lanes)):
        table[:, lane] = rows[chunk * lanes + lane]
    return table


@njit
def rows_of(table: Any, chunk: int, rows: Any) -> None:
    """Inverse of `lanes_of`: copy lanes back into batch rows."""
    lanes = table.shape[1]
    for lane in range(min(lanes, len(rows) - chunk * lanes)):
        rows[chunk * lanes + lane] = table[:, lane]


@cached
@njit(nogil=True)
def forward(first: int, last: int, table: Any, given: Any, kets: Any, finals: Any, values: Any) -> None:
    """Run chunks `first` to `last - 1`.

    Args:
        first: first chunk.
        last: one past the last chunk.
        table: see `program.py`.
        given: weights `(n_weights,)`, inputs `(batch, n_inputs)`, initial states `(batch, 2**n, 1 or 2)`; no rows of
            inputs and states that are absent.
        kets: output, the final chunks `(chunks, 2**n / lanes of a row, [2,] 16)`, or a workspace for one of them.
        finals: output, the final states `(batch, 2**n, 1 or 2)`, or no rows.
        values: output, expectation values `(batch, n_observables)`.
    """
    mode = flush_denormals()
    weights, inputs, states = given
    lanes = LANES >> table.lane_qubits
    shared = weight_turns(table.parameters, weights)
    for chunk in range(first, last):
        turns = shared, input_turns(table.parameters, inputs, chunk, lanes)
        ket = kets[chunk % len(kets)]
        fill(chunk, table.lane_qubits, states, ket)
        run_all(ket, table, turns)
        found = np.zeros((len(table.observables), lanes), weights.dtype)
        for j in range(len(found)):
            add_to(found, j, expectation(ket, table.observables[j], load(table.signs, j), 0, len(ket)))
        rows_of(found, chunk, values)
        if len(finals):
            empty(chunk, table.lane_qubits, ket, 1.0, finals)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def backward(first: int, last: int, table: Any, given: Any, kets: Any, room: Any, slopes: Any, gradient: Any) -> None:
    """Add the gradients of chunks `first` to `last - 1`.

    Args as for `forward`, and:
        kets: final chunks; not changed.
        room: workspace for two chunks.
        slopes: derivative by each value `(batch, n_observables)`, and half of that by each final amplitude
            `(batch, 2**n, 1 or 2)`, or no rows.
        gradient: output, the derivatives by weights `(chunks, n_weights + 1)`, the last one by fixed angles, by inputs
            `(batch, n_inputs)`, and by initial amplitudes `(batch, 2**n, 1 or 2)`; no rows for those not needed.
    """
    mode = flush_denormals()
    weights, inputs, _ = given
    of_weights, of_inputs, of_states = gradient
    of_values, of_finals = slopes
    ket, bra, lanes = room[0], room[1], LANES >> table.lane_qubits
    shared = weight_turns(table.parameters, weights)
    for chunk in range(first, last):
        turns = shared, input_turns(table.parameters, inputs, chunk, lanes)
        of_columns = np.zeros((len(table.parameters.inputs), lanes), weights.dtype)
        ket[:] = kets[chunk]
        if len(of_finals):
            fill(chunk, table.lane_qubits, of_finals, bra)
        else:
            bra[:] = 0
        factors = lanes_of(of_values, chunk, lanes)
        for j in range(len(factors)):
            add_to_bra(ket, bra, table.observables[j], read(factors, j) * load(table.signs, j), 0, len(ket))
        undo_all(ket, bra, table, turns, of_weights[chunk], of_columns)
        add_input_slopes(table.parameters, of_columns, chunk, of_inputs)
        if len(of_states):
            empty(chunk, table.lane_qubits, bra, 2.0, of_states)
    restore_denormals(mode)
