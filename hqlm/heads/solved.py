"""Heads that scikit-learn solves in one step on all training rows, stored as tensors."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hqlm.errors import ConfigError, DataError
from hqlm.heads.base import Head, HeadModule, Rows
from hqlm.kernels.quantum_kernel import EXACT_DISTANCE
from hqlm.kernels.support_vectors import SupportVectorMachine, best_temperature

_STEPS = 5_000  # largest number of steps of logistic regression


class SolvedModule(HeadModule):
    """A head that is solved for a regularisation strength C, which is chosen on the validation rows.

    Scores become outputs by one temperature, fitted on the validation rows, which changes no prediction. Everything is
    in float64, in buffers that checkpoints store.

    Args:
        strengths: values of C to choose from.
        n_outputs: number of classes.
    """

    is_trained = False
    solves = True
    strength: Tensor
    temperature: Tensor

    def __init__(self, strengths: Sequence[float], n_outputs: int) -> None:
        super().__init__()
        self.strengths = tuple(strengths)
        self.n_outputs = n_outputs
        self.register_buffer("strength", torch.zeros((), dtype=torch.float64))
        self.register_buffer("temperature", torch.ones((), dtype=torch.float64))

    @abstractmethod
    def solve_for(self, train: Rows, strength: float, weights: Tensor | None = None) -> None:
        """Solve on training rows; every class has at least one.

        Args:
            train: training rows.
            strength: value of C.
            weights: weights of the rows `(rows,)`; None for equal weights.
        """

    @abstractmethod
    def scores(self, embeddings: Tensor) -> Tensor:
        """Return scores `(batch, n_outputs)` of embeddings `(batch, dim)`, float64; the largest is the prediction."""

    def calibrate(self, scores: Tensor, targets: Tensor) -> None:
        """Choose the temperature that makes the targets most probable, on rows that the head was not solved on."""
        self.temperature = torch.full_like(self.temperature, best_temperature(scores, targets))

    def settle(self, train: Rows, strength: float, weights: Tensor | None = None) -> None:
        """Solve with a strength and keep the solution; reset the temperature to 1.

        Raises:
            DataError: if a class has no row.
        """
        missing = set(range(self.n_outputs)) - set(train[1].tolist())
        if missing:
            raise DataError(
                f"there are {self.n_outputs} classes, but no training row of class number {min(missing)}. A head that "
                "is solved in one step needs rows of each: raise data.limit_train or data.samples_per_class"
            )
        self.solve_for(train, strength, weights)
        self.strength = torch.full_like(self.strength, strength)
        self.temperature = torch.ones_like(self.temperature)

    def solve(self, train: Rows, val: Rows) -> None:
        """Keep the strength with the best accuracy on `val`, the first of equal ones, and calibrate there.

        Raises:
            DataError: if a class has no training row.
        """
        best, chosen = -1, self.strengths[0]
        for strength in self.strengths if len(self.strengths) > 1 else ():
            self.settle(train, strength)
            right = int((self.scores(val[0]).argmax(1) == val[1]).sum())
            if right > best:
                best, chosen = right, strength
        if float(self.strength) != chosen or len(self.strengths) == 1:
            self.settle(train, chosen)
        self.calibrate(self.scores(val[0]), val[1])

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return scores over temperature `(batch, n_outputs)`, without a gradient.

        Raises:
            ConfigError: before the first fit.
        """
        if not float(self.strength):
            raise ConfigError("this head is solved by a fit and was not fitted yet. Fit the model first")
        with torch.no_grad():
            return (self.scores(embeddings) / self.temperature).to(embeddings)


