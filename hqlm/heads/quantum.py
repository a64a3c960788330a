"""The quantum head: feature encoder, re-uploading circuit, linear layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from hqlm.ablation import Ablation, remove_modules
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Ansatz, Circuit, PauliString, RepeatedUpload, Reuploading, RingAnsatz
from hqlm.encoders import FeatureEncoder, FeatureModule, QuantumFeatureEncoder
from hqlm.errors import ComponentError, ConfigError
from hqlm.execution import Execution
from hqlm.heads.base import Head, HeadModule
from hqlm.heads.linear import LinearHead
from hqlm.layer import QuantumLayer


@dataclass(frozen=True)
class QuantumHead(Head):
    """Feature encoder, re-uploading circuit, linear layer: `embedding -> features -> readout -> outputs`.

    The defaults are the paper's choices: Kim et al. (2025), Quantum Large Language Model Fine-Tuning, arXiv:2504.08732.

    Args:
        feature_encoder: first module, from an embedding to features.
        reuploading: how features enter the circuit of the second module, and its depth; None for no second module, so
            that the linear layer reads the features.
        ansatz: trainable circuit of the second module.
        backend: quantum SDK or engine that runs the second module.
        execution: shots, noise, seed and gradient rule of the second module.
        readout: measured qubits of the second module: a number (the first ones), `all`, or `auto` (1 for two outputs,
            else one per output as far as there are qubits).
        skip: let the linear layer read the features in addition to the readout.
        ablate: modules to remove: feature_encoder, reuploading, long_range, entanglement, main_circuit, offset,
            second_module, quantum.

    Raises:
        ConfigError: for an invalid readout, or an ablation that is unknown or has no effect.
    """

    feature_encoder: FeatureEncoder = QuantumFeatureEncoder()
    reuploading: Reuploading | None = RepeatedUpload()
    ansatz: Ansatz = RingAnsatz(connectivity=2)
    backend: QuantumBackend = StatevectorBackend()
    execution: Execution = Execution()
    readout: int | Literal["all", "auto"] = "auto"
    skip: bool = False
    ablate: tuple[Ablation, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.readout, int) and self.readout not in ("all", "auto"):
            raise ConfigError(f"head.readout must be a whole number, 'all' or 'auto', given {self.readout!r}")
        _ = self.resolved

    @property
    def resolved(self) -> Head:
        """This head without the modules that `ablate` names.

        Raises:
            ConfigError: for an ablation that is unknown or has no effect.
        """
        return remove_modules(replace(self, ablate=()), self.ablate) if self.ablate else self

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return feature encoder, quantum layer and linear layer, except those that are ablated.

        Raises:
            ConfigError: if more qubits are read than there are.
            UnsupportedExecution: if the backend cannot run the circuit with this execution.
        """
        whole = self.resolved
        return _QuantumModule(whole, dim, n_outputs) if isinstance(whole, QuantumHead) else whole.build(dim, n_outputs)

    def circuit(self, n_outputs: int) -> Circuit | None:
        """Return the circuit of the second module; None if there is none.

        Raises:
            ConfigError: if more qubits are read than there are.
        """
        if self.reuploading is None:
            return None
        n_features, n_groups = self.feature_encoder.n_features, self.feature_encoder.n_groups
        n_qubits = n_features // n_groups
        if self.readout == "all":
            n_read = n_qubits
        elif self.readout == "auto":
            n_read = 1 if n_outputs == 2 else min(n_qubits, n_outputs)
        elif 1 <= self.readout <= n_qubits:
            n_read = self.readout
        else:
            raise ConfigError(f"head.readout={self.readout}: the second module has only {n_qubits} qubits")
        observables = [PauliString.z(wire, n_qubits) for wire in range(n_read)]
        return self.reuploading.circuit(n_features, n_groups, self.ansatz, observables)

    @property
    def reads_features(self) -> bool:
        """Whether anything reads the features, so that a feature encoder is needed."""
        return self.reuploading is None or self.reuploading.uploads or self.skip

    @property
    def structure(self) -> object:
        """A value that is equal for heads that compute the same."""
        features = self.feature_encoder.structure if self.reads_features else None
        return features, self.circuit(2), self.skip and self.reuploading is not None

    def ablated(self, word: str) -> Head:
        """Use a linear layer for `quantum`, no circuit for `second_module`; pass others on to nested recipes."""
        if word == "quantum":
            return LinearHead()
        return replace(self, reuploading=None) if word == "second_module" else super().ablated(word)  # type: ignore[return-value]


class _QuantumModule(HeadModule):
    def __init__(self, recipe: QuantumHead, dim: int, n_outputs: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.features: FeatureModule | None = recipe.feature_encoder.build(dim) if recipe.reads_features else None
        circuit = recipe.circuit(n_outputs)
        self.quantum: QuantumLayer | None = None
        if circuit is not None and recipe.reuploading is not None:
            self.quantum = QuantumLayer(circuit, recipe.backend, recipe.execution, recipe.reuploading.trains_scale)
        n_features = recipe.feature_encoder.n_features
        n_read = n_features if circuit is None else len(circuit.observables) + (n_features if recipe.skip else 0)
        self.linear = nn.Linear(n_read, n_outputs)

    def fit(self, embeddings: Tensor, targets: Tensor) -> None:
        """Fit the feature encoder (the centring mean)."""
        if self.features is not None:
            self.features.fit(embeddings)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return outputs `(batch, n_outputs)` of embeddings `(batch, dim)`."""
        features = embeddings if self.features is None else self._features(self.features, embeddings)
        if self.quantum is None:
            return self._outputs(features)
        # a circuit without upload still needs a readout row for every text
        readout = self.quantum(features if self.quantum.circuit.n_inputs else features[:, :0])
        return self._outputs(torch.cat((readout, features), dim=1) if self.recipe.skip else readout)

    def _features(self, module: FeatureModule, embeddings: Tensor) -> Tensor:
        features: Tensor = module(embeddings)
        encoder = self.recipe.feature_encoder
        if features.shape[1] != encoder.n_features or features.dtype.itemsize > self.linear.weight.dtype.itemsize:
            raise ComponentError(
                f"{type(encoder).__name__} has n_features={encoder.n_features}, but its module returned a tensor "
                f"{tuple(features.shape)} of {features.dtype}. It must return (batch, n_features) in the type of the "
                "embeddings"
            )
        return features

    def _outputs(self, values: Tensor) -> Tensor:
        outputs: Tensor = self.linear(values)
        return outputs
