"""Noisy circuits for the density-matrix kernels, which work on Pauli coefficients `r_Q = tr(Q rho)`.

In this basis everything is real, a gate other than a rotation permutes coefficients and flips signs, a rotation about
P rotates `(r_Q, r_R)` for each pair of strings with `R = -i Q P`, and noise scales coefficients. Source: Greenbaum
(2015), Introduction to quantum gate set tomography, arXiv:1509.02921, section 2.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hqlm.backends.kernels.parameters import NO_ANGLE, Parameters, column_numbers, parameters_of
from hqlm.backends.matrices import gate_matrix, pauli_matrix
from hqlm.circuits import Circuit, Gate, PauliString
from hqlm.execution import Noise

_LETTERS: Final = "IZXY"  # index 2 x + z of the Pauli operator that flips (x) and changes signs (z)
_QUARTER_TURNS: Final = {"T": math.pi / 4, "TDG": -math.pi / 4}  # the non-Clifford fixed gates, rotations about Z
SIZE, PAIRS, COLUMN, FIRST_BIT = range(4)  # fields of an operation


class PauliTable(NamedTuple):
    """Operations on blocks of 4 or 16 coefficients: gather, rotate pairs, scale and scatter.

    Attributes:
        fields: `(operations, 7)`: size of a block, number of pairs, column of the angle, and the bits that index the
            coefficients in a block, ascending, two for a block of 4.
        sources: `(operations, 16)`, bits from the block's index to each coefficient to gather.
        targets: `(operations, 16)`, the same for each coefficient to scatter.
        pairs: `(operations, 8, 2)`, the indices in the block of each pair.
        fixed: `(operations, 2)`, cosine and sine of half an angle without a column.
        rates: `(operations,)`, rotation of pairs as a fraction of the angle: 1 or 1/2.
        signs: `(operations, 16)`, factors of the gathered coefficients.
        scales: `(operations, 16)`, factors of the scattered coefficients.
        gains: `(operations, 16)`, multiple of the block's first coefficient that each coefficient receives.
    """

    fields: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    pairs: NDArray[np.int64]
    fixed: NDArray[Any]
    rates: NDArray[Any]
    signs: NDArray[Any]
    scales: NDArray[Any]
    gains: NDArray[Any]


@dataclass(frozen=True)
class PauliProgram:
    """A noisy circuit: its operations, and the parameters of their angles."""

    n_qubits: int
    table: PauliTable
    parameters: Parameters


@lru_cache(maxsize=64)
def pauli_program(circuit: Circuit, noise: Noise, dtype: type[np.floating[Any]]) -> PauliProgram:
    """Return the program of a noisy circuit."""
    operations = list(_circuit_operations(circuit, noise))
    count = len(operations)
    fields = zip(*operations, strict=True) if operations else ([] for _ in range(9))
    shapes = ((7,), (16,), (16,), (8, 2), (2,), (), (16,), (16,), (16,))
    kinds: tuple[type[Any], ...] = (np.int64, np.int64, np.int64, np.int64, dtype, dtype, dtype, dtype, dtype)
    arrays = [
        np.array(rows, dtype=kind).reshape(count, *shape)
        for rows, kind, shape in zip(fields, kinds, shapes, strict=True)
    ]
    return PauliProgram(circuit.n_qubits, PauliTable(*arrays), parameters_of(circuit, dtype))


def place_of(observable: PauliString) -> int:
    """Return the index of the coefficient of a Pauli string: flips above signs, qubit 0 the most significant bit."""
    numbers = [_LETTERS.index(letter) for letter in observable.letters]
    bits = [number >> 1 for number in numbers] + [number & 1 for number in numbers]
    return sum(bit << place for place, bit in enumerate(reversed(bits)))


def _circuit_operations(circuit: Circuit, noise: Noise) -> Iterator[tuple[Any, ...]]:
    columns = column_numbers(circuit)
    gates = deque(circuit.gates)
    while gates:
        gate = gates.popleft()
        turned = gates.popleft() if gates and _joins(gate, gates[0], noise) else None
        wires = list(gate.wires)
        turn = _turn(gate, columns) if turned is None else _turn(turned, columns, wires.index(turned.wires[0]))
        scales = _scales(gate, wires, noise) * (1.0 if turned is None else _scales(turned, wires, noise))
        yield _operation(wires, circuit.n_qubits, _moves(gate), turn, scales)
        if gate.noisy and _damps(noise):
            yield from (_damping(wire, circuit.n_qubits, noise) for wire in wires)


def _joins(gate: Gate, after: Gate, noise: Noise) -> bool:
    """Return whether a one-qubit rotation can be fused with the gate before it, which only moves coefficients.

    Pauli errors of the first gate do not prevent it: they scale all that the rotation mixes by one factor.
    """
    moves = len(gate.wires) == 2 and not gate.kind.parameterised
    turns = len(after.wires) == 1 and after.kind.parameterised and after.wires[0] in gate.wires
    return moves and turns and not _damps(noise)


def _scales(gate: Gate, wires: Sequence[int], noise: Noise) -> NDArray[Any]:
    """Return the factors of Pauli errors after a gate on a block's coefficients; its wires include the gate's."""
    error = (noise.one_qubit if len(gate.wires) == 1 else noise.two_qubit) if gate.noisy else 0.0
    strings = 4 ** len(gate.wires)
    touched = [any(s[wires.index(wire)] for wire in gate.wires) for s in product(range(4), repeat=len(wires))]
    return np.where(touched, 1.0 - error * strings / (strings - 1), 1.0)


def _damps(noise: Noise) -> bool:
    return noise.amplitude_damping > 0.0 or noise.phase_damping > 0.0


def _damping(wire: int, n_qubits: int, noise: Noise) -> tuple[Any, ...]:
    keep = 1.0 - noise.amplitude_damping
    flips = math.sqrt(keep * (1.0 - noise.phase_damping))
    scales, gains = np.array([1.0, keep, flips, flips]), np.array([0.0, noise.amplitude_damping, 0.0, 0.0])
    return _operation([wire], n_qubits, (np.arange(4), np.ones(4)), _NO_TURN, scales, gains)


class _Turn(NamedTuple):
    pairs: list[tuple[int, int]]
    column: int
    rate: float
    fixed: float


_NO_TURN: Final = _Turn([], NO_ANGLE, 1.0, 0.0)


def _operation(
    wires: Sequence[int],
    n_qubits: int,
    moves: tuple[NDArray[Any], NDArray[Any]],
    turn: _Turn,
    scales: NDArray[Any],
    gains: NDArray[Any] | None = None,
) -> tuple[Any, ...]:
    places = [n_qubits - 1 - wire for wire in wires]
    letters = [[0, 1 << place, 1 << n_qubits + place, 1 << n_qubits + place | 1 << place] for place in places]
    masks = np.array([sum(string) for string in product(*letters)])
    bits = sorted([*places, *(n_qubits + place for place in places)])
    sources, signs = moves
    missing = 16 - len(masks)
    return (
        [len(masks), len(turn.pairs), turn.column, *bits, *[0] * (4 - len(bits))],
        np.pad(masks[sources], (0, missing)),
        np.pad(masks, (0, missing)),
        np.array([*turn.pairs, *[(0, 0)] * (8 - len(turn.pairs))]),
        [math.cos(turn.fixed / 2), math.sin(turn.fixed / 2)],
        turn.rate,
        np.pad(signs, (0, missing)),
        np.pad(scales, (0, missing)),
        np.pad(np.zeros(len(masks)) if gains is None else gains, (0, missing)),
    )


def _moves(gate: Gate) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the source of each coefficient and its sign; rotations leave both unchanged."""
    strings = 4 ** len(gate.wires)
    if gate.kind.parameterised or gate.name in _QUARTER_TURNS:
        return np.arange(strings), np.ones(strings)
    return _clifford(gate.name, len(gate.wires), gate.kind.controlled)