@dataclass(frozen=True)
class LogisticRegressionHead(Head):
    """Logistic regression of scikit-learn, solved in one step: a linear layer under an L2 penalty of 1/C.

    Args:
        C: inverse regularisation strength, or several values, of which the best on the validation rows is chosen.

    Raises:
        ConfigError: for a C that is not above 0.
    """

    C: float | tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        strengths("LogisticRegressionHead", self.C)

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return a linear layer of zeros, which `solve` replaces."""
        return _LogisticRegression(dim, n_outputs, strengths("LogisticRegressionHead", self.C))


class _LogisticRegression(SolvedModule):
    weight: Tensor
    bias: Tensor

    def __init__(self, dim: int, n_outputs: int, strengths: Sequence[float]) -> None:
        super().__init__(strengths, n_outputs)
        self.register_buffer("weight", torch.zeros(n_outputs, dim, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(n_outputs, dtype=torch.float64))

    def solve_for(self, train: Rows, strength: float, weights: Tensor | None = None) -> None:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=strength, max_iter=_STEPS)
        model.fit(train[0].double().cpu().numpy(), train[1].cpu().numpy(), None if weights is None else weights.numpy())
        weight, bias = (torch.from_numpy(each).to(self.weight) for each in (model.coef_, model.intercept_))
        if self.n_outputs == 2:  # scikit-learn only returns the score of the second class
            weight, bias = (torch.cat((-each, each)) / 2.0 for each in (weight, bias))
        self.weight, self.bias = weight.contiguous(), bias

    def scores(self, embeddings: Tensor) -> Tensor:
        return nn.functional.linear(embeddings.double(), self.weight, self.bias)

    def calibrate(self, scores: Tensor, targets: Tensor) -> None:
        """Keep the temperature at 1: the scores are already logarithms of probabilities."""

    def size(self) -> tuple[int, str]:
        """Return the number of weights: one set for two classes, else one per class."""
        sets = 1 if self.n_outputs == 2 else self.n_outputs
        return sets * (self.weight.shape[1] + 1), "weights"


@dataclass(frozen=True)
class RBFSVMHead(Head):
    """A support-vector machine of scikit-learn with the kernel `exp(-gamma |x - y|^2)`, gamma = 1 / (dim variance).

    Args:
        C: inverse regularisation strength, or several values, of which the best on the validation rows is chosen.

    Raises:
        ConfigError: for a C that is not above 0.
    """

    C: float | tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        strengths("RBFSVMHead", self.C)

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return an unsolved machine."""
        return _RBFSVM(dim, n_outputs, strengths("RBFSVMHead", self.C))


class _RBFSVM(SolvedModule):
    gamma: Tensor

    def __init__(self, dim: int, n_outputs: int, strengths: Sequence[float]) -> None:
        super().__init__(strengths, n_outputs)
        self.register_buffer("gamma", torch.ones((), dtype=torch.float64))
        self.machine = SupportVectorMachine(dim, n_outputs)

    def solve_for(self, train: Rows, strength: float, weights: Tensor | None = None) -> None:
        vectors = train[0].double()
        self.gamma = (vectors.shape[1] * vectors.var(correction=0)).reciprocal()
        self.machine.fit(vectors, train[1], strength, weights, gamma=float(self.gamma))

    def scores(self, embeddings: Tensor) -> Tensor:
        distances = torch.cdist(embeddings.double(), self.machine.vectors, compute_mode=EXACT_DISTANCE)
        scores: Tensor = self.machine(torch.exp(-self.gamma * distances.square()))
        return scores

    def size(self) -> tuple[int, str]:
        """Return the number of support vectors."""
        return len(self.machine.vectors), "support vectors"


def strengths(head: str, given: float | Sequence[float]) -> tuple[float, ...]:
    """Return the values of C to choose from.

    Args:
        head: name of the head, for messages.
        given: one number, or several.

    Raises:
        ConfigError: for an empty list, or a value that is not above 0.
    """
    values = tuple(given) if isinstance(given, Sequence) else (given,)
    if not values or not all(0.0 < value < math.inf for value in values):
        raise ConfigError(f"{head}: C must be a number above 0, or several to choose from; given {given}")
    return values
