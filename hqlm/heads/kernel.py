"""The kernel head: kernel-target alignment in steps, then a support-vector machine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import torch
from torch import Tensor, nn

from hqlm.ablation import Ablation, remove_modules
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.encoders import FeatureEncoder, FeatureModule
from hqlm.errors import ConfigError
from hqlm.execution import Execution
from hqlm.heads.base import Criterion, Head, HeadModule, Rows
from hqlm.heads.solved import RBFSVMHead, SolvedModule, strengths
from hqlm.kernels.alignment import alignment
from hqlm.kernels.feature_maps import AmplitudeMap, FeatureMap
from hqlm.kernels.quantum_kernel import QuantumKernel
from hqlm.kernels.support_vectors import SupportVectorMachine

_MOST_QUBITS: Final = 100  # a larger state can only be a mistake


@dataclass(frozen=True)
class KernelHead(Head):
    """Feature map, quantum kernel, support-vector machine: `embedding -> vector -> state -> scores`.

    A quantum kernel compares rows with the training rows, and the machine is solved on all of them after every epoch.
    With `align`, the weights of the feature map and the feature encoder are first trained by kernel-target alignment
    (the loss is 1 - alignment of a batch); without it they keep their random initial values, and training ends after
    one epoch. Scores become probabilities by a temperature that is fitted on the validation rows.

    Args:
        feature_encoder: from an embedding to the vector that the feature map takes; None passes the embedding itself.
        feature_map: from that vector to a state.
        kind: `fidelity` or `projected`, as in `QuantumKernel`.
        gamma: scale of a projected kernel.
        backend: quantum SDK or engine that runs the feature map.
        execution: shots, noise, seed and gradient rule of the feature map.
        C: inverse regularisation strength of the machine, or several values, of which the best on the validation rows
            is chosen.
        align: train the weights by kernel-target alignment.
        ablate: modules to remove: feature_encoder, reuploading, long_range, entanglement, main_circuit, offset,
            alignment (weights keep their random initial values), quantum (an RBF kernel of embeddings).

    Raises:
        ConfigError: for a C or gamma that is not above 0, or an ablation that is unknown or has no effect.
    """

    feature_encoder: FeatureEncoder | None = None
    feature_map: FeatureMap = AmplitudeMap()
    kind: Literal["fidelity", "projected"] = "fidelity"
    gamma: float = 1.0
    backend: QuantumBackend = StatevectorBackend()
    execution: Execution = Execution()
    C: float | tuple[float, ...] = 1.0
    align: bool = False
    ablate: tuple[Ablation, ...] = ()

    def __post_init__(self) -> None:
        strengths("KernelHead", self.C)
        if not 0.0 < self.gamma < math.inf:
            raise ConfigError(f"head.gamma must be a number above 0, given {self.gamma}")
        _ = self.resolved

    @property
    def resolved(self) -> Head:
        """This head without the modules that `ablate` names.

        Raises:
            ConfigError: for an ablation that is unknown or has no effect.
        """
        return remove_modules(replace(self, ablate=()), self.ablate) if self.ablate else self

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return feature encoder, weights and an unsolved machine.

        Raises:
            ConfigError: if there is nothing to align, or an embedding would take too many qubits.
            UnsupportedExecution: if the backend cannot run the feature map with this execution.
        """
        whole = self.resolved
        if not isinstance(whole, KernelHead):
            return whole.build(dim, n_outputs)
        # without its feature encoder there may be nothing to align
        return KernelModule(whole, dim, n_outputs, needs_weights="feature_encoder" not in self.ablate)

    def circuit(self, dim: int) -> Circuit:
        """Return the circuit of the feature map for embeddings of `dim` values.

        Raises:
            ConfigError: if the features come in groups, or the embedding has too many values.
        """
        encoder = self.feature_encoder
        if encoder is not None and encoder.n_groups > 1:
            raise ConfigError(
                f"head.feature_encoder yields its features in {encoder.n_groups} groups, to be uploaded in turn, but "
                "a feature map takes them as one vector. Set feature_encoder.merge=concat and correlators=0"
            )
        circuit = self.feature_map.circuit(dim if encoder is None else encoder.n_features)
        if encoder is None and circuit.n_qubits > _MOST_QUBITS:
            raise ConfigError(
                f"head.feature_map={type(self.feature_map).__name__} takes one qubit for each of the {dim} values of "
                "an embedding, which is too many. Reduce them with head.feature_encoder, such as LinearFeatureEncoder"
            )
        return circuit

    @property
    def structure(self) -> object:
        """A value that is equal for heads with the same recipes."""
        return self.feature_encoder and self.feature_encoder.structure, self.feature_map, self.align

    def ablated(self, word: str) -> Head:
        """Use an RBF kernel for `quantum`, random weights for `alignment`; pass others on to nested recipes."""
        if word == "quantum":
            return RBFSVMHead(self.C)
        return replace(self, align=False) if word == "alignment" else super().ablated(word)  # type: ignore[return-value]


