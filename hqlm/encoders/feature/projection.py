"""A random projection that is never trained: the control experiment for a trained feature encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hqlm.encoders.feature.base import FeatureEncoder, FeatureModule
from hqlm.errors import ConfigError
from hqlm.memory import check_fits


@dataclass(frozen=True)
class ProjectionFeatureEncoder(FeatureEncoder):
    """tanh(A x) with a fixed matrix A of independent normal numbers, of variance 1 for embeddings of norm 1.

    Args:
        features: number of features.
        groups: number of groups of features.
        seed: seed of the matrix.
    """

    features: int
    groups: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.groups < 1 or self.features < 1 or self.features % self.groups:
            raise ConfigError(f"{self.features} features cannot be split into {self.groups} equal groups")

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.features

    @property
    def n_groups(self) -> int:
        """Number of groups of features."""
        return self.groups

    def ablated(self, word: str) -> FeatureEncoder:
        """Return itself: no part of it is trained."""
        return self

    def build(self, dim: int) -> FeatureModule:
        """Return the projection for embeddings of `dim` values."""
        check_fits(4 * self.features * dim, "the numbers of the projection", "Lower feature_encoder.features")
        return _Projection(self, dim)


class _Projection(FeatureModule):
    matrix: Tensor

    def __init__(self, recipe: ProjectionFeatureEncoder, dim: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(recipe.seed)
        self.register_buffer("matrix", torch.randn(recipe.features, dim, generator=generator))

    def forward(self, embeddings: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True).clamp_min(math.ulp(1.0))
        return torch.tanh(embeddings / norms @ self.matrix.T)
