"""A support-vector machine as tensors: scikit-learn solves it, torch evaluates it and stores it in checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


class SupportVectorMachine(nn.Module):
    """`sum_s a_sp K(x, x_s) + b_p` for each pair p of classes, over the support vectors x_s; positive for the first.

    Two classes have the scores `(d, -d) / 2`. With more classes, the score of each is its number of wins over the
    others plus `s / (3 (|s| + 1))`, where s is the sum of its decisions, as in scikit-learn. Everything is in float64.

    Args:
        dim: length of a vector.
        n_classes: number of classes.
    """

    vectors: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        n_pairs = n_classes * (n_classes - 1) // 2
        self.register_buffer("vectors", torch.zeros(0, dim, dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(0, n_pairs, dtype=torch.float64))
        self.register_buffer("intercepts", torch.zeros(n_pairs, dtype=torch.float64))
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]

    def fit(
        self,
        vectors: Tensor,
        labels: Tensor,
        strength: float,
        weights: Tensor | None = None,
        *,
        gram: Tensor | None = None,
        gamma: float | None = None,
    ) -> None:
        """Solve the dual problem and store its support vectors.

        Args:
            vectors: training rows `(rows, dim)`, float64, at least one per class.
            labels: class indices `(rows,)`.
            strength: C, the upper bound of a row's multiplier.
            weights: weights of the rows `(rows,)`, which multiply C; None for equal weights.
            gram: kernel of each row with each `(rows, rows)`; None for the RBF kernel `exp(-gamma |x - y|^2)`.
            gamma: gamma of the RBF kernel.
        """
        from sklearn.svm import SVC

        solver = SVC(C=strength, gamma=gamma) if gram is None else SVC(C=strength, kernel="precomputed")
        rows, numbers = (each.cpu().numpy() for each in (vectors if gram is None else gram, labels))
        solved = solver.fit(rows, numbers, None if weights is None else weights.numpy())
        sign = -1.0 if self.n_classes == 2 else 1.0  # scikit-learn negates the decisions for two classes
        device = self.intercepts.device
        self.vectors = vectors[torch.from_numpy(solved.support_).long()].to(device)
        self.coefficients = torch.from_numpy(sign * _by_pair(solved.dual_coef_, solved.n_support_)).to(device)
        self.intercepts = torch.from_numpy(sign * solved.intercept_).to(device)

    def forward(self, gram: Tensor) -> Tensor:
        """Return scores `(rows, n_classes)` from the kernel of rows with the support vectors, `(rows, n_support)`."""
        decisions = gram @ self.coefficients + self.intercepts
        if self.n_classes == 2:
            return torch.cat((decisions, -decisions), dim=1) / 2.0
        first, second = torch.triu_indices(self.n_classes, self.n_classes, 1, device=gram.device)
        pairs = torch.eye(self.n_classes, dtype=gram.dtype, device=gram.device)
        duel = pairs[first] - pairs[second]  # (pairs, classes): +1 and -1: the classes of each decision
        sides = 1.0 - 2.0 * (decisions < 0.0).to(decisions)
        wins = (sides @ duel + self.n_classes - 1) / 2.0
        sums = decisions @ duel
        found: Tensor = wins + sums / (3.0 * (sums.abs() + 1.0))
        return found


def best_temperature(scores: Tensor, labels: Tensor) -> float:
    """Return the T for which `softmax(scores / T)` makes the labels most probable; it changes no prediction.

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599.

    Args:
        scores: `(rows, n_classes)`.
        labels: class indices `(rows,)`.
    """
    from scipy.optimize import minimize_scalar

    def surprise(log_temperature: float) -> float:
        return float(nn.functional.cross_entropy(scores / float(np.exp(log_temperature)), labels))

    return float(np.exp(minimize_scalar(surprise, bounds=(-7.0, 7.0), method="bounded").x))


def _by_pair(dual: Array, counts: NDArray[np.int32]) -> Array:
    """Return coefficients `(n_support, pairs)` from `(n_classes - 1, n_support)`: a row's against each other class."""
    n_classes = len(counts)
    own = np.split(np.arange(dual.shape[1]), np.cumsum(counts)[:-1])  # support vectors come class by class
    columns = []
    for first in range(n_classes):
        for second in range(first + 1, n_classes):
            column = np.zeros(dual.shape[1])
            column[own[first]] = dual[second - 1, own[first]]
            column[own[second]] = dual[first, own[second]]
            columns.append(column)
    return np.stack(columns, axis=1)


def _make_room(machine: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Resize the buffers: only the checkpoint knows the number of support vectors."""
    for name in ("vectors", "coefficients"):
        kept = state.get(prefix + name)
        if kept is not None:
            buffer = getattr(machine, name)
            setattr(machine, name, buffer.new_zeros(len(kept), buffer.shape[1]))