class KernelModule(SolvedModule):
    """A built kernel head.

    Args:
        recipe: the head, without pending ablations.
        dim: length of an embedding.
        n_outputs: number of classes.
        needs_weights: reject `align` if there is nothing to train; otherwise skip the alignment then.
    """

    def __init__(self, recipe: KernelHead, dim: int, n_outputs: int, needs_weights: bool = True) -> None:
        super().__init__(strengths("KernelHead", recipe.C), n_outputs)
        self.recipe = recipe
        self.circuit = recipe.circuit(dim)
        self.features: FeatureModule | None = None
        if recipe.feature_encoder is not None:
            self.features, dim = recipe.feature_encoder.build(dim), recipe.feature_encoder.n_features
        recipe.backend.check(self.circuit, recipe.execution)
        recipe.backend.gradient_rule(recipe.execution)
        n_weights = self.circuit.n_weights
        drawn = torch.empty(n_weights, dtype=torch.float64).uniform_(-math.pi, math.pi)
        self.weight = nn.Parameter(drawn, requires_grad=n_weights > 0)
        self.machine = SupportVectorMachine(dim, n_outputs)
        self._kernel: QuantumKernel | None = None  # with the current weights, and its cached states
        trainable = any(each.requires_grad for each in self.parameters())
        if recipe.align and not trainable and needs_weights:
            raise ConfigError(
                f"head.align=true, but neither {type(recipe.feature_map).__name__} nor what is before it has trainable "
                "weights. Leave align out, or use UploadMap, whose ansatz has weights"
            )
        self.is_trained = recipe.align and trainable
        self.smallest_batch = 2 if self.is_trained else 1  # rows are compared with each other
        if not self.is_trained:
            self.requires_grad_(False)

    def fit(self, embeddings: Tensor, targets: Tensor) -> None:
        """Fit the values that the feature encoder estimates."""
        if self.features is not None:
            self.features.fit(embeddings)

    @property
    def kernel(self) -> QuantumKernel:
        """The kernel of vectors with the current weights."""
        weights = tuple(self.weight.tolist())
        if self._kernel is None or self._kernel.weights != weights:
            recipe, execution = self.recipe, self.recipe.execution
            seed = torch.initial_seed() % 2**32 if execution.seed is None else execution.seed
            self._kernel = QuantumKernel(
                recipe.feature_map, recipe.kind, recipe.gamma, recipe.backend, replace(execution, seed=seed), weights
            )
        return self._kernel

    def loss(self, embeddings: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return 1 - alignment of the kernel of a batch with its classes."""
        states = self.kernel.represent(self._vectors(embeddings), self.weight)
        return 1.0 - alignment(self.kernel.compare(states, states), targets.tolist(), self.n_outputs)

    def solve_for(self, train: Rows, strength: float, weights: Tensor | None = None) -> None:
        """Solve the machine with the current weights."""
        with torch.no_grad():
            vectors = self._vectors(train[0])
            self.machine.fit(vectors, train[1], strength, weights, gram=self._gram(vectors))

    def scores(self, embeddings: Tensor) -> Tensor:
        """Return the scores of the machine `(batch, n_outputs)`."""
        with torch.no_grad():
            scores: Tensor = self.machine(self._gram(self._vectors(embeddings), self.machine.vectors))
        return scores

    def circuits(self) -> dict[str, Circuit]:
        """Return the circuits of the feature encoder, and that of the feature map."""
        return super().circuits() | {"feature_map": self.circuit}

    def circuit_weights(self) -> list[nn.Parameter]:
        """Return the circuit weights of the feature encoder and of the feature map."""
        return super().circuit_weights() + [self.weight] * self.weight.requires_grad

    def size(self) -> tuple[int, str]:
        """Return the number of support vectors."""
        return len(self.machine.vectors), "support vectors"

    def _vectors(self, embeddings: Tensor) -> Tensor:
        return (embeddings if self.features is None else self.features(embeddings)).double()

    def _gram(self, *vectors: Tensor) -> Tensor:
        gram = self.kernel(*(each.cpu().numpy() for each in vectors))
        return torch.from_numpy(gram).to(vectors[0].device)
