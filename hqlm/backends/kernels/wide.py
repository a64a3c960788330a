"""One large state over several cores: pieces of it go through runs of gates that do not mix them.

Splitting the places of a row's vectors into equal ranges splits the state by the values of the highest bits that the
row leaves open. As long as the next rows leave the same bits open and do not flip them, a piece needs no other piece.
The pieces are the same whatever the number of threads, and so is the order in which their sums are added.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.chunks import empty, fill, run, undo
from hqlm.backends.kernels.job import Job
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.parameters import add_input_slopes, add_to, input_turns, weight_turns
from hqlm.backends.kernels.passes import COUNT
from hqlm.backends.kernels.program import PIECES, Program
from hqlm.backends.kernels.simd import broadcast, flush_denormals, load, restore_denormals
from hqlm.backends.kernels.threads import share_out

_SMALL: Final = 60_000  # pairs of vectors in a run that is not worth waking a thread for

fill_state = cached(njit(nogil=True)(fill.py_func))
empty_state = cached(njit(nogil=True)(empty.py_func))

chunk_slopes = cached(njit(nogil=True)(add_input_slopes.py_func))


@cached
@njit(nogil=True)
def chunk_turns(parameters: Any, weights: Any, inputs: Any, chunk: int) -> Any:
    """Cosines and sines for a chunk that is one row."""
    return weight_turns(parameters, weights), input_turns(parameters, inputs, chunk, 1)


def is_wide(job: Job) -> bool:
    """Whether there are too few rows to share out, and each is large enough to share out instead."""
    return job.program.lane_qubits > 0 and job.chunks < min(PIECES, 2 ** (job.program.n_qubits - 17))


def forward_wide(
    job: Job,
    chunk: int,
    weights: NDArray[Any],
    inputs: NDArray[Any],
    states: NDArray[Any],
    ket: NDArray[Any],
    n_observables: int,
) -> NDArray[Any]:
    """Run one chunk into `ket`; returns its values `(n_observables,)`."""
    program = job.program
    tables, ranges = program.runs
    turns = chunk_turns(program.parameters, weights, inputs, chunk)
    fill_state(chunk, program.lane_qubits, states, ket)
    for start, end in ranges:

        def share(first: int, last: int, start: int = start, end: int = end) -> None:
            forward_run(first, last, start, end, tables, program.patterns, turns, ket)

        share_out(share, PIECES, _is_small(program, start, end))
    values = np.zeros((PIECES * n_observables, 1), dtype=program.patterns.dtype)
    observables = program.observables[:n_observables]

    def measure(first: int, last: int) -> None:
        measure_pieces(first, last, ket, observables, program.signs, values)

    share_out(measure, PIECES, len(ket) * n_observables < _SMALL)
    total: NDArray[Any] = values.reshape(PIECES, n_observables).sum(0)
    return total


def backward_wide(
    job: Job,
    chunk: int,
    weights: NDArray[Any],
    inputs: NDArray[Any],
    ket: NDArray[Any],
    bra: NDArray[Any],
    slopes: NDArray[Any],
    of_weights: NDArray[Any],
    of_inputs: NDArray[Any],
) -> None:
    """Undo one chunk on `ket` and `bra`, to which the observables times `slopes` are added first.

    Args:
        job: what runs.
        chunk: which row.
        weights: `(n_weights,)`.
        inputs: `(batch, n_inputs)`, or no rows.
        ket: final state.
        bra: derivative by the final state, or zeros.
        slopes: derivative by each value, `(n_observables,)`.
        of_weights: receives the derivative by each weight and that by fixed angles, `(n_weights + 1,)`.
        of_inputs: receives the derivative by each input, `(batch, n_inputs)`, or no rows.
    """
    program = job.program
    tables, ranges = program.runs
    observables = program.observables[: len(slopes)]

    def begin(first: int, last: int) -> None:
        weigh_pieces(first, last, ket, bra, observables, program.signs, slopes)

    share_out(begin, PIECES, len(ket) * len(slopes) < _SMALL)
    turns = chunk_turns(program.parameters, weights, inputs, chunk)
    found = np.zeros((PIECES, len(of_weights)), weights.dtype), np.zeros((PIECES, len(turns[1]) // 2, 1), weights.dtype)
    for start, end in reversed(ranges):

        def share(first: int, last: int, start: int = start, end: int = end) -> None:
            backward_run(first, last, start, end, tables, program.patterns, program.parameters, turns, ket, bra, *found)

        share_out(share, PIECES, _is_small(program, start, end))
    of_weights += found[0].sum(0)
    chunk_slopes(program.parameters, found[1].sum(0), chunk, of_inputs)


def _is_small(program: Program, start: int, end: int) -> bool:
    return bool(program.table[start:end, COUNT].sum() < _SMALL)


@cached
@njit(nogil=True)
def forward_run(first: int, last: int, start: int, end: int, tables: Any, patterns: Any, turns: Any, ket: Any) -> None:
    """Rows `start` to `end - 1` on pieces `first` to `last - 1` of a chunk."""
    mode = flush_denormals()
    for piece in range(first, last):
        run(ket, tables[piece], start, end, patterns, turns)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def backward_run(
    first: int,
    last: int,
    start: int,
    end: int,
    tables: Any,
    patterns: Any,
    parameters: Any,
    turns: Any,
    ket: Any,
    bra: Any,
    of_weights: Any,
    of_columns: Any,
) -> None:
    """Undo rows `end - 1` to `start` on pieces of ket and bra; each has slopes of its own."""
    mode = flush_denormals()
    for piece in range(first, last):
        undo(ket, bra, tables[piece], start, end, patterns, parameters, turns, of_weights[piece], of_columns[piece])
    restore_denormals(mode)


@cached
@njit(nogil=True)
def measure_pieces(first: int, last: int, ket: Any, observables: Any, signs: Any, values: Any) -> None:
    """Each piece's part of each value, entry `piece * n_observables + observable`."""
    mode = flush_denormals()
    size = len(ket) // PIECES
    for piece in range(first, last):
        for j in range(len(observables)):
            lanes = expectation(ket, observables[j], load(signs, j), piece * size, (piece + 1) * size)
            add_to(values, piece * len(observables) + j, lanes)
    restore_denormals(mode)


@cached
@njit(nogil=True)
def weigh_pieces(first: int, last: int, ket: Any, bra: Any, observables: Any, signs: Any, slopes: Any) -> None:
    """Add each observable of the ket, times its slope, to the bra."""
    mode = flush_denormals()
    size = len(ket) // PIECES
    for j in range(len(observables)):
        weights = broadcast(slopes[j]) * load(signs, j)
        add_to_bra(ket, bra, observables[j], weights, first * size, last * size)
    restore_denormals(mode)
