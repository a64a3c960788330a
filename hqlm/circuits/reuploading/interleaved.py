"""Uploads between the layers of one trainable circuit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hqlm.circuits.ansatze.base import Ansatz, n_weights, shift_weights
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.gates import Gate
from hqlm.circuits.reuploading.base import Reuploading, angle_encoding, check_scale, check_uploads, group_size
from hqlm.circuits.sizes import check_gates
from hqlm.errors import CircuitError


@dataclass(frozen=True)
class InterleavedUpload(Reuploading):
    """W S(x) W S(x) ... W: an ansatz layer W, then N times an upload S(x) and another layer.

    The readout is a Fourier series of degree N in each feature. Source: Schuld et al. (2021), Effect of data encoding
    on the expressive power of variational quantum-machine-learning models, arXiv:2008.08605.

    Args:
        n_uploads: number N of uploads; upload i takes feature group i mod n_groups.
        scale: factor from a feature to its angle in radians.
        trainable_scale: multiply each feature by a trainable number that starts at 1.
        upload_once: upload each group only once; all ansatz layers are kept.
    """

    n_uploads: int = 2
    scale: float = math.pi
    trainable_scale: bool = False
    upload_once: bool = False

    def __post_init__(self) -> None:
        if self.n_uploads < 1:
            raise CircuitError(f"InterleavedUpload needs n_uploads >= 1, given {self.n_uploads}")
        check_scale(self.scale, "InterleavedUpload")

    @property
    def trains_scale(self) -> bool:
        """Whether features are multiplied by a trainable scale."""
        return self.trainable_scale

    def circuit(self, n_features: int, n_groups: int, ansatz: Ansatz, observables: Sequence[PauliString]) -> Circuit:
        """Return the circuit on `n_features // n_groups` qubits."""
        n_qubits = group_size(n_features, n_groups)
        check_uploads(self.n_uploads, n_groups, "InterleavedUpload")
        layer = ansatz.gates(n_qubits, 1)
        check_gates((self.n_uploads + 1) * len(layer), "reuploading.n_uploads or the number of qubits")
        gates: list[Gate] = list(layer)
        width = n_weights(layer)
        for upload in range(self.n_uploads):
            if upload < n_groups or not self.upload_once:
                gates += angle_encoding(upload % n_groups, n_qubits, self.scale)
            gates += shift_weights(layer, (upload + 1) * width)
        return Circuit(n_qubits, tuple(gates), tuple(observables))

    def ablated(self, word: str) -> Reuploading:
        """Upload each group once for `reuploading`."""
        return replace(self, upload_once=True) if word == "reuploading" and self.n_uploads > 1 else self
