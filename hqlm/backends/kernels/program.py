"""Compiles a circuit to the integer table that drives the kernels, once per circuit and cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hqlm.backends.kernels.lengths import STRETCH
from hqlm.backends.kernels.operations import GLOBAL_PHASES, Operation, joined, operations_by_gate, rotation
from hqlm.backends.kernels.parameters import NO_ANGLE, Parameters, parameters_of
from hqlm.backends.kernels.passes import COUNT, HIGH, LOW, PARTNER, PATTERN_ROWS, VALUE
from hqlm.backends.kernels.simd import LANES
from hqlm.circuits import Circuit, PauliString

LANE_QUBITS: Final = 4  # 2**4 lanes
_PIECE_BITS: Final = 3
PIECES: Final = 2**_PIECE_BITS  # number of pieces of a large state
NO_BIT: Final = 62  # above every bit of a vector index


class Table(NamedTuple):
    """The tables that the kernels read.

    Attributes:
        lane_qubits: 0 if the 16 lanes are rows of the batch, 4 when they are the last qubits of one row.
        rows: `(operations, fields)`, see `passes.py`.
        patterns: `(patterns * 14, 16)`, the terms of the coefficients of operations.
        parameters: parameters of the columns of angles.
        observables: `(n_observables, 4)`: vector bits flipped, lane bits flipped, vector bits that give signs, twist.
        signs: `(n_observables, 16)`, sign of each lane.
    """

    lane_qubits: int
    rows: NDArray[np.int64]
    patterns: NDArray[Any]
    parameters: Parameters
    observables: NDArray[np.int64]
    signs: NDArray[Any]

    def first_observables(self, count: int) -> Table:
        """Return the same table with at most `count` observables."""
        return self._replace(observables=self.observables[:count])


@dataclass(frozen=True)
class Program:
    """A circuit compiled for the kernels.

    Args:
        n_qubits: number of qubits.
        phase: global phase in radians that the table leaves out.
        table: everything else.
    """

    n_qubits: int
    phase: float
    table: Table

    @cached_property
    def pairs(self) -> int:
        """Number of vector pairs that all operations together work on."""
        return int(self.table.rows[:, COUNT].sum())

    @cached_property
    def runs(self) -> list[NDArray[np.int64]]:
        """Rows that do not mix pieces, at most a stretch at a time, per piece: `(PIECES, operations, fields)`.

        A piece is indexed by the highest bits that a row leaves open; see `wide.py`.
        """
        rows = self.table.rows
        of_pieces = np.repeat(rows[None], PIECES, axis=0)
        of_pieces[:, :, COUNT] //= PIECES
        starts, before = [], None
        for g, row in enumerate(rows.tolist()):
            vector_bits = range(self.n_qubits - self.table.lane_qubits)
            bits = [1 << bit for bit in vector_bits if bit not in (row[LOW], row[HIGH])][-_PIECE_BITS:]
            for piece in range(PIECES):
                of_pieces[piece, g, VALUE] |= sum(bit for place, bit in enumerate(bits) if piece >> place & 1)
            mixes = row[PARTNER] & sum(bits)  # pieces may share out this row alone, but not together with others
            if mixes or bits != before or g - starts[-1] >= STRETCH:
                starts.append(g)
            before = None if mixes else bits
        return [np.ascontiguousarray(of_pieces[:, start:end]) for start, end in pairwise([*starts, len(rows)])]


def _circuit_operations(circuit: Circuit) -> Iterator[Operation]:
    waiting: list[Operation] = []
    for operations in operations_by_gate(circuit):
        both = joined(waiting, operations)
        if both is None:
            yield from waiting
        waiting = operations if both is None else [both]
    yield from waiting


@lru_cache(maxsize=128)
def compile_circuit(circuit: Circuit, lane_qubits: int, dtype: type[np.floating[Any]]) -> Program:
    """Compile a circuit for kernels of a precision."""
    patterns = Patterns(lane_qubits)
    rows = [row for operation in _circuit_operations(circuit) for row in patterns.rows(operation, circuit)]
    return assemble(circuit, rows, patterns, dtype)


def assemble(
    circuit: Circuit, rows: Sequence[Sequence[int]], patterns: Patterns, dtype: type[np.floating[Any]]
) -> Program:
    """Return the program of table rows, with the observables of `circuit`."""
    observables = [_observable(observable, patterns.lane_qubits) for observable in circuit.observables]
    table = Table(
        patterns.lane_qubits,
        np.array(rows, dtype=np.int64).reshape(-1, 10),
        patterns.table().astype(dtype),
        parameters_of(circuit, dtype),
        np.array([fields for fields, _ in observables], dtype=np.int64).reshape(-1, 4),
        np.array([signs for _, signs in observables], dtype=dtype).reshape(-1, LANES),
    )
    return Program(circuit.n_qubits, sum(GLOBAL_PHASES.get(gate.name, 0.0) for gate in circuit.gates), table)


def _parts(operation: Operation, lane_qubits: int) -> Iterator[tuple[list[int], int]]:
    """Yield the bits of the vector index that an operation distinguishes (at most two), with each set of their values.

    The first vector of a pair has a 0 at the highest flipped bit. Values for which a control is not set are omitted.
    """
    high = (operation.parity | operation.controls | (operation.flip_first or 0)) >> lane_qubits
    pair_bit = (operation.flips >> lane_qubits).bit_length() - 1
    free = [bit for bit in range(high.bit_length()) if high >> bit & 1 and bit != pair_bit]
    bits = free if pair_bit < 0 else [*free, pair_bit]
    needed = ((operation.flip_first or 0) if operation.is_flip else operation.controls) >> lane_qubits
    for choice in range(2 ** len(free)):
        value = sum(1 << bit for place, bit in enumerate(free) if choice >> place & 1)
        if value & needed == needed:
            yield bits, value


class Patterns:
    """The distinct coefficient patterns of a program, each 14 rows of 16 lanes.

    Rows 0 to 11: constant, cosine and sine part of D and F of a vector, then of its partner; rows 12 and 13: the
    generator at both.
    """

    def __init__(self, lane_qubits: int) -> None:
        self.lane_qubits = lane_qubits
        self._places: dict[Any, int] = {}
        self._blocks: list[NDArray[np.float64]] = []

    def rows(self, operation: Operation, circuit: Circuit) -> list[list[int]]:
        """Return the table rows of an operation (see `passes.py`)."""
        vector_bits = circuit.n_qubits - self.lane_qubits
        return [
            [
                2 ** (vector_bits - len(bits)),
                *sorted([*bits, NO_BIT, NO_BIT])[:2],
                value,
                operation.flips >> self.lane_qubits,
                operation.flips & ((1 << self.lane_qubits) - 1),
                operation.twist,
                NO_ANGLE if operation.column is None else operation.column,
                self._index(operation, value, inverse=False),
                self._index(operation, value, inverse=True),
            ]
            for bits, value in _parts(operation, self.lane_qubits)
        ]

    def _index(self, operation: Operation, value: int, inverse: bool) -> int:
        same = replace(operation, column=None if operation.column is None else 0)
        key = (same, value, inverse)
        if key not in self._places:
            self._places[key] = len(self._blocks)
            self._blocks.append(self._block(operation, value, inverse))
        return self._places[key]

    def _block(self, operation: Operation, value: int, inverse: bool) -> NDArray[np.float64]:
        block = np.zeros((PATTERN_ROWS, 2**self.lane_qubits))
        high = operation.flips >> self.lane_qubits << self.lane_qubits
        rule = operation.undone if inverse else operation.coefficients
        for lane in range(2**self.lane_qubits):
            index = value << self.lane_qubits | lane
            for side, place in enumerate((index, index ^ high)):
                direct, crossed = rule(place)
                block[6 * side : 6 * side + 6, lane] = direct + crossed
                block[12 + side, lane] = operation.generator(place)
        return np.repeat(block, LANES // 2**self.lane_qubits, axis=1)

    def table(self) -> NDArray[np.float64]:
        """Return all patterns, stacked."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros((0, LANES))


def _observable(observable: PauliString, lane_qubits: int) -> tuple[list[int], NDArray[np.float64]]:
    n = len(observable.letters)
    as_rotation = rotation(observable.letters, [1 << (n - 1 - wire) for wire in range(n)])
    power = observable.letters.count("Y") % 4  # (P v)[K] = (-i)^power (-1)^parity(K) v[K ^ x]
    sign = 1.0 if power in (0, 3) else -1.0
    lane_parity = as_rotation.parity & ((1 << lane_qubits) - 1)
    signs = np.array([-sign if (lane & lane_parity).bit_count() % 2 else sign for lane in range(LANES)])
    flips = as_rotation.flips
    fields = [
        flips >> lane_qubits,
        flips & ((1 << lane_qubits) - 1),
        as_rotation.parity >> lane_qubits,
        power % 2,
    ]
    return fields, signs
