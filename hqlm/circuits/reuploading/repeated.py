"""The paper's scheme: blocks of upload and ansatz, then the main circuit."""

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
class RepeatedUpload(Reuploading):
    """N blocks of [angle encoding RY(scale x), one ansatz layer], then R ansatz layers.

    Block i uploads feature group i mod n_groups. Source: Kim et al. (2025), arXiv:2504.08732; data re-uploading:
    Perez-Salinas et al. (2020), arXiv:1907.02085.

    Args:
        n_blocks: number N of re-uploading blocks.
        n_main_layers: number R of layers of the main circuit.
        share_weights: share one set of weights between the ansatz layers of all blocks.
        scale: factor from a feature to its angle in radians.
        trainable_scale: multiply each feature by a trainable number that starts at 1.
        upload_once: upload each group in only one block; the ansatz layers of all blocks are kept.
    """

    n_blocks: int = 2
    n_main_layers: int = 2
    share_weights: bool = False
    scale: float = math.pi
    trainable_scale: bool = False
    upload_once: bool = False

    def __post_init__(self) -> None:
        if self.n_blocks < 1 or self.n_main_layers < 0:
            raise CircuitError(
                f"RepeatedUpload needs n_blocks >= 1 and n_main_layers >= 0, "
                f"given {self.n_blocks} and {self.n_main_layers}"
            )
        check_scale(self.scale, "RepeatedUpload")

    @property
    def trains_scale(self) -> bool:
        """Whether features are multiplied by a trainable scale."""
        return self.trainable_scale

    def circuit(self, n_features: int, n_groups: int, ansatz: Ansatz, observables: Sequence[PauliString]) -> Circuit:
        """Return the circuit on `n_features // n_groups` qubits."""
        n_qubits = group_size(n_features, n_groups)
        check_uploads(self.n_blocks, n_groups, "RepeatedUpload")
        layer = ansatz.gates(n_qubits, 1)
        check_gates(self.n_blocks * len(layer), "reuploading.n_blocks or the number of qubits")
        gates: list[Gate] = []
        width = 0 if self.share_weights else n_weights(layer)
        for block in range(self.n_blocks):
            if block < n_groups or not self.upload_once:
                gates += angle_encoding(block % n_groups, n_qubits, self.scale)
            gates += shift_weights(layer, block * width)
        gates += shift_weights(ansatz.gates(n_qubits, self.n_main_layers), n_weights(gates))
        return Circuit(n_qubits, tuple(gates), tuple(observables))

    def ablated(self, word: str) -> Reuploading:
        """Upload each group once for `reuploading`, remove the main circuit for `main_circuit`."""
        if word == "reuploading":
            return replace(self, upload_once=True) if self.n_blocks > 1 else self
        return replace(self, n_main_layers=0) if word == "main_circuit" else self
