"""A classical feature encoder: one linear layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hqlm.encoders.feature.base import FeatureEncoder, FeatureModule
from hqlm.errors import ConfigError
from hqlm.memory import check_parameters


@dataclass(frozen=True)
class LinearFeatureEncoder(FeatureEncoder):
    """tanh(W x + b), one feature per qubit; trained, with `(dim + 1) n_qubits` parameters.

    Args:
        n_qubits: number of features, and of qubits of the second module.
    """

    n_qubits: int = 9

    def __post_init__(self) -> None:
        if self.n_qubits < 1:
            raise ConfigError(f"feature_encoder.n_qubits must be 1 or more, given {self.n_qubits}")

    @property
    def n_features(self) -> int:
        """Number of features: one per qubit."""
        return self.n_qubits

    def build(self, dim: int) -> FeatureModule:
        """Return the linear layer for embeddings of `dim` values."""
        check_parameters(self.n_qubits * dim, "Lower feature_encoder.n_qubits")
        return _Linear(self, dim)


class _Linear(FeatureModule):
    def __init__(self, recipe: LinearFeatureEncoder, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, recipe.n_qubits)

    def forward(self, embeddings: Tensor) -> Tensor:
        return torch.tanh(self.linear(embeddings))
