"""One upload at the start: a variational circuit without re-uploading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hqlm.circuits.ansatze.base import Ansatz
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.reuploading.base import Reuploading, angle_encoding, check_scale, check_uploads, group_size
from hqlm.errors import CircuitError


@dataclass(frozen=True)
class SingleUpload(Reuploading):
    """Angle encoding RY(scale x), then the layers of the ansatz. Features must come in one group.

    Source: Mitarai et al. (2018), Quantum circuit learning, arXiv:1803.00745.

    Args:
        n_main_layers: number of ansatz layers after the upload.
        scale: factor from a feature to its angle in radians.
        trainable_scale: multiply each feature by a trainable number that starts at 1.
    """

    n_main_layers: int = 4
    scale: float = math.pi
    trainable_scale: bool = False

    def __post_init__(self) -> None:
        if self.n_main_layers < 0:
            raise CircuitError(f"SingleUpload needs n_main_layers >= 0, given {self.n_main_layers}")
        check_scale(self.scale, "SingleUpload")

    @property
    def trains_scale(self) -> bool:
        """Whether features are multiplied by a trainable scale."""
        return self.trainable_scale

    def circuit(self, n_features: int, n_groups: int, ansatz: Ansatz, observables: Sequence[PauliString]) -> Circuit:
        """Return the circuit on `n_features` qubits."""
        n_qubits = group_size(n_features, n_groups)
        check_uploads(1, n_groups, "SingleUpload")
        gates = (*angle_encoding(0, n_qubits, self.scale), *ansatz.gates(n_qubits, self.n_main_layers))
        return Circuit(n_qubits, gates, tuple(observables))

    def ablated(self, word: str) -> Reuploading:
        """Remove the ansatz layers for `main_circuit`."""
        return replace(self, n_main_layers=0) if word == "main_circuit" else self
