"""The paper's first module: simulated quantum encoders in parallel, each of the amplitude-encoded embedding."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import torch
from torch import Tensor, nn

from hqlm.backends import StatevectorBackend
from hqlm.backends.memory import check_memory
from hqlm.circuits import Ansatz, Circuit, PauliString, RingAnsatz, check_gates
from hqlm.encoders.feature.amplitudes import AmplitudeEncoding, Rotation
from hqlm.encoders.feature.base import FeatureEncoder, FeatureModule
from hqlm.errors import ConfigError
from hqlm.layer import QuantumLayer

_CHOICES: Final = {"merge": ("concat", "mean", "alternate"), "pad": ("zeros", "truncate"), "norm": ("row", "data")}


@dataclass(frozen=True)
class QuantumFeatureEncoder(FeatureEncoder):
    """E circuits in parallel, each: amplitude encoding, M ansatz layers, exact <Z> of each of Q qubits.

    With correlators each encoder has 1 + D groups of Q features: <Z_q>, then <Z_q Z_(q + d mod Q)> for d = 1..D. They
    are read from the same circuit, so that a head with few weights sees more quadratic forms of the embedding. The
    circuits always run exactly on the native backend. Source: Kim et al. (2025), Quantum Large Language Model
    Fine-Tuning, arXiv:2504.08732; rotation and correlators are ours (docs/head.md).

    Args:
        n_qubits: qubits Q of each encoder; an embedding of `dim` values needs `2**Q >= dim`.
        n_layers: ansatz layers M of each encoder.
        n_encoders: number E of encoders, each with its own weights.
        merge: how the features of several encoders are combined for the second module: `concat` (E Q features on as
            many qubits), `mean` (Q features) or `alternate` (block i of the re-uploading takes encoder i mod E).
            Correlators are merged in the same way; blocks take their groups in turn.
        pad: `zeros` to fill up 2**Q amplitudes, or `truncate` to the first 2**Q values of the embedding.
        center: subtract the mean of the training embeddings first.
        offset: amplitude added beside the normalised embedding (of norm 1); makes <Z> depend on linear terms too.
        ansatz: the trainable circuit.
        norm: divisor of an embedding: its own norm (`row`, so that only its direction counts) or the root mean square
            norm of the training embeddings (`data`, so that its norm counts too and it may be zero).
        rotate: apply a different fixed random rotation to the embedding before each encoder, so that encoders differ
            and no qubit stands for a part of the values.
        jitter: norm, relative to the embedding's, of normal noise that is added to it in training. Bishop (1995),
            Training with noise is equivalent to Tikhonov regularization, doi:10.1162/neco.1995.7.1.108.
        correlators: largest ring distance D at which correlators <Z_q Z_(q + d)> are read; D < Q / 2.

    Raises:
        ConfigError: for sizes below 1, a negative offset or jitter, correlators of Q / 2 or more, `norm=data` without
            an offset, or an unknown choice.
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
    rotate: bool = False
    jitter: float = 0.0
    correlators: int = 0

    def __post_init__(self) -> None:
        for name in ("n_qubits", "n_layers", "n_encoders"):
            if getattr(self, name) < 1:
                raise ConfigError(f"feature_encoder.{name} must be 1 or more, given {getattr(self, name)}")
        for name in ("offset", "jitter"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"feature_encoder.{name} must be 0 or more, given {getattr(self, name)}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                choices = " or ".join(known)
                raise ConfigError(f"feature_encoder.{name} must be {choices}, given {getattr(self, name)!r}")
        if self.norm == "data" and self.offset == 0.0:
            raise ConfigError(
                "feature_encoder.norm=data has no effect without an offset, because a state has norm 1. Set "
                "feature_encoder.offset=1, or norm=row"
            )
        if not 0 <= 2 * self.correlators < self.n_qubits:
            raise ConfigError(
                f"feature_encoder.correlators={self.correlators} must be between 0 and {(self.n_qubits - 1) // 2} for "
                f"{self.n_qubits} qubits (less than half the ring)"
            )

    @property
    def n_features(self) -> int:
        """Number of features: Q for `mean`, otherwise E Q; times 1 + D."""
        return self.n_qubits * (1 + self.correlators) * (1 if self.merge == "mean" else self.n_encoders)

    @property
    def n_groups(self) -> int:
        """Number of groups: E for `alternate`, otherwise 1; times 1 + D."""
        return (1 + self.correlators) * (self.n_encoders if self.merge == "alternate" else 1)

    @property
    def circuit(self) -> Circuit:
        """Circuit of one encoder: the ansatz, then Z on every qubit, then the correlators by distance."""
        gates = self.ansatz.gates(self.n_qubits, self.n_layers)
        check_gates(self.n_encoders * max(1, len(gates)), "feature_encoder.n_encoders or n_layers")
        observables = tuple(
            _z({wire, (wire + distance) % self.n_qubits}, self.n_qubits)
            for distance in range(1 + self.correlators)
            for wire in range(self.n_qubits)
        )
        return Circuit(self.n_qubits, gates, observables)

    @property
    def structure(self) -> object:
        """All fields, with the circuit in place of the ansatz that makes it."""
        return replace(self, ansatz=RingAnsatz()), self.circuit

    def build(self, dim: int) -> FeatureModule:
        """Return the parallel encoders for embeddings of `dim` values.

        Raises:
            ConfigError: when the embedding does not fit 2**Q amplitudes.
            UnsupportedExecution: when a state does not fit in memory.
        """
        check_memory(self.n_qubits, 1, 4)
        return _QuantumFeatures(self, dim)

    def ablated(self, word: str) -> FeatureEncoder:
        """Remove the offset, and `norm=data` with it, for `offset`; handle other ablations as the base class does."""
        return replace(self, offset=0.0, norm="row") if word == "offset" else super().ablated(word)


class _QuantumFeatures(FeatureModule):
    def __init__(self, recipe: QuantumFeatureEncoder, dim: int) -> None:
        super().__init__()
        circuit = recipe.circuit  # rejects what is too large before anything is allocated
        self.merge, self.n_qubits = recipe.merge, recipe.n_qubits
        self.amplitudes = AmplitudeEncoding(
            dim, recipe.n_qubits, recipe.pad, recipe.center, recipe.offset, recipe.norm, recipe.jitter
        )
        size = self.amplitudes.kept
        self.rotations = nn.ModuleList(
            Rotation(size, seed) if recipe.rotate else nn.Identity() for seed in range(recipe.n_encoders)
        )
        self.encoders = nn.ModuleList(QuantumLayer(circuit, StatevectorBackend()) for _ in range(recipe.n_encoders))

    def fit(self, embeddings: Tensor) -> None:
        self.amplitudes.fit(embeddings)

    def forward(self, embeddings: Tensor) -> Tensor:
        states = self.amplitudes(embeddings)
        features: list[Tensor] = [
            encoder(states=rotation(states)) for rotation, encoder in zip(self.rotations, self.encoders, strict=True)
        ]
        if len(features) == 1:
            return features[0]
        if self.merge == "mean":
            return torch.stack(features).mean(0)
        if self.merge == "alternate":
            return torch.cat(features, dim=1)
        groups = [encoded.view(len(encoded), -1, self.n_qubits) for encoded in features]  # (batch, 1 + D, Q)
        return torch.cat(groups, dim=2).flatten(1)


def _z(wires: set[int], n_qubits: int) -> PauliString:
    return PauliString("".join("Z" if wire in wires else "I" for wire in range(n_qubits)))
