"""The heads that a model is compared with: three that are solved in one step, and three that are trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from hqlm.errors import ConfigError
from hqlm.heads import Head, KernelHead, LinearHead, LogisticRegressionHead, MatchedHead, MLPHead, RBFSVMHead
from hqlm.heads.solved import SolvedModule
from hqlm.registry import suggestion
from hqlm.studies.comparison.rows import Rows

_STRENGTHS: Final = (0.1, 1.0, 10.0, 100.0)  # C, chosen on the validation rows
CLASSIFIERS: Final[dict[str, LogisticRegressionHead | RBFSVMHead | KernelHead]] = {
    "logistic_regression": LogisticRegressionHead(_STRENGTHS),
    "rbf_svc": RBFSVMHead(_STRENGTHS),
    "quantum_kernel": KernelHead(C=_STRENGTHS),
}
LEARNING_RATES: Final = (0.001, 0.003, 0.01, 0.03)  # of trained heads, chosen on the validation rows
RIVALS: Final = {
    "logistic_regression": "logistic regression of scikit-learn",
    "rbf_svc": "support-vector classifier of scikit-learn with an RBF kernel",
    "quantum_kernel": "the same with a quantum kernel, the fidelity of amplitude-encoded embeddings",
    "linear": "a linear layer",
    "mlp": "one hidden layer of 96",
    "matched": "the head, with a hidden layer or a bottleneck, whose parameters are nearest to the hybrid model's",
}
HEADS: Final = tuple(name for name in RIVALS if name not in CLASSIFIERS)  # trained as the hybrid model is, by torch


def trained_head(name: str, hybrid_parameters: int) -> Head:
    """Return the trained head of a name; `matched` has about as many parameters as the hybrid model."""
    heads: dict[str, Head] = {"linear": LinearHead(), "mlp": MLPHead(), "matched": MatchedHead(hybrid_parameters)}
    return heads[name]


@dataclass(frozen=True)
class Fitted:
    """A solved head whose C was chosen on the validation rows.

    Args:
        head: the chosen one.
        val_acc: its share of right validation rows.
        seconds: that solving it took, the choice left out.
    """

    head: SolvedModule
    val_acc: float
    seconds: float


def fit_best(name: str, train: Rows, val: Rows) -> Fitted:
    """Return the head of a name with the C that serves best on `val`; of equally good ones the smallest."""
    recipe, n_classes = CLASSIFIERS[name], len(set(train.labels.tolist()))
    rows, held = _tensors(train), _tensors(val)
    best: Fitted | None = None
    for strength in _STRENGTHS:
        module = replace(recipe, C=strength).build(train.embeddings.shape[1], n_classes)
        assert isinstance(module, SolvedModule)
        start = time.perf_counter()
        module.solve(rows, held)
        seconds = time.perf_counter() - start
        val_acc = float((module(held[0]).argmax(1) == held[1]).double().mean())
        if best is None or val_acc > best.val_acc:
            best = Fitted(module, val_acc, seconds)
    assert best is not None
    return best


def _tensors(rows: Rows) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(rows.embeddings), torch.from_numpy(rows.labels)


def check_rivals(names: Sequence[str]) -> None:
    """Refuse names that are unknown or stand twice.

    Raises:
        ConfigError: for such a name.
    """
    for name in names:
        if name not in RIVALS:
            raise ConfigError(f"--rivals: there is no '{name}'. {suggestion(name, list(RIVALS))}")
    if len(set(names)) < len(names):
        raise ConfigError(f"--rivals=[{','.join(names)}]: a rival stands there twice")
