"""Which parts a kernel classifier is made of, and what is left of them when one is removed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, Literal, get_args

from hqlm.algorithms.feature_maps import FeatureMap
from hqlm.circuits import Circuit
from hqlm.encoders import FeatureEncoder
from hqlm.errors import ConfigError
from hqlm.models.composition import refuse_idle

KernelAblation = Literal[
    "feature_encoder", "reuploading", "long_range", "entanglement", "main_circuit", "offset", "alignment", "quantum"
]
KERNEL_ABLATIONS: Final[tuple[str, ...]] = get_args(KernelAblation)


@dataclass(frozen=True)
class KernelParts:
    """The recipes between an embedding and a Gram matrix.

    Args:
        feature_encoder: from an embedding to the vector that the feature map takes; None takes the embedding itself.
        feature_map: from that vector to a state; None for the RBF kernel of embeddings.
        aligned: whether weights are trained by kernel-target alignment.
    """

    feature_encoder: FeatureEncoder | None
    feature_map: FeatureMap | None
    aligned: bool

    def circuit(self, embedding_dim: int) -> Circuit | None:
        """The circuit of the feature map, None where there is none.

        Raises:
            ConfigError: for features in groups, which a feature map has no blocks for.
        """
        if self.feature_map is None:
            return None
        encoder = self.feature_encoder
        if encoder is not None and encoder.n_groups > 1:
            raise ConfigError(
                f"model.feature_encoder yields its features in {encoder.n_groups} groups, to be uploaded in turn, but "
                "a feature map takes them as one vector. Set feature_encoder.merge=concat and correlators=0"
            )
        return self.feature_map.circuit(embedding_dim if encoder is None else encoder.n_features)

    def ablated(self, words: tuple[str, ...]) -> KernelParts:
        """These parts without what the words name.

        Raises:
            ConfigError: for a word that changes nothing.
        """
        refuse_idle(words, lambda those: self._without_all(those)._structure)
        return self._without_all(words)

    def _without_all(self, words: tuple[str, ...]) -> KernelParts:
        return reduce(KernelParts._without, words, self)

    def _without(self, word: str) -> KernelParts:
        if word == "quantum":
            return KernelParts(None, None, aligned=False)
        if word == "alignment":
            return replace(self, aligned=False)
        return replace(
            self,
            feature_encoder=self.feature_encoder and self.feature_encoder.ablated(word),
            feature_map=self.feature_map and self.feature_map.ablated(word),
        )

    @property
    def _structure(self) -> tuple[object, ...]:
        """What is equal for two sets of parts that are the same recipes."""
        return self.feature_encoder and self.feature_encoder.structure, self.feature_map, self.aligned
