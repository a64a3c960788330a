"""Base class of feature encoders: from an embedding to the features that a quantum circuit uploads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from hqlm.contracts import Contracted, returns
from hqlm.registry import Component


class FeatureModule(nn.Module, Contracted, ABC):
    """A built feature encoder: `(batch, dim) -> (batch, n_features)`."""

    @returns("nothing")
    def fit(self, embeddings: Tensor) -> None:
        """Set the values that are estimated, not trained, from the training embeddings `(rows, dim)`."""

    @abstractmethod
    @returns(
        "a tensor (batch, n_features) of floating-point numbers",
        lambda features, self, embeddings: (
            isinstance(features, Tensor)
            and features.is_floating_point()
            and features.ndim == 2
            and len(features) == len(embeddings)
        ),
    )
    def forward(self, embeddings: Tensor) -> Tensor:
        """Return features `(batch, n_features)` of embeddings `(batch, dim)`."""


@dataclass(frozen=True)
class FeatureEncoder(Component):
    """A recipe for a feature encoder.

    The features come in `n_groups` equal groups, each uploaded by its own blocks.
    """

    @property
    @abstractmethod
    @returns("a whole number of 1 or more", lambda number, self: isinstance(number, int) and number >= 1)
    def n_features(self) -> int:
        """Number of features."""

    @property
    @returns("a whole number of 1 or more", lambda number, self: isinstance(number, int) and number >= 1)
    def n_groups(self) -> int:
        """Number of groups of features."""
        return 1

    @abstractmethod
    @returns("a FeatureModule", lambda module, *_: isinstance(module, FeatureModule))
    def build(self, dim: int) -> FeatureModule:
        """Return the module for embeddings of `dim` values."""

    def ablated(self, word: str) -> FeatureEncoder:
        """Return a fixed random projection for `feature_encoder`; pass other ablations on to nested recipes."""
        if word != "feature_encoder":
            return super().ablated(word)  # type: ignore[return-value]  # of the same class
        from hqlm.encoders.feature.projection import ProjectionFeatureEncoder  # itself a FeatureEncoder

        return ProjectionFeatureEncoder(self.n_features, self.n_groups)
