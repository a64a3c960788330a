"""A backend in one file, here state vectors in plain NumPy: copy it and put your simulator inside."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np
import torch

from hqlm.backends import QuantumBackend

_X, _Z = np.eye(2)[::-1], np.diag([1.0, -1.0])
_MATRICES: dict[str, Any] = {"I": np.eye(2), "X": _X, "Y": 1j * _X @ _Z, "Z": _Z, "H": (_X + _Z) / np.sqrt(2)}


@dataclass(frozen=True)
class NumpyBackend(QuantumBackend):
    """State vectors in NumPy, row by row: exact values and shots, no noise but readout errors."""

    gates: ClassVar[frozenset[str]] = frozenset({"H", "RX", "RY", "RZ", "CNOT", "CZ"})

    def values(self, circuit: Any, angles: Any, states: Any, noise: Any) -> torch.Tensor:
        """Exact expectation values `(rows, n_observables)`."""
        strings = [[_MATRICES[letter] for letter in observable.letters] for observable in circuit.observables]
        rows = [_state(circuit, row) for row in angles.double().numpy()]
        values = [[np.vdot(psi, reduce(_on, enumerate(string), psi)).real for string in strings] for psi in rows]
        return torch.tensor(values)

    def bits(self, circuit: Any, angles: Any, states: Any, noise: Any, shots: int, seed: int) -> torch.Tensor:
        """Samples `(rows, shots, n_qubits)`, uint8, qubit 0 first."""
        generator, n = np.random.default_rng(seed), circuit.n_qubits
        rows = [np.abs(_state(circuit, row).ravel()) ** 2 for row in angles.double().numpy()]
        drawn = np.array([generator.choice(2**n, shots, p=row / row.sum()) for row in rows])
        return torch.from_numpy((drawn[..., None] >> np.arange(n)[::-1]) & 1).to(torch.uint8)


def _state(circuit: Any, row: Any) -> Any:
    psi = np.eye(2**circuit.n_qubits, dtype=complex)[0].reshape([2] * circuit.n_qubits)
    for gate, angle in circuit.bound(row):
        pauli = _MATRICES["X" if gate.name == "CNOT" else gate.name[-1]]
        matrix = pauli if angle is None else np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * pauli
        turned = _on(psi, (gate.wires[-1], matrix))
        psi = turned if len(gate.wires) == 1 else np.where(np.indices(psi.shape)[gate.wires[0]], turned, psi)
    return psi


def _on(psi: Any, wire_and_matrix: tuple[int, Any]) -> Any:
    wire, matrix = wire_and_matrix
    return np.moveaxis(np.tensordot(matrix, psi, (1, wire)), 0, wire)
