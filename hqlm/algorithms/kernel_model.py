"""Quantum kernels as a model of texts: kernel-target alignment epoch by epoch, then a support-vector machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final, Literal

import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hqlm.algorithms.alignment import alignment
from hqlm.algorithms.feature_maps import AmplitudeMap, FeatureMap
from hqlm.algorithms.kernel import EXACT_DISTANCE, QuantumKernel
from hqlm.algorithms.kernel_parts import KernelAblation, KernelParts
from hqlm.algorithms.support_vectors import SupportVectorMachine
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.data import Split
from hqlm.encoders import FeatureEncoder, FeatureModule, SentenceTransformerEncoder, TextEncoder
from hqlm.errors import ConfigError
from hqlm.execution import Execution
from hqlm.models import Schedule, TextClassifier
from hqlm.models.text_classifier import Batch

_KNOWN: Final[tuple[Split, ...]] = ("train", "val")  # splits whose labels a fit reads
_MOST_QUBITS: Final = 100  # a state of more is no more than a mistake


class KernelClassifier(TextClassifier):
    """Text encoder, feature map, quantum kernel, support-vector machine.

    `text -> embedding -> vector -> state`; rows are compared with the training rows by a quantum kernel, and the
    machine is solved on all of them after every epoch. With an optimiser, weights of the feature map and the feature
    encoder are trained by kernel-target alignment first (`train/loss` is 1 - alignment of a batch); without one they
    stay as drawn, and training ends after one epoch. Scores become probabilities by a temperature that is fitted on
    the validation rows.

    Args:
        text_encoder: from a text to an embedding; frozen or tuned before.
        feature_encoder: from an embedding to the vector that the feature map takes; none takes the embedding itself.
        feature_map: from that vector to a state.
        kind: `fidelity` or `projected`, as in `QuantumKernel`.
        gamma: of a projected kernel.
        backend: quantum SDK or engine that runs the feature map.
        execution: shots, noise, seed and gradient rule of the feature map.
        C: inverse strength of regularisation of the machine.
        ablate: what to remove: feature_encoder, reuploading, long_range, entanglement, main_circuit, offset, alignment
            (weights stay as drawn), quantum (an RBF kernel of embeddings).
        optimizer: class of the optimiser of the alignment; none aligns nothing.
        schedule: learning-rate schedule of the alignment, per step.
        class_names: names of the classes; written by the first fit.
        embedding_dim: values of an embedding; written by the first fit.
    """

    requires: ClassVar[tuple[str, ...]] = ("sklearn",)
    install: ClassVar[str] = "hqlm[study]"

    def __init__(
        self,
        text_encoder: TextEncoder = SentenceTransformerEncoder(),
        feature_encoder: FeatureEncoder | None = None,
        feature_map: FeatureMap = AmplitudeMap(),
        kind: Literal["fidelity", "projected"] = "fidelity",
        gamma: float = 1.0,
        backend: QuantumBackend = StatevectorBackend(),
        execution: Execution = Execution(),
        C: float = 1.0,
        ablate: Sequence[KernelAblation] = (),
        optimizer: OptimizerCallable | None = None,
        schedule: Schedule | LRSchedulerCallable = "constant",
        class_names: Sequence[str] | None = None,
        embedding_dim: int | None = None,
    ) -> None:
        # an optimiser of nothing takes the steps of a run without alignment
        super().__init__(text_encoder, optimizer or torch.optim.SGD, schedule, class_names, embedding_dim)
        self.save_hyperparameters()
        if self.stage == "end_to_end":
            raise ConfigError(
                "KernelClassifier compares embeddings that stay as they are: set model.text_encoder.stage=frozen or "
                "contrastive"
            )
        for name, value in (("C", C), ("gamma", gamma)):
            if not 0.0 < value < math.inf:
                raise ConfigError(f"model.{name} must be a number above 0, given {value}")
        if optimizer is None and schedule != "constant":
            raise ConfigError("model.schedule is that of the alignment, which needs model.optimizer. Leave it out")
        self.parts = KernelParts(feature_encoder, feature_map, optimizer is not None).ablated(tuple(ablate))
        self.ablate = tuple(ablate)
        self.kind = kind
        self.gamma = gamma
        self.backend = backend
        self.execution = execution
        self.strength = C
        self._stale = False  # whether weights have moved since the machine was solved
        self._kernel: QuantumKernel | None = None  # with the weights as they were last, and the states it keeps

    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        """Build feature encoder, weights and an empty machine.

        Raises:
            ConfigError: when an optimiser has nothing to align, or an embedding would take too many qubits.
            UnsupportedExecution: when the backend cannot run the feature map in this way.
        """
        encoder, circuit = self.parts.feature_encoder, self.parts.circuit(embedding_dim)
        self.features: FeatureModule | None = None
        n_weights, dim = 0, embedding_dim
        if circuit is None:
            self.features = _Scaled()
        else:
            if encoder is not None:
                self.features, dim = encoder.build(embedding_dim), encoder.n_features
            self._check(circuit, embedding_dim)
            n_weights = circuit.n_weights
        drawn = torch.empty(n_weights, dtype=torch.float64).uniform_(-math.pi, math.pi)
        self.weight = nn.Parameter(drawn, requires_grad=n_weights > 0)
        self.machine = SupportVectorMachine(dim, n_classes)
        self._settle_alignment()

    def _check(self, circuit: Circuit, embedding_dim: int) -> None:
        if self.parts.feature_encoder is None and circuit.n_qubits > _MOST_QUBITS:
            raise ConfigError(
                f"model.feature_map={type(self.parts.feature_map).__name__} takes a qubit for each of the "
                f"{embedding_dim} values of an embedding. Make them fewer by model.feature_encoder, such as "
                "LinearFeatureEncoder"
            )
        self.backend.check(circuit, self.execution)
        self.backend.gradient_rule(self.execution)

    def _settle_alignment(self) -> None:
        """Freeze everything where nothing is to be aligned; an ablated feature encoder may leave nothing."""
        trainable = any(each.requires_grad for each in self.parameters())
        if self.parts.aligned and not trainable and "feature_encoder" not in self.ablate:
            raise ConfigError(
                f"model.optimizer is that of the alignment, but {type(self.parts.feature_map).__name__} has no weights "
                "to align, nor has what is before it. Leave it out, or choose UploadMap, whose ansatz has"
            )
        self.aligned = self.parts.aligned and trainable
        if not self.aligned:
            self.requires_grad_(False)

    def setup(self, stage: str) -> None:
        """As every text classifier; there is no machine to check before the first epoch.

        Raises:
            ConfigError: for several processes where nothing is trained, or a callback that averages weights.
        """
        if stage == "fit" and self.trainer.world_size > 1 and not self.parts.aligned:
            raise ConfigError("without alignment nothing is trained that processes could share: set trainer.devices=1")
        averaging = [each for each in self.trainer.callbacks if isinstance(each, WeightAveraging)]  # type: ignore[attr-defined]
        if stage == "fit" and averaging:
            raise ConfigError(
                f"trainer.callbacks: {type(averaging[0]).__name__} is not possible with KernelClassifier, whose "
                "support-vector machine is solved for the weights as they are. Leave it out"
            )
        super().setup(stage)
        if stage == "fit":
            self.trainer.num_sanity_val_steps = 0

    def on_train_start(self) -> None:
        """Refuse batches that teach nothing.

        Raises:
            ConfigError: for an alignment in batches of one row.
        """
        loader = self.trainer.train_dataloader
        if self.aligned and isinstance(loader, DataLoader) and loader.batch_size == 1:
            raise ConfigError("the alignment compares the rows of a batch: set data.batch_size to 2 or more")

    def fit_head(self, embeddings: Tensor) -> None:
        """Fit what the feature encoder estimates."""
        if self.features is not None:
            self.features.fit(embeddings)

    @property
    def kernel(self) -> QuantumKernel:
        """The kernel of vectors, with the weights as they are.

        Raises:
            ConfigError: where it is ablated.
        """
        if self.parts.feature_map is None:
            raise ConfigError("model.ablate=[quantum] leaves no quantum kernel")
        weights = tuple(self.weight.tolist())
        if self._kernel is None or self._kernel.weights != weights:
            seed = torch.initial_seed() % 2**32 if self.execution.seed is None else self.execution.seed
            execution = replace(self.execution, seed=seed)
            self._kernel = QuantumKernel(
                self.parts.feature_map, self.kind, self.gamma, self.backend, execution, weights
            )
        return self._kernel

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """1 - alignment of a batch; nothing where nothing is aligned.

        Raises:
            TrainingError: when it is not finite.
        """
        self._stale = True
        if not self.aligned:
            return self.weight.new_zeros((), requires_grad=True)
        assert self.class_names is not None
        states = self.kernel.represent(self._vectors(self._embeddings["train"][batch[0]]), self.weight)
        found = alignment(self.kernel.compare(states, states), batch[2].tolist(), len(self.class_names))
        loss = self.checked_loss("train", 1.0 - found)
        self.log("train/loss", loss, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def on_validation_start(self) -> None:
        """Solve the machine for the weights as they are."""
        self._solve()

    def on_train_epoch_end(self) -> None:
        """Solve the machine, also without validation; without alignment that was all."""
        self._solve()
        if not self.aligned:
            self.trainer.should_stop = True

    def _solve(self) -> None:
        if not self._stale:
            return
        self.check_weights()
        data, was_training = self._data(), self.training
        self.eval()
        with torch.inference_mode(False), torch.no_grad():  # what is kept shall be ordinary tensors
            vectors, others = (self._vectors(self._embeddings[split]) for split in _KNOWN)
            labels, known = (torch.tensor(data.labels(split), device=self.device) for split in _KNOWN)
            self.machine.fit(vectors, self._gram(vectors), labels, self.strength)
            self.machine.calibrate(self._gram(others, self.machine.vectors), known)
        self.train(was_training)
        self._stale = False

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, n_classes)` of embeddings `(batch, embedding_dim)`, without a gradient.

        Raises:
            ConfigError: before the first fit.
        """
        if not len(self.machine.vectors):
            raise ConfigError("the support-vector machine has no vectors before a fit")
        with torch.no_grad():
            logits: Tensor = self.machine(self._gram(self._vectors(embeddings), self.machine.vectors))
        return logits.to(embeddings)

    def circuits(self) -> dict[str, Circuit]:
        """As of every model, and that of the feature map."""
        circuit = None if self.embedding_dim is None else self.parts.circuit(self.embedding_dim)
        return super().circuits() | ({} if circuit is None else {"feature_map": circuit})

    def parameter_counts(self) -> dict[str, int]:
        """As every text classifier; weights of the feature map are quantum."""
        counts = super().parameter_counts()
        own = self.weight.numel() if self.weight.requires_grad else 0
        return {**counts, "quantum": counts["quantum"] + own, "classical": counts["classical"] - own}

    def _vectors(self, embeddings: Tensor) -> Tensor:
        return (embeddings if self.features is None else self.features(embeddings)).double()

    def _gram(self, *vectors: Tensor) -> Tensor:
        if self.parts.feature_map is None:
            return torch.exp(-torch.cdist(vectors[0], vectors[-1], compute_mode=EXACT_DISTANCE).square())
        gram = self.kernel(*(each.cpu().numpy() for each in vectors))
        return torch.from_numpy(gram).to(vectors[0].device)


class _Scaled(FeatureModule):
    """`x / sqrt(dim * variance)`, of which `exp(-|x - y|^2)` is scikit-learn's RBF kernel with `gamma="scale"`."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def fit(self, embeddings: Tensor) -> None:
        values = embeddings.double()
        self.scale.copy_((values.shape[1] * values.var(correction=0)).rsqrt())

    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings * self.scale
