"""Base class of trainable circuits (parameterised quantum circuits, PQCs)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from hqlm.circuits.gates import Gate, Weight
from hqlm.circuits.sizes import check_gates, check_qubits
from hqlm.contracts import returns
from hqlm.errors import CircuitError
from hqlm.registry import Component


@dataclass(frozen=True)
class Ansatz(Component):
    """A family of trainable circuits for any number of qubits and layers."""

    @abstractmethod
    @returns(
        "a tuple of Gate",
        lambda gates, *_: isinstance(gates, tuple | list) and all(isinstance(gate, Gate) for gate in gates),
    )
    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` layers, with weights numbered from 0 in order of first use."""

    def ablated(self, word: str) -> Ansatz:
        """Return the ansatz without entangling gates for `entanglement`; itself for any other ablation."""
        if word != "entanglement":
            return self
        from hqlm.circuits.ansatze.no_entanglement import NoEntanglementAnsatz  # itself an Ansatz

        return NoEntanglementAnsatz(self)


class Weights:
    """Fresh weights, numbered in order."""

    def __init__(self) -> None:
        self._indices: Iterator[int] = count()

    def rotation(self, name: str, *wires: int) -> Gate:
        """Return a rotation with its own weight."""
        return Gate(name, wires, Weight(next(self._indices)))


def n_weights(gates: Iterable[Gate]) -> int:
    """Return the number of weights: one more than the largest weight index used."""
    return 1 + max((gate.angle.index for gate in gates if isinstance(gate.angle, Weight)), default=-1)


def shift_weights(gates: Iterable[Gate], k: int) -> tuple[Gate, ...]:
    """Return the gates with every weight index raised by `k`."""
    return tuple(
        replace(gate, angle=Weight(gate.angle.index + k, gate.angle.scale)) if isinstance(gate.angle, Weight) else gate
        for gate in gates
    )


def check_size(n_qubits: int, n_layers: int, gates_per_qubit: int = 1) -> None:
    """Reject a circuit without qubits, a negative number of layers, or more gates than can be run.

    Args:
        n_qubits: number of qubits.
        n_layers: number of layers.
        gates_per_qubit: approximate number of gates per qubit in a layer.

    Raises:
        CircuitError: with the sizes.
    """
    if n_qubits < 1 or n_layers < 0:
        raise CircuitError(f"an ansatz needs n_qubits >= 1 and n_layers >= 0, given {n_qubits} and {n_layers}")
    check_qubits(n_qubits)
    check_gates(n_qubits * n_layers * gates_per_qubit, "the number of layers (n_layers, n_main_layers) or of qubits")
