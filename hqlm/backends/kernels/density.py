"""Noisy circuits on ranges of chunks of density matrices: forward, and backward with checkpoints.

Channels cannot be undone, so the way back takes the states before them from memory: those at the start of each block
of about sqrt(gates) gates, and within one block those after every gate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.channels import one_qubit_channel, two_qubit_depolarizing
from hqlm.backends.kernels.chunks import empty, fill, run, undo
from hqlm.backends.kernels.parameters import add_input_slopes, input_turns, weight_turns
from hqlm.backends.kernels.simd import LANES, broadcast, flush_denormals, restore_denormals


@njit
def _apply_channel(state: Any, bits: Any, strengths: Any, transposed: bool) -> None:
    if bits[2] < 0:
        b, c = (strengths[2], strengths[1]) if transposed else (strengths[1], strengths[2])
        factors = broadcast(strengths[0]), broadcast(b), broadcast(c), broadcast(strengths[3]), broadcast(strengths[4])
        one_qubit_channel(state, bits[0], bits[1], factors)
    else:
        two_qubit_depolarizing(state, bits, broadcast(strengths[0]), broadcast(strengths[1]))


@njit
def _gate(ket: Any, table: Any, rows: Any, patterns: Any, turns: Any) -> None:
    run(ket, table, rows[0], rows[1], patterns, turns)


@njit
def _gate_back(
    ket: Any,
    bra: Any,
    table: Any,
    rows: Any,
    patterns: Any,
    parameters: Any,
    turns: Any,
    of_weights: Any,
    of_columns: Any,
) -> None:
    undo(ket, bra, table, rows[0], rows[1], patterns, parameters, turns, of_weights, of_columns)


@njit
def _noise(state: Any, rows: Any, channels: Any, strengths: Any) -> None:
    for channel in range(rows[2], rows[3]):
        _apply_channel(state, channels[channel], strengths[channel], False)


@njit
def _noise_back(state: Any, rows: Any, channels: Any, strengths: Any) -> None:
    for channel in range(rows[3] - 1, rows[2] - 1, -1):
        _apply_channel(state, channels[channel], strengths[channel], True)


@cached
@njit(nogil=True)
def density_forward(
    first: int,
    last: int,
    table: Any,
    patterns: Any,
    parameters: Any,
    schedule: Any,
    channels: Any,
    strengths: Any,
    weights: Any,
    inputs: Any,
    states: Any,
    finals: Any,
    ket: Any,
) -> None:
    """Run chunks `first` to `last - 1`.

    Args:
        first: first chunk.
        last: one after the last chunk.
        table: rows of gates on row and on column bits.
        patterns: see `program.py`.
        parameters: see `parameters.py`.
        schedule: for each gate its first row and one after its last, its first channel and one after its last.
        channels: bits of each channel, two or four of them.
        strengths: factors of each channel.
        weights: `(n_weights,)`.
        inputs: `(batch, n_inputs)`, or no rows.
        states: initial density matrices `(batch, 4**n, 1 or 2)`, or no rows for |0...0>.
        finals: receives the final ones.
        ket: room for one chunk.
    """
    mode = flush_denormals()
    shared = weight_turns(parameters, weights)
    for chunk in range(first, last):
        turns = shared, input_turns(parameters, inputs, chunk, LANES)
        fill(chunk, 0, states, ket)
        for rows in schedule:
            _gate(ket, table, rows, patterns, turns)
            _noise(ket, rows, channels, strengths)
        empty(chunk, 0, ket, 1.0, finals)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def density_backward(
    first: int,
    last: int,
    table: Any,
    patterns: Any,
    parameters: Any,
    schedule: Any,
    channels: Any,
    strengths: Any,
    weights: Any,
    inputs: Any,
    states: Any,
    cotangents: Any,
    rooms: Any,
    blocks: Any,
    tape: Any,
    of_weights: Any,
    of_inputs: Any,
    of_states: Any,
) -> None:
    """Gradients of chunks `first` to `last - 1`; arguments as for `density_forward` and `chunks.backward`.

    `rooms` holds two chunks, `blocks` one for the start of each block and `tape` one for each gate of a block.
    """
    mode = flush_denormals()
    ket, bra, length = rooms[0], rooms[1], len(tape)
    shared = weight_turns(parameters, weights)
    for chunk in range(first, last):
        turns = shared, input_turns(parameters, inputs, chunk, LANES)
        of_columns = np.zeros((len(parameters.inputs), LANES), weights.dtype)
        fill(chunk, 0, states, ket)
        for gate in range(len(schedule)):
            if gate % length == 0:
                blocks[gate // length][:] = ket
            rows = schedule[gate]
            _gate(ket, table, rows, patterns, turns)
            _noise(ket, rows, channels, strengths)
        fill(chunk, 0, cotangents, bra)
        for block in range((len(schedule) - 1) // length, -1, -1):
            ket[:] = blocks[block]
            start, end = block * length, min((block + 1) * length, len(schedule))
            for gate in range(start, end):
                rows = schedule[gate]
                _gate(ket, table, rows, patterns, turns)
                tape[gate - start][:] = ket
                _noise(ket, rows, channels, strengths)
            for gate in range(end - 1, start - 1, -1):
                rows = schedule[gate]
                _noise_back(bra, rows, channels, strengths)
                ket[:] = tape[gate - start]
                _gate_back(ket, bra, table, rows, patterns, parameters, turns, of_weights[chunk], of_columns)
        add_input_slopes(parameters, of_columns, chunk, of_inputs)
        if len(of_states):
            empty(chunk, 0, bra, 2.0, of_states)
    restore_denormals(mode)
