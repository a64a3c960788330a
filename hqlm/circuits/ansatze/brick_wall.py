"""Entanglers on alternating pairs of neighbours, like bricks in a wall."""

from __future__ import annotations

from dataclasses import dataclass

from hqlm.circuits.ansatze.base import Ansatz, Weights, check_size
from hqlm.circuits.gates import Gate


@dataclass(frozen=True)
class BrickWallAnsatz(Ansatz):
    """Each layer: RY on every qubit, CZ on the pairs (0, 1), (2, 3), ...; RY again, CZ on (1, 2), (3, 4), ...

    `2 Q` weights per layer, all gates real. Source: Cerezo et al. (2021), Cost function dependent barren plateaus in
    shallow parametrized quantum circuits, arXiv:2001.00550.
    """

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` layers."""
        check_size(n_qubits, n_layers, 3)
        weights, gates = Weights(), []
        for _ in range(n_layers):
            for first in (0, 1):
                gates += [weights.rotation("RY", wire) for wire in range(n_qubits)]
                gates += [Gate("CZ", (wire, wire + 1)) for wire in range(first, n_qubits - 1, 2)]
        return tuple(gates)
