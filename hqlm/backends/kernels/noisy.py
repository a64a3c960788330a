"""Operation tables of trajectories: the table of a circuit with rows of errors inserted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqlm.backends.kernels.operations import gate_operations, joined, operations_by_gate
from hqlm.backends.kernels.program import Patterns, Program, assemble
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit, Gate

# Y acts as RY(pi) = -iY, which is real; the phase is global
_PAULIS = ("X", "Y", "Z")


class NoisyProgram:
    """The rows of every gate of a circuit and of every error, computed once, from which tables are assembled.

    Args:
        circuit: the circuit.
        lane_qubits: see `Table`.
        dtype: numpy dtype of the kernels.
    """

    def __init__(self, circuit: Circuit, lane_qubits: int, dtype: type[np.floating[Any]]) -> None:
        patterns = Patterns(lane_qubits)
        by_gate = operations_by_gate(circuit)
        self._rows = [_table([row for each in group for row in patterns.rows(each, circuit)]) for group in by_gate]
        self._joined: dict[int, NDArray[np.int64]] = {}  # rows of gate g fused with the next one
        for g, (first, second) in enumerate(pairwise(by_gate)):
            both = joined(first, second)
            if both is not None:
                self._joined[g] = _table(patterns.rows(both, circuit))
        self._errors = {
            (letter, wire): _table([row for each in operations for row in patterns.rows(each, circuit)])
            for letter in _PAULIS
            for wire in range(circuit.n_qubits)
            for operations in [gate_operations(Gate(letter, (wire,)), circuit.n_qubits, -1)]
        }
        pieces, self._ends = self._without_errors()
        self._base = np.concatenate(pieces) if pieces else _table([])
        self.program = assemble(circuit, self._base.tolist(), patterns, dtype)

    def _without_errors(self) -> tuple[list[NDArray[np.int64]], dict[int, int]]:
        """Return the tables in order, and the end in them of each gate that is not fused with the next."""
        pieces, ends, length, g = [], {}, 0, 0
        while g < len(self._rows):
            together = g in self._joined
            pieces.append(self._joined[g] if together else self._rows[g])
            length += len(pieces[-1])
            g += 1 + together
            ends[g - 1] = length
        return pieces, ends

    def with_errors(self, errors: Errors) -> Program:
        """Return the program of one trajectory."""
        start, rows = self.branch(errors)
        table = self.program.table
        return replace(self.program, table=table._replace(rows=np.concatenate((table.rows[:start], rows))))

    def branch(self, errors: Errors) -> tuple[int, NDArray[np.int64]]:
        """Return the program row before which the first error occurs, and the rows of a trajectory from there on."""
        after = defaultdict(list)
        for gate, letter, wire in errors:
            after[gate].append(self._errors[letter, wire])
        pieces: list[NDArray[np.int64]] = []
        start = done = len(self._base)
        for gate, tables in after.items():
            if gate in self._ends:
                begin = end = self._ends[gate]
                pieces += [self._base[done:begin], *tables]
            else:  # an error between a CNOT and the rotation it is fused with
                end = self._ends[gate + 1]
                begin = end - len(self._joined[gate])
                pieces += [self._base[done:begin], self._rows[gate], *tables, self._rows[gate + 1]]
            start, done = min(start, begin), end
        return start, np.concatenate([*pieces, self._base[done:]])


def _table(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, 10)


@lru_cache(maxsize=32)
def noisy_program(circuit: Circuit, lane_qubits: int, dtype: type[np.floating[Any]]) -> NoisyProgram:
    """Return the noisy program of a circuit."""
    return NoisyProgram(circuit, lane_qubits, dtype)
