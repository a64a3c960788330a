"""The ansatz of the paper: rings of CNOT and RY at strides 1 to C."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hqlm.circuits.ansatze.base import Ansatz, Weights, check_size
from hqlm.circuits.gates import Gate
from hqlm.errors import CircuitError


@dataclass(frozen=True)
class RingAnsatz(Ansatz):
    """For each stride c = 1..C and each qubit q: CNOT(q, q + c mod Q), then RY(w) on the target; Q C weights per layer.

    All gates are real, so a real state stays real. Source: Kim et al. (2025), Quantum Large Language Model
    Fine-Tuning, arXiv:2504.08732.

    Args:
        connectivity: largest stride C; strides above 1 are long-range.
        ry_column: add a column of RY on every qubit after the first of two or more layers (the paper's figure 3).
    """

    connectivity: int = 1
    ry_column: bool = True

    def __post_init__(self) -> None:
        if self.connectivity < 1:
            raise CircuitError(f"RingAnsatz: connectivity must be 1 or more, given {self.connectivity}")

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` rings.

        Raises:
            CircuitError: if the longest stride returns to its own qubit.
        """
        check_size(n_qubits, n_layers)
        if n_layers and self.connectivity >= n_qubits:
            raise CircuitError(
                f"RingAnsatz: connectivity {self.connectivity} needs more than {self.connectivity} qubits, "
                f"given {n_qubits}. Use connectivity={max(1, n_qubits - 1)} or more qubits"
            )
        check_size(n_qubits, n_layers, 2 * self.connectivity)
        weights, gates = Weights(), []
        for layer in range(n_layers):
            if layer == 1 and self.ry_column:
                gates += [weights.rotation("RY", wire) for wire in range(n_qubits)]
            gates += self._ring(n_qubits, weights)
        return tuple(gates)

    def _ring(self, n_qubits: int, weights: Weights) -> list[Gate]:
        gates = []
        for stride in range(1, self.connectivity + 1):
            for control in range(n_qubits):
                target = (control + stride) % n_qubits
                gates += [Gate("CNOT", (control, target)), weights.rotation("RY", target)]
        return gates

    def ablated(self, word: str) -> Ansatz:
        """Keep only stride 1 for `long_range`; handle other ablations as the base class does."""
        return replace(self, connectivity=1) if word == "long_range" else super().ablated(word)
