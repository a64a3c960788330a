"""No upload: a circuit that never sees the data, the control for everything that a quantum layer adds by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hqlm.circuits.ansatze.base import Ansatz
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.reuploading.base import Reuploading, group_size
from hqlm.errors import CircuitError


@dataclass(frozen=True)
class NoUpload(Reuploading):
    """Only the layers of the ansatz: every row has the same readout.

    Args:
        n_main_layers: number of ansatz layers.
    """

    n_main_layers: int = 2

    def __post_init__(self) -> None:
        if self.n_main_layers < 0:
            raise CircuitError(f"NoUpload needs n_main_layers >= 0, given {self.n_main_layers}")

    @property
    def uploads(self) -> bool:
        """False: the circuit reads no features."""
        return False

    def circuit(self, n_features: int, n_groups: int, ansatz: Ansatz, observables: Sequence[PauliString]) -> Circuit:
        """Return the circuit on `n_features // n_groups` qubits."""
        n_qubits = group_size(n_features, n_groups)
        return Circuit(n_qubits, ansatz.gates(n_qubits, self.n_main_layers), tuple(observables))

    def ablated(self, word: str) -> Reuploading:
        """Remove the ansatz layers for `main_circuit`."""
        return replace(self, n_main_layers=0) if word == "main_circuit" else self
