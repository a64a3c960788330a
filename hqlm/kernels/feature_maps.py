"""Base class of feature maps: from a vector x to a state |phi(x)>, which a quantum kernel compares."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Final, Literal

import torch
from torch import Tensor

from hqlm.circuits import (
    Ansatz,
    Circuit,
    Gate,
    Input,
    InterleavedUpload,
    Reuploading,
    RingAnsatz,
    check_gates,
    check_qubits,
)
from hqlm.contracts import returns
from hqlm.errors import ConfigError, DataError
from hqlm.registry import Component, Registry


@dataclass(frozen=True)
class FeatureMap(Component):
    """|phi(x)> = U(w, inputs(x)) |states(x)>, with weights w that alignment can train."""

    @abstractmethod
    @returns("a Circuit", lambda circuit, *_: isinstance(circuit, Circuit))
    def circuit(self, dim: int) -> Circuit:
        """Return U, without observables, for vectors of `dim` values.

        Raises:
            ConfigError: for an unsupported `dim`.
        """

    @returns("a tensor (rows, n_inputs) or None", lambda found, self, x: found is None or _has_rows(found, x))
    def inputs(self, x: Tensor) -> Tensor | None:
        """Return the circuit inputs of vectors `(rows, dim)`, in radians before the circuit's scale; None for none."""
        return x

    @returns("a tensor (rows, 2**n_qubits) or None", lambda found, self, x: found is None or _has_rows(found, x))
    def states(self, x: Tensor) -> Tensor | None:
        """Return initial states `(rows, 2**n_qubits)` of vectors `(rows, dim)`; None for all qubits in 0."""
        return None


def _has_rows(found: Tensor, x: Tensor) -> bool:
    return isinstance(found, Tensor) and found.ndim == 2 and len(found) == len(x)


FEATURE_MAPS: Final[Registry[FeatureMap]] = Registry(FeatureMap, "feature map")  # type: ignore[type-abstract]


@dataclass(frozen=True)
class AmplitudeMap(FeatureMap):
    """`(x, offset, 0, ...) / sqrt(|x|^2 + offset^2)` as the amplitudes of as few qubits as possible.

    Its fidelity kernel is `(x.y + offset^2)^2 / ((|x|^2 + offset^2) (|y|^2 + offset^2))`, a normalised polynomial
    kernel of degree 2. Only simulators can start from given amplitudes.

    Args:
        offset: amplitude beside the vector, in its units; with 0, the norm of the vector is lost.
    """

    offset: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.offset < math.inf:
            raise ConfigError(f"AmplitudeMap: offset must be 0 or more, given {self.offset}")

    def circuit(self, dim: int) -> Circuit:
        """Return a circuit without gates."""
        return Circuit(max(1, math.ceil(math.log2(dim + (self.offset > 0.0)))), (), ())

    def inputs(self, x: Tensor) -> Tensor | None:
        """Return None: nothing is uploaded."""
        return None

    def states(self, x: Tensor) -> Tensor:
        """Return real amplitudes.

        Raises:
            DataError: for a vector of zeros without an offset.
        """
        amplitudes = x.new_zeros(len(x), 2 ** self.circuit(x.shape[1]).n_qubits)
        amplitudes[:, : x.shape[1]] = x
        if self.offset > 0.0:
            amplitudes[:, x.shape[1]] = self.offset
        norms = torch.linalg.vector_norm(amplitudes, dim=1, keepdim=True)
        if not bool((norms > 0.0).all()):
            row = int((norms[:, 0] == 0.0).nonzero()[0, 0])
            raise DataError(f"row {row} is a zero vector, which has no quantum state. Set an offset above 0")
        states: Tensor = amplitudes / norms
        return states

    def ablated(self, word: str) -> FeatureMap:
        """Remove the offset for `offset`."""
        return replace(self, offset=0.0) if word == "offset" else self


@dataclass(frozen=True)
class UploadMap(FeatureMap):
    """One qubit per value, in the circuit that a re-uploading scheme and an ansatz build.

    Args:
        reuploading: how often values enter, and at which scale.
        ansatz: gates between the uploads; its weights can be trained by alignment.
    """

    reuploading: Reuploading = field(default_factory=lambda: InterleavedUpload(scale=1.0))
    ansatz: Ansatz = field(default_factory=RingAnsatz)

    def __post_init__(self) -> None:
        if self.reuploading.trains_scale:
            raise ConfigError("UploadMap: the scale of a feature map is fixed. Set reuploading.trainable_scale=false")

    def circuit(self, dim: int) -> Circuit:
        """Return the scheme's circuit on `dim` qubits."""
        return self.reuploading.circuit(dim, 1, self.ansatz, ())


@dataclass(frozen=True)
class ZZFeatureMap(FeatureMap):
    """One qubit per value: (H, phases 2 x_i, phases 2 (pi - x_i)(pi - x_j) on pairs) times `n_layers`.

    Source: Havlicek et al. (2019), Supervised learning with quantum-enhanced feature spaces, arXiv:1804.11326.

    Args:
        n_layers: number of repetitions.
        pairs: `all` pairs of qubits, `neighbours` only or `none`.
    """

    n_layers: int = 2
    pairs: Literal["all", "neighbours", "none"] = "all"

    def __post_init__(self) -> None:
        if self.n_layers < 1:
            raise ConfigError(f"ZZFeatureMap: n_layers must be 1 or more, given {self.n_layers}")

    def circuit(self, dim: int) -> Circuit:
        """Return the circuit with phases as RZ, which differ only by a global phase."""
        check_qubits(dim)
        n_pairs = {"all": dim * (dim - 1) // 2, "neighbours": dim - 1, "none": 0}[self.pairs]
        check_gates((2 * dim + 3 * n_pairs) * self.n_layers, "feature_map.n_layers or the number of features")
        layer = [Gate("H", (wire,)) for wire in range(dim)]
        layer += [Gate("RZ", (wire,), Input(wire, 2.0)) for wire in range(dim)]
        for column, (first, second) in enumerate(self._pairs(dim), start=dim):
            entangler = Gate("CNOT", (first, second))
            layer += [entangler, Gate("RZ", (second,), Input(column, 2.0)), entangler]
        return Circuit(dim, tuple(layer) * self.n_layers, ())

    def inputs(self, x: Tensor) -> Tensor:
        """Return `(x, (pi - x_i)(pi - x_j) of every pair)`."""
        pairs = self._pairs(x.shape[1])
        first, second = x[:, [i for i, _ in pairs]], x[:, [j for _, j in pairs]]
        return torch.cat((x, (math.pi - first) * (math.pi - second)), dim=1)

    def ablated(self, word: str) -> FeatureMap:
        """Remove all pairs for `entanglement`, keep only neighbours for `long_range`."""
        if word == "entanglement":
            return replace(self, pairs="none")
        return replace(self, pairs="neighbours") if word == "long_range" and self.pairs == "all" else self

    def _pairs(self, dim: int) -> list[tuple[int, int]]:
        if self.pairs == "none":
            return []
        return list(combinations(range(dim), 2) if self.pairs == "all" else pairwise(range(dim)))
