"""The hybrid quantum classifier: all slots composed, ablation in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Ansatz, RepeatedUpload, Reuploading, RingAnsatz
from hqlm.encoders import FeatureEncoder, FeatureModule, QuantumFeatureEncoder, SentenceTransformerEncoder, TextEncoder
from hqlm.errors import ComponentError
from hqlm.execution import Execution
from hqlm.layer import QuantumLayer
from hqlm.models.composition import Ablation, Composition
from hqlm.models.schedules import Schedule
from hqlm.models.text_classifier import TextClassifier


class HybridClassifier(TextClassifier):
    """Text encoder, feature encoder, re-uploading circuit, linear layer.

    `text -> embedding -> features -> readout -> logits`. The defaults are the paper's choices: Kim et al. (2025),
    Quantum Large Language Model Fine-Tuning, arXiv:2504.08732.

    Args:
        text_encoder: from a text to an embedding; frozen or trained.
        feature_encoder: first module, from an embedding to features.
        reuploading: how features enter the circuit of the second module, and its depth.
        ansatz: trainable circuit of the second module.
        backend: quantum SDK or engine that runs the second module.
        execution: shots, noise, seed and gradient rule of the second module.
        readout: measured qubits of the second module: a number (the first ones), `all`, or `auto` (1 for two
            classes, else one a class while there are qubits).
        skip: let the linear layer read the features beside the readout.
        ablate: modules to remove: feature_encoder, reuploading, long_range, entanglement, main_circuit, offset,
            second_module, quantum.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule, per step.
        class_names: names of the classes; written by the first fit.
        embedding_dim: values of an embedding; written by the first fit.
        init_from: run or checkpoint whose trained head a fit starts from, in place of random weights.
    """

    def __init__(
        self,
        text_encoder: TextEncoder = SentenceTransformerEncoder(),
        feature_encoder: FeatureEncoder = QuantumFeatureEncoder(),
        reuploading: Reuploading = RepeatedUpload(),
        ansatz: Ansatz = RingAnsatz(connectivity=2),
        backend: QuantumBackend = StatevectorBackend(),
        execution: Execution = Execution(),
        readout: int | Literal["all", "auto"] = "auto",
        skip: bool = False,
        ablate: Sequence[Ablation] = (),
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule | LRSchedulerCallable = "one_cycle",
        class_names: Sequence[str] | None = None,
        embedding_dim: int | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__(text_encoder, optimizer, schedule, class_names, embedding_dim)
        self.save_hyperparameters()
        self.init_from = init_from
        whole = Composition(feature_encoder, reuploading, ansatz, readout, skip)
        self.composition = whole.ablated(tuple(ablate))
        self.backend = backend
        self.execution = execution

    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        """Build what the composition holds: feature encoder, quantum layer and linear layer."""
        composition = self.composition
        self.features: FeatureModule | None = None
        self.quantum: QuantumLayer | None = None
        if composition.feature_encoder is not None and composition.reads_features:
            self.features = composition.feature_encoder.build(embedding_dim)
        circuit = composition.circuit(n_classes)
        if circuit is not None and composition.reuploading is not None:
            self.quantum = QuantumLayer(circuit, self.backend, self.execution, composition.reuploading.trains_scale)
        self.head = nn.Linear(composition.head_inputs(n_classes, embedding_dim), n_classes)

    def fit_head(self, embeddings: Tensor) -> None:
        """Fit the feature encoder (the centring mean) on the training embeddings."""
        if self.features is not None:
            self.features.fit(embeddings)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, n_classes)` of embeddings `(batch, embedding_dim)`."""
        features = embeddings if self.features is None else self._features(self.features, embeddings)
        if self.quantum is None:
            return self._head(features)
        # a circuit without upload still has a row of readout for every text
        readout = self.quantum(features if self.quantum.circuit.n_inputs else features[:, :0])
        return self._head(torch.cat((readout, features), dim=1) if self.composition.skip else readout)

    def _features(self, module: FeatureModule, embeddings: Tensor) -> Tensor:
        features: Tensor = module(embeddings)
        encoder = self.composition.feature_encoder
        assert encoder is not None
        if features.shape[1] != encoder.n_features or features.dtype.itemsize > self.head.weight.dtype.itemsize:
            raise ComponentError(
                f"{type(encoder).__name__} has n_features={encoder.n_features}, but its module returned a tensor "
                f"{tuple(features.shape)} of {features.dtype}. It must return (batch, n_features) in the type of the "
                "embeddings"
            )
        return features

    def _head(self, values: Tensor) -> Tensor:
        logits: Tensor = self.head(values)
        return logits
