"""Quantum kernels: Gram matrices of the states to which a feature map sends vectors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit, PauliString
from hqlm.errors import ConfigError, DataError, UnsupportedExecution, abbreviate
from hqlm.execution import Execution, Noise
from hqlm.kernels.feature_maps import AmplitudeMap, FeatureMap
from hqlm.memory import check_fits
from hqlm.registry import Component

_AT_ONCE: Final = 2**24  # amplitudes, or measured bits, in memory at a time
EXACT_DISTANCE: Final = "donot_use_mm_for_euclid_dist"  # a matrix product would lose precision for small distances
_KEPT: Final = 4  # sets of vectors whose states stay in memory: predict needs those of fit again

Gram = NDArray[np.float64]


@dataclass(frozen=True)
class QuantumKernel(Component):
    """`kernel(x, y)` is the Gram matrix `(len(x), len(y))`; `sklearn.svm.SVC(kernel=kernel)` works.

    `fidelity`: `|<phi(x)|phi(y)>|^2`. Exact values take one state per vector and one matrix product; with shots it is
    the fraction of zeros after `U(x)` and the inverse of `U(y)`, one circuit per pair: an unbiased estimate, so that a
    symmetric matrix may have negative eigenvalues of the size of the errors. `projected`: `exp(-gamma sum_k |rho_k(x) -
    rho_k(y)|^2)` over the states rho_k of single qubits, from one evaluation of X, Y and Z per vector, on any backend,
    with shots and noise. Both kinds have values from 0 to 1, and a symmetric matrix is exactly 1 on the diagonal.

    Sources: Havlicek et al. (2019), arXiv:1804.11326 (fidelity); Huang et al. (2021), Power of data in quantum machine
    learning, arXiv:2011.01938 (projected).

    Random numbers depend on the seed of the execution and on the vectors: equal calls give equal matrices, and other
    vectors have independent errors.

    Args:
        feature_map: from vectors to states.
        kind: `fidelity` or `projected`.
        gamma: scale of a projected kernel.
        backend: quantum SDK or engine.
        execution: shots, noise and seed.
        weights: weights of the feature map's circuit, in radians; None draws them uniformly from (-pi, pi).
        seed: seed of these random weights.

    Raises:
        ConfigError: for an unknown kind, a gamma of 0 or less, a negative seed, or an option that is not a component of
            its type.
    """

    feature_map: FeatureMap = field(default_factory=AmplitudeMap)
    kind: Literal["fidelity", "projected"] = "fidelity"
    gamma: float = 1.0
    backend: QuantumBackend = field(default_factory=StatevectorBackend)
    execution: Execution = field(default_factory=Execution)
    weights: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("fidelity", "projected"):
            raise ConfigError(f"QuantumKernel: kind must be fidelity or projected, given {self.kind}")
        if not isinstance(self.gamma, Real) or not 0.0 < self.gamma < math.inf:
            raise ConfigError(f"QuantumKernel: gamma must be above 0, given {self.gamma!r}")
        if self.seed < 0:
            raise ConfigError(f"QuantumKernel: seed must be 0 or more, given {self.seed}")
        for name, slot in (("feature_map", FeatureMap), ("backend", QuantumBackend), ("execution", Execution)):
            if not isinstance(getattr(self, name), slot):
                raise ConfigError(f"QuantumKernel: {name} must be a {slot.__name__}, given {getattr(self, name)!r}")

    def __call__(self, x: ArrayLike, y: ArrayLike | None = None) -> Gram:
        """Return the Gram matrix of vectors `(rows, dim)`; without `y`, that of `x` with itself, exactly symmetric.

        Raises:
            DataError: for vectors that are not finite or of unequal lengths.
            UnsupportedExecution: if the backend does not support it, with an alternative.
        """
        left = check_vectors(x)
        right = left if y is None else check_vectors(y)
        if left.shape[1] != right.shape[1]:
            raise DataError(f"x has vectors of {left.shape[1]} values, y of {right.shape[1]}")
        symmetric = y is None or (left.shape == right.shape and bool((left == right).all()))
        weights = self.initial_weights(left.shape[1])
        check_fits(
            5 * 8 * len(left) * len(right),
            f"Gram matrices of {len(left):,} by {len(right):,} vectors",
            "Use fewer rows, for example by data.limit_train",
        )
        with torch.no_grad():
            if self.kind == "fidelity" and self.execution.shots is not None:
                return self._sample_gram(left, right, weights, symmetric)
            gram = np.empty((len(left), len(right)))
            for rows in self._blocks(left):
                for columns in self._blocks(right):
                    if symmetric and columns.start < rows.start:
                        gram[rows, columns] = gram[columns, rows].T
                    else:
                        one, other = (self._represent_cached(part, weights) for part in (left[rows], right[columns]))
                        gram[rows, columns] = self.compare(one, other).numpy()
        np.minimum(gram, 1.0, out=gram)  # rounding may lift it
        if symmetric:
            gram = (gram + gram.T) / 2.0
            np.fill_diagonal(gram, 1.0)
        return gram

    def initial_weights(self, dim: int) -> Tensor:
        """Return the weights of the circuit for vectors of `dim` values, float64.

        Raises:
            DataError: if the number of `weights` does not match.
        """
        n_weights = self.feature_map.circuit(dim).n_weights
        if self.weights is None:
            drawn = np.random.default_rng(self.seed).uniform(-math.pi, math.pi, n_weights)
            return torch.from_numpy(drawn)
        if len(self.weights) != n_weights:
            raise DataError(
                f"the feature map has {n_weights} weights for vectors of {dim} values, given {len(self.weights)}"
            )
        return torch.tensor(self.weights, dtype=torch.float64)

    def represent(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return what is compared, differentiable: states `(rows, 2**n)`, or <X>, <Y>, <Z> of qubits `(rows, 3 n)`.

        Raises:
            UnsupportedExecution: for a fidelity with shots, noise or a gradient other than that of states.
        """
        circuit, inputs, states = self._encode(x)
        if self.kind == "projected":
            read = replace(circuit, observables=_single_qubit_paulis(circuit.n_qubits))
            return self.backend.expectations(read, weights, inputs, states, self._with_seed(x))
        trained = torch.is_grad_enabled() and (weights.requires_grad or x.requires_grad)
        other_rule = self.execution.gradient not in ("auto", "adjoint")
        if self.execution.shots is not None or (trained and other_rule):
            raise UnsupportedExecution(
                "alignment of a fidelity kernel needs the exact gradient of its states. Set execution.shots=null and "
                "execution.gradient=auto, and measure afterwards; or set kind=projected"
            )
        if self.execution.noise_model != Noise():
            raise UnsupportedExecution(
                "the exact fidelity of noisy states is not supported. Set execution.shots, or kind=projected"
            )
        return self.backend.states(circuit, weights, inputs, states)

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the Gram matrix of two sets of values from `represent`."""
        if self.kind == "fidelity":
            return (one @ other.conj().T).abs().square()
        # |rho - sigma|^2 of one qubit is half the squared distance of their Bloch vectors
        return torch.exp(-0.5 * self.gamma * torch.cdist(one, other, compute_mode=EXACT_DISTANCE).square())

    def _encode(self, x: Tensor) -> tuple[Circuit, Tensor | None, Tensor | None]:
        circuit = self.feature_map.circuit(x.shape[1])
        return circuit, self.feature_map.inputs(x), self.feature_map.states(x)

    def _blocks(self, x: Tensor) -> Iterator[slice]:
        step = max(1, _AT_ONCE >> self.feature_map.circuit(x.shape[1]).n_qubits)
        return (slice(first, min(first + step, len(x))) for first in range(0, len(x), step))

    def _represent_cached(self, x: Tensor, weights: Tensor) -> Tensor:
        key = hashlib.sha256(x.numpy().tobytes()).hexdigest(), tuple(x.shape)
        found = self._memory.pop(key, None)
        if found is None:
            found = self.represent(x, weights)
            while len(self._memory) >= _KEPT:
                self._memory.pop(next(iter(self._memory)))
        self._memory[key] = found  # at the end: the most recently used is dropped last
        return found

    def _with_seed(self, *vectors: Tensor) -> Execution:
        """Return the execution with a seed for these vectors."""
        if not self.execution.is_random:
            return self.execution
        seen = hashlib.sha256(b"".join(each.detach().cpu().numpy().tobytes() for each in vectors)).digest()
        path = [self.execution.seed or 0, int.from_bytes(seen[:8], "big")]
        return replace(self.execution, seed=int(np.random.SeedSequence(path).generate_state(1)[0]))

    @cached_property
    def _memory(self) -> dict[Any, Tensor]:
        return {}

    def _sample_gram(self, left: Tensor, right: Tensor, weights: Tensor, symmetric: bool) -> Gram:
        one, inputs, states = self._encode(left)
        if states is not None or inputs is None:
            raise UnsupportedExecution(
                f"{type(self.feature_map).__name__} prepares amplitudes in a simulator, which no circuit can undo. "
                "Set execution.shots=null, kind=projected, or another feature map"
            )
        both = one.then(one.inverse().shift_inputs(one.n_inputs))
        others = self.feature_map.inputs(right)
        assert others is not None
        grid = np.triu_indices(len(left), 1) if symmetric else np.indices((len(left), len(right))).reshape(2, -1)
        shares = np.empty(len(grid[0]))
        execution = self._with_seed(left, right)
        shots, seed = execution.shots or 0, execution.seed or 0
        step = max(1, _AT_ONCE // (shots * one.n_qubits))
        for first in range(0, len(shares), step):
            part = slice(first, first + step)
            pairs = torch.cat((inputs[grid[0][part]], others[grid[1][part]]), dim=1)
            own = int(np.random.SeedSequence([seed, first]).generate_state(1)[0])
            bits = self.backend.sample(both, weights, pairs, None, replace(execution, seed=own))
            shares[part] = (~bits.bool().any(-1)).double().mean(-1).numpy()
        if not symmetric:
            return shares.reshape(len(left), len(right))
        gram = np.eye(len(left))
        gram[grid] = shares
        return np.maximum(gram, gram.T)


def check_vectors(x: ArrayLike) -> Tensor:
    """Return vectors `(rows, dim)` in float64.

    Raises:
        DataError: for vectors that are not numeric, not finite, or of another shape.
    """
    try:
        vectors = torch.from_numpy(np.array(x, dtype=np.float64))
    except (TypeError, ValueError) as err:
        raise DataError(f"a kernel needs vectors of numbers: {abbreviate(str(err), 200)}") from err
    if vectors.ndim != 2 or not vectors.numel():
        raise DataError(f"a kernel needs vectors of shape (rows, dim), given {tuple(vectors.shape)}")
    if not bool(vectors.isfinite().all()):
        raise DataError("a kernel needs finite values, but the vectors contain NaN or infinity")
    if not bool(torch.linalg.vector_norm(vectors, dim=1).isfinite().all()):
        raise DataError("a kernel needs vectors of finite norm, but squares of some values overflow. Scale them")
    return vectors


def _single_qubit_paulis(n_qubits: int) -> tuple[PauliString, ...]:
    return tuple(
        PauliString("I" * wire + letter + "I" * (n_qubits - wire - 1)) for letter in "XYZ" for wire in range(n_qubits)
    )
