"""The paper's first module: parallel simulated quantum encoders of an amplitude-encoded embedding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from hqlm.backends import StatevectorBackend
from hqlm.circuits import Ansatz, Circuit, PauliString, RingAnsatz
from hqlm.encoders.feature.amplitudes import AmplitudeEncoding
from hqlm.encoders.feature.base import FeatureEncoder, FeatureModule
from hqlm.errors import ConfigError
from hqlm.layer import QuantumLayer


@dataclass(frozen=True)
class QuantumFeatureEncoder(FeatureEncoder):
    """E circuits in parallel, each: amplitude encoding, M ansatz layers, exact <Z> of each of Q qubits.

    They always run exactly on the native backend. Source: Kim et al. (2025), Quantum Large Language Model Fine-Tuning,
    arXiv:2504.08732.

    Args:
        n_qubits: qubits Q of each encoder; an embedding of `dim` values needs `2**Q >= dim`.
        n_layers: ansatz layers M of each encoder.
        n_encoders: number E of encoders, each with weights of its own.
        merge: what the second module gets of several encoders: `concat` (E Q features on as many qubits), `mean`
            (Q features) or `alternate` (block i of the re-uploading takes encoder i mod E).
        pad: `zeros` up to 2**Q amplitudes, or `truncate` to the first 2**Q values of the embedding.
        center: subtract the mean of the training embeddings first.
        offset: amplitude beside the normalised embedding (of norm 1); makes <Z> see what is linear in the embedding.
        ansatz: the trainable circuit.
        norm: what an embedding is divided by: its own norm (`row`, so that its direction alone counts) or the root
            mean square norm of the training embeddings (`data`, so that its length counts too and it may be zero).

    Raises:
        ConfigError: for sizes below 1, a negative offset, or `norm=data` without an offset.
    """

    n_qubits: int = 9
    n_layers: int = 2
    n_encoders: int = 1
    merge: Literal["concat", "mean", "alternate"] = "alternate"
    pad: Literal["zeros", "truncate"] = "zeros"
    center: bool = False
    offset: float = 0.0
    ansatz: Ansatz = field(default_factory=lambda: RingAnsatz(connectivity=2))
    norm: Literal["row", "data"] = "row"

    def __post_init__(self) -> None:
        for name in ("n_qubits", "n_layers", "n_encoders"):
            if getattr(self, name) < 1:
                raise ConfigError(f"feature_encoder.{name} must be 1 or more, given {getattr(self, name)}")
        if self.offset < 0.0:
            raise ConfigError(f"feature_encoder.offset must be 0 or more, given {self.offset}")
        if self.norm == "data" and self.offset == 0.0:
            raise ConfigError(
                "feature_encoder.norm=data: a state has norm 1, so the length of an embedding shows beside an offset "
                "only. Set feature_encoder.offset=1, or norm=row"
            )

    @property
    def n_features(self) -> int:
        """Q for `mean`, otherwise E Q."""
        return self.n_qubits if self.merge == "mean" else self.n_qubits * self.n_encoders

    @property
    def n_groups(self) -> int:
        """E for `alternate`, otherwise 1."""
        return self.n_encoders if self.merge == "alternate" else 1

    @property
    def circuit(self) -> Circuit:
        """The circuit of one encoder: the ansatz, then Z on every qubit."""
        observables = tuple(PauliString.z(wire, self.n_qubits) for wire in range(self.n_qubits))
        return Circuit(self.n_qubits, self.ansatz.gates(self.n_qubits, self.n_layers), observables)

    @property
    def structure(self) -> object:
        """The circuit in place of the ansatz that makes it."""
        return replace(self, ansatz=RingAnsatz()), self.circuit

    def build(self, dim: int) -> FeatureModule:
        """The module for embeddings of `dim` values.

        Raises:
            ConfigError: when the embedding does not fit 2**Q amplitudes.
        """
        return _QuantumFeatures(self, dim)

    def ablated(self, word: str) -> FeatureEncoder:
        """For `offset` none, nor lengths that show beside it; other words as the ansatz and every feature encoder."""
        if word == "offset":
            return replace(self, offset=0.0, norm="row")
        if word == "feature_encoder":
            return super().ablated(word)
        return replace(self, ansatz=self.ansatz.ablated(word))


class _QuantumFeatures(FeatureModule):
    def __init__(self, recipe: QuantumFeatureEncoder, dim: int) -> None:
        super().__init__()
        self.merge = recipe.merge
        self.amplitudes = AmplitudeEncoding(dim, recipe.n_qubits, recipe.pad, recipe.center, recipe.offset, recipe.norm)
        circuit = recipe.circuit
        self.encoders = nn.ModuleList(QuantumLayer(circuit, StatevectorBackend()) for _ in range(recipe.n_encoders))

    def fit(self, embeddings: Tensor) -> None:
        self.amplitudes.fit(embeddings)

    def forward(self, embeddings: Tensor) -> Tensor:
        states = self.amplitudes(embeddings)
        features: list[Tensor] = [encoder(states=states) for encoder in self.encoders]
        if len(features) == 1:
            return features[0]
        return torch.stack(features).mean(0) if self.merge == "mean" else torch.cat(features, dim=1)
