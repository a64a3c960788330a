"""One large state on several cores: its pieces go through runs of gates that do not mix them.

Splitting a row's vectors into equal ranges splits the state by the values of the highest bits that the row leaves
open. As long as the next rows leave the same bits open and do not flip them, a piece needs no other piece. The pieces
are the same whatever the number of threads, and so is the order in which their sums are added.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.chunks import empty, fill, run, undo
from hqlm.backends.kernels.job import Arrays, Job
from hqlm.backends.kernels.lengths import STRETCH, put_back, squared_lengths
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.parameters import add_input_slopes, add_to, input_turns, weight_turns
from hqlm.backends.kernels.passes import COUNT
from hqlm.backends.kernels.program import PIECES, Table
from hqlm.backends.kernels.simd import broadcast, flush_denormals, load, restore_denormals
from hqlm.backends.kernels.threads import share_out

_SMALL: Final = 60_000  # pairs of vectors in a run that is too small to wake a thread for

Runs = list[NDArray[np.int64]]

fill_state = cached(njit(nogil=True)(fill.py_func))
empty_state = cached(njit(nogil=True)(empty.py_func))


lengths_of = cached(njit(nogil=True)(squared_lengths.py_func))
put_lengths_back = cached(njit(nogil=True)(put_back.py_func))
chunk_slopes = cached(njit(nogil=True)(add_input_slopes.py_func))


@cached
@njit(nogil=True)
def chunk_turns(parameters: Any, weights: Any, inputs: Any, chunk: int) -> Any:
    """Return cosines and sines for a chunk that is one row."""
    return weight_turns(parameters, weights), input_turns(parameters, inputs, chunk, 1)


def is_wide(job: Job) -> bool:
    """Return whether there are too few rows to share out, and each is large enough to be split instead."""
    program = job.program
    return program.table.lane_qubits > 0 and job.chunks < min(PIECES, 2 ** (program.n_qubits - 17))


def forward_wide(runs: Runs, table: Table, chunk: int, given: Arrays, ket: NDArray[Any]) -> NDArray[Any]:
    """Run one chunk into `ket`; return its values `(n_observables,)`.

    Args:
        runs: runs of the program, see `Program.runs`.
        table: table of the program, with the observables to compute.
        chunk: index of the row.
        given: weights, inputs and initial states, see `chunks.forward`.
        ket: output, the final state.
    """
    weights, inputs, states = given
    turns = chunk_turns(table.parameters, weights, inputs, chunk)
    fill_state(chunk, table.lane_qubits, states, ket)
    lengths = lengths_of(ket, table.lane_qubits) if len(table.rows) > STRETCH else None
    for rows in runs:

        def share(first: int, last: int, rows: NDArray[np.int64] = rows) -> None:
            forward_run(first, last, rows, table.patterns, turns, ket)

        share_out(share, PIECES, _is_small(rows))
    if lengths is not None:
        put_lengths_back(lengths, table.lane_qubits, ket, ket[:0])
    values = np.zeros((PIECES * len(table.observables), 1), dtype=ket.dtype)

    def measure(first: int, last: int) -> None:
        measure_pieces(first, last, ket, table, values)

    share_out(measure, PIECES, len(ket) * len(table.observables) < _SMALL)
    total: NDArray[Any] = values.reshape(PIECES, len(table.observables)).sum(0)
    return total


def backward_wide(
    runs: Runs,
    table: Table,
    chunk: int,
    given: Arrays,
    ket: NDArray[Any],
    bra: NDArray[Any],
    slopes: NDArray[Any],
    gradient: Arrays,
) -> None:
    """Undo one chunk on `ket` and `bra`, to which the observables times `slopes` are added first.

    Args as for `forward_wide`, and:
        ket: final state.
        bra: derivative by the final state, or zeros.
        slopes: derivative by each value, `(n_observables,)`.
        gradient: output, the derivatives by weights and inputs, see `chunks.backward`.
    """
    weights, inputs, _ = given

    def begin(first: int, last: int) -> None:
        weigh_pieces(first, last, ket, bra, table, slopes)

    share_out(begin, PIECES, len(ket) * len(slopes) < _SMALL)
    turns = chunk_turns(table.parameters, weights, inputs, chunk)
    of_weights = np.zeros((PIECES, len(weights) + 1), weights.dtype)
    of_columns = np.zeros((PIECES, len(table.parameters.inputs), 1), weights.dtype)
    left, lengths = STRETCH, lengths_of(ket, table.lane_qubits) if len(table.rows) > STRETCH else None
    for rows in reversed(runs):

        def share(first: int, last: int, rows: NDArray[np.int64] = rows) -> None:
            backward_run(first, last, rows, table, turns, ket, bra, of_weights, of_columns)

        share_out(share, PIECES, _is_small(rows))
        left -= rows.shape[1]
        if lengths is not None and left <= 0:
            put_lengths_back(lengths, table.lane_qubits, ket, bra)
            left = STRETCH
    gradient[0][chunk] += of_weights.sum(0)
    chunk_slopes(table.parameters, of_columns.sum(0), chunk, gradient[1])


def _is_small(rows: NDArray[np.int64]) -> bool:
    return bool(rows[:, :, COUNT].sum() < _SMALL)


@cached
@njit(nogil=True)
def forward_run(first: int, last: int, rows: Any, patterns: Any, turns: Any, ket: Any) -> None:
    """Apply rows `(PIECES, operations, fields)` to pieces `first` to `last - 1` of a chunk."""
    mode = flush_denormals()
    for piece in range(first, last):
        run(ket, rows[piece], patterns, turns)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def backward_run(
    first: int, last: int, rows: Any, table: Any, turns: Any, ket: Any, bra: Any, of_weights: Any, of_columns: Any
) -> None:
    """Undo rows on pieces of ket and bra; each piece has its own slopes."""
    mode = flush_denormals()
    for piece in range(first, last):
        undo(ket, bra, rows[piece], table, turns, of_weights[piece], of_columns[piece])
    restore_denormals(mode)


@cached
@njit(nogil=True)
def measure_pieces(first: int, last: int, ket: Any, table: Any, values: Any) -> None:
    """Compute each piece's part of each value, entry `piece * n_observables + observable`."""
    mode = flush_denormals()
    size, count = len(ket) // PIECES, len(table.observables)
    for piece in range(first, last):
        for j in range(count):
            lanes = expectation(ket, table.observables[j], load(table.signs, j), piece * size, (piece + 1) * size)
            add_to(values, piece * count + j, lanes)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def weigh_pieces(first: int, last: int, ket: Any, bra: Any, table: Any, slopes: Any) -> None:
    """Add each observable of the ket, times its slope, to the bra."""
    mode = flush_denormals()
    size = len(ket) // PIECES
    for j in range(len(slopes)):
        weights = broadcast(slopes[j]) * load(table.signs, j)
        add_to_bra(ket, bra, table.observables[j], weights, first * size, last * size)
    restore_denormals(mode)
