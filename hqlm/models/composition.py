"""Which modules a hybrid head is made of, and what is left of it when one is removed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from hqlm.circuits import Ansatz, Circuit, PauliString, Reuploading
from hqlm.encoders import FeatureEncoder
from hqlm.errors import ConfigError

Ablation = Literal[
    "feature_encoder",
    "reuploading",
    "long_range",
    "entanglement",
    "main_circuit",
    "offset",
    "second_module",
    "quantum",
]
ABLATIONS: Final[tuple[str, ...]] = get_args(Ablation)


@dataclass(frozen=True)
class Composition:
    """The recipes of a hybrid head, from the embedding to what the linear layer reads.

    Args:
        feature_encoder: first module; None where nothing stands before the linear layer.
        reuploading: scheme of the second module; None where the linear layer reads the features.
        ansatz: trainable circuit of the second module.
        readout: measured qubits of the second module: a number, `all`, or `auto`.
        skip: whether the linear layer reads the features too.
    """

    feature_encoder: FeatureEncoder | None
    reuploading: Reuploading | None
    ansatz: Ansatz
    readout: int | Literal["all", "auto"]
    skip: bool

    def circuit(self, n_classes: int) -> Circuit | None:
        """The circuit of the second module.

        Raises:
            ConfigError: when more qubits are read than there are.
        """
        if self.reuploading is None or self.feature_encoder is None:
            return None
        n_features, n_groups = self.feature_encoder.n_features, self.feature_encoder.n_groups
        n_qubits = n_features // n_groups
        observables = [PauliString.z(wire, n_qubits) for wire in range(self._n_read(n_qubits, n_classes))]
        return self.reuploading.circuit(n_features, n_groups, self.ansatz, observables)

    def _n_read(self, n_qubits: int, n_classes: int) -> int:
        if self.readout == "all":
            return n_qubits
        if self.readout == "auto":
            return 1 if n_classes == 2 else min(n_qubits, n_classes)
        if not 1 <= self.readout <= n_qubits:
            raise ConfigError(f"model.readout={self.readout}: the second module has {n_qubits} qubits to read")
        return self.readout

    @property
    def reads_features(self) -> bool:
        """Whether anything reads the features, so that a feature encoder is built."""
        if self.feature_encoder is None:
            return False
        return self.reuploading is None or self.reuploading.uploads or self.skip

    def head_inputs(self, n_classes: int, embedding_dim: int) -> int:
        """Values that the linear layer reads."""
        if self.feature_encoder is None:
            return embedding_dim
        circuit = self.circuit(n_classes)
        if circuit is None:
            return self.feature_encoder.n_features
        return len(circuit.observables) + (self.feature_encoder.n_features if self.skip else 0)

    def ablated(self, words: tuple[str, ...]) -> Composition:
        """This composition without the modules that the words name.

        Raises:
            ConfigError: for an unknown word or one that changes nothing.
        """
        refuse_idle(words, lambda those: self._without_all(those)._structure)
        return self._without_all(words)

    def _without_all(self, words: tuple[str, ...]) -> Composition:
        return functools.reduce(Composition._without, words, self)

    def _without(self, word: str) -> Composition:
        if word == "quantum":
            return replace(self, feature_encoder=None, reuploading=None)
        if word == "second_module":
            return replace(self, reuploading=None)
        return replace(
            self,
            feature_encoder=self.feature_encoder and self.feature_encoder.ablated(word),
            reuploading=self.reuploading and self.reuploading.ablated(word),
            ansatz=self.ansatz.ablated(word),
        )

    @property
    def _structure(self) -> tuple[object, ...]:
        """What is equal for two compositions that compute the same."""
        features = self.feature_encoder.structure if self.feature_encoder and self.reads_features else None
        return features, self.feature_encoder is None, self.circuit(2), self.skip and self.reuploading is not None


def refuse_idle(words: tuple[str, ...], structure: Callable[[tuple[str, ...]], object]) -> None:
    """Refuse a word beside which the others leave the same.

    Args:
        words: of `model.ablate`.
        structure: what is equal for two tuples of words that leave models which compute the same.

    Raises:
        ConfigError: naming the first such word.
    """
    for place, word in enumerate(words):
        if structure(words[:place] + words[place + 1 :]) == structure(words):
            raise ConfigError(
                f"model.ablate: '{word}' changes nothing here, so the run would repeat the one without it. "
                "Leave the word out"
            )
