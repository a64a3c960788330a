"""General single-qubit rotations and rings of CNOT whose stride changes from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hqlm.circuits.ansatze.base import Ansatz, Weights, check_size
from hqlm.circuits.gates import Gate


@dataclass(frozen=True)
class StronglyEntanglingAnsatz(Ansatz):
    """Layer l: RZ RY RZ on every qubit, then CNOT(q, q + r mod Q) with r = 1 + l mod (Q - 1); 3 Q weights per layer.

    Source: Schuld et al. (2018), Circuit-centric quantum classifiers, arXiv:1804.00633.

    Args:
        long_range: whether the stride r grows from layer to layer; if not, r = 1 in all layers.
    """

    long_range: bool = True

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` layers."""
        check_size(n_qubits, n_layers, 4)
        weights, gates = Weights(), []
        for layer in range(n_layers):
            gates += [weights.rotation(name, wire) for wire in range(n_qubits) for name in ("RZ", "RY", "RZ")]
            if n_qubits > 1:
                stride = 1 + layer % (n_qubits - 1) if self.long_range else 1
                gates += [Gate("CNOT", (wire, (wire + stride) % n_qubits)) for wire in range(n_qubits)]
        return tuple(gates)

    def ablated(self, word: str) -> Ansatz:
        """Keep only stride 1 for `long_range`; handle other ablations as the base class does."""
        return replace(self, long_range=False) if word == "long_range" else super().ablated(word)
