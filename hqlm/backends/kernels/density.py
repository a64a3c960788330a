"""Noisy circuits on ranges of chunks of density matrices: forward, and backward with checkpoints.

A density matrix is a vector of Pauli coefficients, see `pauli_program.py`; lanes are rows of the batch. Noise cannot be
undone, so the backward pass needs the stored coefficients before each operation with an angle: those at the start of
each block of about sqrt(operations) operations, and within one block those before each operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.chunks import lanes_of, rows_of
from hqlm.backends.kernels.parameters import add_input_slopes, add_slope, input_turns, turn, weight_turns
from hqlm.backends.kernels.pauli_program import COLUMN, FIRST_BIT, PAIRS, SIZE
from hqlm.backends.kernels.simd import LANES, broadcast, flush_denormals, load, restore_denormals, store, zeros


@njit(inline="always")
def _block(fields: Any, place: int) -> int:
    """Return the index of the `place`-th coefficient whose bits of the operation are all 0."""
    for i in range(2 if fields[SIZE] == 4 else 4):
        bit = fields[FIRST_BIT + i]
        place = ((place >> bit) << (bit + 1)) | (place & ((1 << bit) - 1))
    return place


@njit(inline="always")
def _cosine_and_sine(fields: Any, fixed: Any, rate: Any, turns: Any) -> Any:
    """Return cosine and sine of the rotation angle of pairs: the operation's angle or half of it."""
    if fields[COLUMN]:
        cosine, sine = turn(turns, fields[COLUMN])
    else:
        cosine, sine = broadcast(fixed[0]), broadcast(fixed[1])
    if rate < 1:
        return cosine, sine
    return cosine * cosine - sine * sine, cosine * sine + cosine * sine


