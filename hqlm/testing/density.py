"""Circuits and noise as density matrices in plain NumPy: the same conventions, without code of a backend."""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.execution import Noise

Matrix = NDArray[Any]

PAULIS: Final[dict[str, Matrix]] = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


def pauli(letters: str) -> Matrix:
    """Return the tensor product of Pauli matrices, qubit 0 first."""
    whole: Matrix = reduce(np.kron, [PAULIS[letter] for letter in letters])
    return whole


def rotation(letters: str, angle: float) -> Matrix:
    """Return exp(-i t P / 2) for an angle t in radians and a Pauli string P."""
    generator = pauli(letters)
    exponential: Matrix = np.cos(angle / 2) * np.eye(len(generator)) - 1j * np.sin(angle / 2) * generator
    return exponential


def controlled(matrix: Matrix) -> Matrix:
    """Return |0><0| (x) 1 + |1><1| (x) U."""
    return np.kron(np.diag([1.0, 0.0]), np.eye(2)) + np.kron(np.diag([0.0, 1.0]), matrix)


_FIXED: Final[dict[str, Matrix]] = {
    **PAULIS,
    "H": (PAULIS["X"] + PAULIS["Z"]) / np.sqrt(2),
    "S": np.diag([1, 1j]),
    "SDG": np.diag([1, -1j]),
    "T": np.diag([1, np.exp(0.25j * np.pi)]),
    "TDG": np.diag([1, np.exp(-0.25j * np.pi)]),
    "SX": np.exp(0.25j * np.pi) * rotation("X", np.pi / 2),
    "SXDG": np.exp(-0.25j * np.pi) * rotation("X", -np.pi / 2),
    "CNOT": controlled(PAULIS["X"]),
    "CZ": controlled(PAULIS["Z"]),
    "SWAP": sum((pauli(2 * letter) for letter in "IXYZ"), np.zeros((4, 4), complex)) / 2,
}


def gate_matrix(name: str, angle: float | None = None) -> Matrix:
    """Return the matrix of a gate for an angle in radians; the first wire is the most significant bit."""
    if angle is None:
        return _FIXED[name]
    return controlled(rotation(name[2:], angle)) if name.startswith("C") else rotation(name[1:], angle)


def embed(matrix: Matrix, wires: tuple[int, ...], n_qubits: int) -> Matrix:
    """Extend a matrix on `wires` to all qubits."""
    order = [*wires, *(wire for wire in range(n_qubits) if wire not in wires)]
    places = np.argsort(order)
    full = np.kron(matrix, np.eye(2 ** (n_qubits - len(wires)))).reshape([2] * (2 * n_qubits))
    return full.transpose([*places, *(places + n_qubits)]).reshape(2**n_qubits, 2**n_qubits)


def channels(noise: Noise, wires: tuple[int, ...]) -> list[tuple[tuple[int, ...], list[Matrix]]]:
    """Yield (wires, Kraus operators) of each channel after a gate on `wires`, in the order they act."""
    probability = noise.one_qubit if len(wires) == 1 else noise.two_qubit
    strings = ["".join(letters) for letters in product("IXYZ", repeat=len(wires))]
    share = probability / (len(strings) - 1)
    kraus = [np.sqrt(share) * pauli(string) for string in strings[1:]]
    found = [(wires, [np.sqrt(1.0 - probability) * pauli(strings[0]), *kraus])]
    a, p = noise.amplitude_damping, noise.phase_damping
    damping = [np.diag([1.0 + 0j, np.sqrt(1.0 - a)]), np.array([[0, np.sqrt(a)], [0, 0]], dtype=complex)]
    dephasing = [
        np.sqrt((1.0 + np.sqrt(1.0 - p)) / 2) * PAULIS["I"],
        np.sqrt((1.0 - np.sqrt(1.0 - p)) / 2) * pauli("Z"),
    ]
    return found + [((wire,), operators) for operators in (damping, dephasing) for wire in wires]


def density_matrix(circuit: Circuit, weights: Matrix, inputs: Matrix, state: Matrix | None, noise: Noise) -> Matrix:
    """Return the density matrix of one row after all gates and their noise."""
    psi = np.eye(2**circuit.n_qubits, dtype=complex)[0] if state is None else state
    rho: Matrix = np.outer(psi, psi.conj())
    for gate in circuit.gates:
        unitary = embed(gate_matrix(gate.name, _angle(gate, weights, inputs)), gate.wires, circuit.n_qubits)
        rho = unitary @ rho @ unitary.conj().T
        for wires, kraus in channels(noise, gate.wires) if gate.noisy else []:
            full = [embed(operator, wires, circuit.n_qubits) for operator in kraus]
            rho = np.sum([k @ rho @ k.conj().T for k in full], axis=0)
    return rho


def _angle(gate: Gate, weights: Matrix, inputs: Matrix) -> float | None:
    if isinstance(gate.angle, Weight):
        return float(gate.angle.scale * weights[gate.angle.index].real)
    if isinstance(gate.angle, Input):
        return float(gate.angle.scale * inputs[gate.angle.index].real)
    return gate.angle


def expectations(
    circuit: Circuit,
    weights: Tensor,
    inputs: Tensor | None = None,
    states: Tensor | None = None,
    noise: Noise = Noise(),
) -> Tensor:
    """Return the reference values of `QuantumBackend.expectations` without shots: `(batch, n_observables)`, float64."""
    batch = max(len(tensor) if tensor is not None else 1 for tensor in (inputs, states))
    rows = []
    for row in range(batch):
        features = np.zeros(0, complex) if inputs is None else inputs[row].detach().numpy().astype(complex)
        state = None if states is None else states[row].numpy(force=True).astype(complex)
        rho = density_matrix(circuit, weights.detach().numpy().astype(complex), features, state, noise)
        rows.append([_value(rho, observable, noise.readout) for observable in circuit.observables])
    return torch.tensor(rows, dtype=torch.float64)


def _value(rho: Matrix, observable: PauliString, readout: float) -> float:
    kept = (1.0 - 2.0 * readout) ** len(observable.support)
    return kept * float(np.trace(rho @ pauli(observable.letters)).real)