@lru_cache(maxsize=64)
def _clifford(name: str, n_wires: int, controlled: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    unitary = gate_matrix(Gate(name, tuple(range(n_wires))), None, torch.zeros(1, dtype=torch.complex128))[0].numpy()
    if controlled:
        unitary = np.block([[np.eye(2), np.zeros((2, 2))], [np.zeros((2, 2)), unitary]])
    paulis = _paulis(n_wires)
    transfer = np.einsum("aij,jk,bkl,il->ab", paulis, unitary, paulis, unitary.conj()).real / 2**n_wires
    sources = np.abs(transfer).argmax(1)
    return sources, np.round(transfer[np.arange(len(sources)), sources])


def _turn(gate: Gate, columns: dict[Any, int], place: int | None = None) -> _Turn:
    """Return a gate as a rotation; for a one-qubit gate in a block of two qubits, at its position `place`."""
    if gate.name in _QUARTER_TURNS:
        return _Turn(_pairs("Z"), NO_ANGLE, 1.0, _QUARTER_TURNS[gate.name])
    if not gate.kind.parameterised:
        return _NO_TURN
    column = columns[gate.angle]
    if gate.kind.controlled:  # exp(-i t P/4) exp(i t ZP/4) with P on the target
        letter = gate.name[-1]
        back = [(b, a) for a, b in _pairs(f"Z{letter}")]
        return _Turn([*_pairs(f"I{letter}"), *back], column, 0.5, 0.0)
    letters = gate.name[1:]
    return _Turn(_pairs(letters if place is None else ("I" + letters, letters + "I")[place == 0]), column, 1.0, 0.0)


@lru_cache(maxsize=64)
def _pairs(letters: str) -> list[tuple[int, int]]:
    """Return the indices of the strings Q and R = -i Q P, for those Q that do not commute with P."""
    paulis = _paulis(len(letters))
    images = np.einsum("bij,ajk,ki->ab", paulis, -1j * paulis, pauli_matrix(letters).numpy()).real / 2 ** len(letters)
    anticommute = np.round(images - images.T) / 2
    return [(int(a), int(b)) for a, b in np.argwhere(anticommute > 0.5)]


@lru_cache(maxsize=2)
def _paulis(n_wires: int) -> NDArray[Any]:
    return np.stack([pauli_matrix("".join(letters)).numpy() for letters in product(_LETTERS, repeat=n_wires)])