@njit
def _forward(before: Any, after: Any, g: int, table: Any, turns: Any, block: Any) -> None:
    """Apply operation `g`; `before` and `after` may be the same state."""
    fields, sources, targets, pairs = table.fields[g], table.sources[g], table.targets[g], table.pairs[g]
    signs, scales, gains = table.signs[g], table.scales[g], table.gains[g]
    cosine, sine = _cosine_and_sine(fields, table.fixed[g], table.rates[g], turns)
    for place in range(len(before) // fields[SIZE]):
        k = _block(fields, place)
        for a in range(fields[SIZE]):
            store(block, a, broadcast(signs[a]) * load(before, k ^ sources[a]))
        for p in range(fields[PAIRS]):
            a, b = load(block, pairs[p, 0]), load(block, pairs[p, 1])
            store(block, pairs[p, 0], cosine * a + sine * b)
            store(block, pairs[p, 1], cosine * b - sine * a)
        first = load(block, 0)
        for a in range(fields[SIZE]):
            store(after, k ^ targets[a], broadcast(scales[a]) * load(block, a) + broadcast(gains[a]) * first)


@njit
def _backward(before: Any, bra: Any, g: int, table: Any, turns: Any, block: Any) -> Any:
    """Propagate the bra back through operation `g`; return the derivative by its angle, 16 lanes.

    `before`, the state before it, is not read if it has no angle.
    """
    fields, sources, targets, pairs = table.fields[g], table.sources[g], table.targets[g], table.pairs[g]
    signs, scales, gains = table.signs[g], table.scales[g], table.gains[g]
    cosine, sine = _cosine_and_sine(fields, table.fixed[g], table.rates[g], turns)
    slope = zeros(bra)
    for place in range(len(bra) // fields[SIZE]):
        k = _block(fields, place)
        first = zeros(bra)
        for a in range(fields[SIZE]):
            coefficient = load(bra, k ^ targets[a])
            first += broadcast(gains[a]) * coefficient
            store(block, a, broadcast(scales[a]) * coefficient)
        store(block, 0, load(block, 0) + first)
        for p in range(fields[PAIRS] - 1, -1, -1):
            a, b = load(block, pairs[p, 0]), load(block, pairs[p, 1])
            store(block, pairs[p, 0], cosine * a - sine * b)
            store(block, pairs[p, 1], cosine * b + sine * a)
        for a in range(fields[SIZE]):
            store(block, a, broadcast(signs[a]) * load(block, a))
            store(bra, k ^ sources[a], load(block, a))
        if fields[COLUMN]:  # the rotation commutes with its derivative, which may therefore act before it
            for p in range(fields[PAIRS]):
                a, b = pairs[p, 0], pairs[p, 1]
                turned = load(block, a) * load(before, k ^ sources[b]) - load(block, b) * load(before, k ^ sources[a])
                slope += broadcast(signs[a] * signs[b]) * turned
    return slope


@njit
def _fill(chunk: int, n_qubits: int, states: Any, state: Any) -> None:
    """Set the coefficients of a chunk's rows; those of |0...0> if there are no rows."""
    if len(states):
        state[:] = lanes_of(states[:, :, 0], chunk, LANES)
    else:
        state[: 2**n_qubits] = 1
        state[2**n_qubits :] = 0


@cached
@njit(nogil=True)
def density_forward(
    first: int, last: int, n_qubits: int, table: Any, parameters: Any, given: Any, places: Any, state: Any, values: Any
) -> None:
    """Run chunks `first` to `last - 1`.

    Args:
        first: first chunk.
        last: one past the last chunk.
        n_qubits: number of qubits.
        table: see `pauli_program.py`.
        parameters: see `parameters.py`.
        given: weights `(n_weights,)`, inputs `(batch, n_inputs)` or no rows, initial coefficients `(batch, 4**n, 1)` or
            no rows for |0...0>.
        places: indices of the coefficients that are returned as values.
        state: workspace for one chunk.
        values: output, `(batch, places)`.
    """
    mode = flush_denormals()
    weights, inputs, states = given
    shared, block = weight_turns(parameters, weights), np.empty((16, LANES), weights.dtype)
    for chunk in range(first, last):
        turns = shared, input_turns(parameters, inputs, chunk, LANES)
        _fill(chunk, n_qubits, states, state)
        for g in range(len(table.fields)):
            _forward(state, state, g, table, turns, block)
        found = np.empty((len(places), LANES), weights.dtype)
        for j in range(len(places)):
            found[j] = state[places[j]]
        rows_of(found, chunk, values)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def density_backward(
    first: int,
    last: int,
    n_qubits: int,
    table: Any,
    parameters: Any,
    given: Any,
    places: Any,
    room: Any,
    slopes: Any,
    gradient: Any,
) -> None:
    """Add the gradients of chunks `first` to `last - 1`.

    Args as for `density_forward`, and:
        room: workspace for a bra, for a chunk at the start of each block, and for a chunk before each operation of a
            block and one more.
        slopes: derivative by each value, `(batch, places)`.
        gradient: output, the derivatives by weights `(chunks, n_weights + 1)`, the last one by fixed angles, by inputs
            `(batch, n_inputs)`, and by initial coefficients `(batch, 4**n, 1)`; no rows for those not needed.
    """
    mode = flush_denormals()
    weights, inputs, states = given
    of_weights, of_inputs, of_states = gradient
    bra, checkpoints, tape = room[0][0], room[1], room[2]
    shared = weight_turns(parameters, weights)
    block = np.empty((16, LANES), weights.dtype)
    count, length = len(table.fields), len(tape) - 1
    for chunk in range(first, last):
        turns = shared, input_turns(parameters, inputs, chunk, LANES)
        of_columns = np.zeros((len(parameters.inputs), LANES), weights.dtype)
        state = tape[0]
        _fill(chunk, n_qubits, states, state)
        for g in range(count):
            if g % length == 0:
                checkpoints[g // length][:] = state
            _forward(state, state, g, table, turns, block)
        bra[:] = 0
        factors = lanes_of(slopes, chunk, LANES)
        for j in range(len(places)):
            bra[places[j]] += factors[j]
        for start in range((count - 1) // length * length, -1, -length):
            end = min(start + length, count)
            tape[0][:] = checkpoints[start // length]
            for g in range(start, end - 1):
                _forward(tape[g - start], tape[g - start + 1], g, table, turns, block)
            for g in range(end - 1, start - 1, -1):
                slope = _backward(tape[g - start], bra, g, table, turns, block)
                add_slope(
                    parameters,
                    of_weights[chunk],
                    of_columns,
                    table.fields[g, COLUMN],
                    slope * broadcast(table.rates[g]),
                )
        add_input_slopes(parameters, of_columns, chunk, of_inputs)
        rows_of(bra, chunk, of_states[:, :, 0])
    restore_denormals(mode)
