"""Single-qubit rotations and a chain of neighbouring entanglers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hqlm.circuits.ansatze.base import Ansatz, Weights, check_size
from hqlm.circuits.gates import Gate


@dataclass(frozen=True)
class HardwareEfficientAnsatz(Ansatz):
    """Each layer: the rotations on every qubit, then the entangler on (0, 1), (1, 2), ..., (Q - 2, Q - 1).

    Source: Kandala et al. (2017), Hardware-efficient variational quantum eigensolver, arXiv:1704.05018.

    Args:
        rotations: names of single-qubit rotations, in order; `[RY]` keeps a real state real.
        entangler: two-qubit gate without an angle.
    """

    rotations: tuple[Literal["RX", "RY", "RZ"], ...] = ("RY", "RZ")
    entangler: Literal["CNOT", "CZ"] = "CNOT"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotations", tuple(self.rotations))

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` layers; `Q len(rotations)` weights per layer."""
        check_size(n_qubits, n_layers, len(self.rotations) + 1)
        weights, gates = Weights(), []
        for _ in range(n_layers):
            gates += [weights.rotation(name, wire) for wire in range(n_qubits) for name in self.rotations]
            gates += [Gate(self.entangler, (wire, wire + 1)) for wire in range(n_qubits - 1)]
        return tuple(gates)
