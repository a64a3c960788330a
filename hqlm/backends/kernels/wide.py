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
from hqlm.backends.kernels.chunks import add_to, empty, factors_of, fill, slope_of
from hqlm.backends.kernels.job import Job
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.passes import (
    COLUMN,
    COUNT,
    INVERSE,
    PATTERN,
    backward_pass,
    forward_pass,
)
from hqlm.backends.kernels.program import PIECES, Program
from hqlm.backends.kernels.simd import broadcast, flush_denormals, load, restore_denormals
from hqlm.backends.kernels.threads import share_out

_SMALL: Final = 60_000  # pairs of vectors in a run that is not worth waking a thread for

fill_state = cached(njit(nogil=True)(fill.py_func))
empty_state = cached(njit(nogil=True)(empty.py_func))


def is_wide(job: Job) -> bool:
    """Whether there are too few rows to share out, and each is large enough to share out instead."""
    return job.program.lane_qubits > 0 and job.chunks < min(PIECES, 2 ** (job.program.n_qubits - 17))


def forward_wide(
    job: Job, chunk: int, half_angles: NDArray[Any], states: NDArray[Any], ket: NDArray[Any], n_observables: int
) -> NDArray[Any]:
    """Run one chunk into `ket`; returns its values `(n_observables,)`."""
    program, columns = job.program, job.program.n_columns + 1
    tables, ranges = program.runs
    fill_state(chunk, program.lane_qubits, states, ket)
    for start, end in ranges:

        def share(first: int, last: int, start: int = start, end: int = end) -> None:
            forward_run(first, last, start, end, tables, chunk * columns, program.patterns, half_angles, ket)

        share_out(share, PIECES, _is_small(program, start, end))
    values = np.zeros((PIECES * n_observables, 1), dtype=half_angles.dtype)
    observables = program.observables[:n_observables]

    def measure(first: int, last: int) -> None:
        measure_pieces(first, last, ket, observables, program.signs, values)

    share_out(measure, PIECES, len(ket) * n_observables < _SMALL)
    total: NDArray[Any] = values.reshape(PIECES, n_observables).sum(0)
    return total


def backward_wide(
    job: Job, chunk: int, half_angles: NDArray[Any], ket: NDArray[Any], bra: NDArray[Any], slopes: NDArray[Any]
) -> NDArray[Any]:
    """Undo one chunk on `ket` and `bra`, to which the observables times `slopes` are added first.

    Args:
        job: what runs.
        chunk: which row.
        half_angles: see `chunks.py`.
        ket: final state.
        bra: derivative by the final state, or zeros.
        slopes: derivative by each value, `(n_observables, 1)`.

    Returns:
        Derivative by each angle and a spare one, `(columns,)`.
    """
    program, columns = job.program, job.program.n_columns + 1
    tables, ranges = program.runs
    observables = program.observables[: len(slopes)]

    def begin(first: int, last: int) -> None:
        weigh_pieces(first, last, ket, bra, observables, program.signs, slopes)

    share_out(begin, PIECES, len(ket) * len(slopes) < _SMALL)
    gradient = np.zeros((PIECES * columns, 1), dtype=half_angles.dtype)
    for start, end in reversed(ranges):

        def share(first: int, last: int, start: int = start, end: int = end) -> None:
            backward_run(
                first, last, start, end, tables, chunk * columns, columns, program.patterns, half_angles, ket, bra,
                gradient,
            )  # fmt: skip

        share_out(share, PIECES, _is_small(program, start, end))
    total: NDArray[Any] = gradient.reshape(PIECES, columns).sum(0)
    return total


def _is_small(program: Program, start: int, end: int) -> bool:
    return bool(program.table[start:end, COUNT].sum() < _SMALL)


@cached
@njit(nogil=True)
def forward_run(
    first: int, last: int, start: int, end: int, tables: Any, entries: int, patterns: Any, half_angles: Any, ket: Any
) -> None:
    """Rows `start` to `end - 1` on pieces `first` to `last - 1`; `entries` is where the chunk's angles begin."""
    mode = flush_denormals()
    for piece in range(first, last):
        for g in range(start, end):
            row = tables[piece, g]
            forward_pass(ket, row, factors_of(patterns, row[PATTERN], half_angles, entries + row[COLUMN]))
    restore_denormals(mode)


@cached
@njit(nogil=True)
def backward_run(
    first: int,
    last: int,
    start: int,
    end: int,
    tables: Any,
    entries: int,
    columns: int,
    patterns: Any,
    half_angles: Any,
    ket: Any,
    bra: Any,
    gradient: Any,
) -> None:
    """Undo rows `end - 1` to `start` on pieces of ket and bra; `gradient` has `columns` entries a piece."""
    mode = flush_denormals()
    for piece in range(first, last):
        for g in range(end - 1, start - 1, -1):
            row = tables[piece, g]
            factors = factors_of(patterns, row[INVERSE], half_angles, entries + row[COLUMN])
            overlaps = backward_pass(ket, bra, row, factors)
            add_to(gradient, piece * columns + row[COLUMN], slope_of(patterns, row[INVERSE], overlaps))
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
        weights = broadcast(slopes[j, 0]) * load(signs, j)
        add_to_bra(ket, bra, observables[j], weights, first * size, last * size)
    restore_denormals(mode)
