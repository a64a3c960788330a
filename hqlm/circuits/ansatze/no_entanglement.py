"""The rotations of another ansatz without its entangling gates: the control experiment for entanglement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hqlm.circuits.ansatze.base import Ansatz
from hqlm.circuits.ansatze.ring import RingAnsatz
from hqlm.circuits.gates import Gate, Weight


@dataclass(frozen=True)
class NoEntanglementAnsatz(Ansatz):
    """The single-qubit gates of `base`, in order; two-qubit gates are dropped and weights renumbered.

    Args:
        base: ansatz whose rotations are kept.
    """

    base: Ansatz = field(default_factory=RingAnsatz)

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the single-qubit gates of `n_layers` layers of the base."""
        kept = [gate for gate in self.base.gates(n_qubits, n_layers) if len(gate.wires) == 1]
        places: dict[int, int] = {}
        return tuple(_renumber(gate, places) for gate in kept)

    def ablated(self, word: str) -> Ansatz:
        """Return itself for `entanglement`, which it already lacks; pass any other ablation to the base."""
        return self if word == "entanglement" else replace(self, base=self.base.ablated(word))


def _renumber(gate: Gate, places: dict[int, int]) -> Gate:
    if not isinstance(gate.angle, Weight):
        return gate
    place = places.setdefault(gate.angle.index, len(places))
    return replace(gate, angle=Weight(place, gate.angle.scale))
