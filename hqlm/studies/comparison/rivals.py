"""The rivals of a hybrid model, on its embeddings: three of scikit-learn and three heads of torch."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from hqlm.algorithms import AmplitudeMap, QuantumKernel
from hqlm.algorithms.support_vectors import best_temperature
from hqlm.errors import ConfigError, MissingDependency
from hqlm.models import HeadShape, match_parameters
from hqlm.registry import suggestion
from hqlm.studies.comparison.rows import Rows

Array = NDArray[np.float64]

HEADS: Final = {  # trained as the hybrid model is: by torch, epoch by epoch, the best one on the validation rows kept
    "linear": "a linear layer",
    "mlp": "one hidden layer of 96",
    "matched": "the head, with a hidden layer or a bottleneck, whose parameters are nearest to the hybrid model's",
}
LEARNING_RATES: Final = (0.001, 0.003, 0.01, 0.03)  # of those heads, chosen on the validation rows
_MLP_WIDTH: Final = 96
_PACKAGES: Final = {"sklearn": "scikit-learn", "scipy": "SciPy"}
_STEPS: Final = 5_000  # of logistic regression at most


class Classifier(ABC):
    """A classifier of scikit-learn on embeddings, which no seed changes.

    Attributes:
        purpose: what it is, in a line.
        counted: what its parameters are.
    """

    purpose: ClassVar[str]
    counted: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]] = (0.1, 1.0, 10.0, 100.0)  # C, chosen on the validation rows

    def __init__(self, strength: float) -> None:
        self.strength = strength

    @abstractmethod
    def fit(self, rows: Rows) -> None:
        """Train on embeddings and class numbers."""

    @abstractmethod
    def calibrate(self, rows: Rows) -> None:
        """Settle what makes probabilities of scores, on validation rows."""

    @abstractmethod
    def probabilities(self, embeddings: NDArray[np.float32]) -> Array:
        """Probability of each class `(rows, n_classes)`; the largest is that of the predicted class."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """How large it is, in units of `counted`."""


class LogisticRegression(Classifier):
    """Logistic regression with L2 penalty 1/C; one set of weights for two classes, else one a class."""

    purpose = "logistic regression of scikit-learn"
    counted = "weights"

    def fit(self, rows: Rows) -> None:
        """Minimise the penalised cross-entropy."""
        from sklearn.linear_model import LogisticRegression as Model

        self.model = Model(C=self.strength, max_iter=_STEPS).fit(rows.embeddings, rows.labels)

    def calibrate(self, rows: Rows) -> None:
        """Nothing to do: it yields probabilities."""

    def probabilities(self, embeddings: NDArray[np.float32]) -> Array:
        """As scikit-learn yields them."""
        table: Array = self.model.predict_proba(embeddings)
        return table

    @property
    def parameters(self) -> int:
        """`(dim + 1)` for two classes, else `(dim + 1) * n_classes`."""
        return int(self.model.coef_.size + self.model.intercept_.size)


class SupportVectors(Classifier):
    """Support-vector classifier; a subclass chooses the kernel.

    Its scores become probabilities by one temperature, fitted on the validation rows, which changes no prediction.
    """

    counted = "support vectors"

    @property
    @abstractmethod
    def kernel(self) -> Any:
        """As scikit-learn takes it."""

    def fit(self, rows: Rows) -> None:
        """Solve the dual problem; several classes are told apart one against one."""
        from sklearn.svm import SVC

        # ties between pairwise votes go to the larger score, so that the largest score is the prediction
        model = SVC(C=self.strength, kernel=self.kernel, break_ties=True)
        self.model = model.fit(rows.embeddings, rows.labels)
        self.temperature = 1.0

    def calibrate(self, rows: Rows) -> None:
        """Choose the temperature that makes the validation labels most probable."""
        scores, labels = self._scores(rows.embeddings), torch.from_numpy(rows.labels)
        self.temperature = best_temperature(torch.from_numpy(scores), labels)

    def probabilities(self, embeddings: NDArray[np.float32]) -> Array:
        """Softmax of scores over temperature."""
        table: Array = torch.from_numpy(self._scores(embeddings) / self.temperature).softmax(1).numpy()
        return table

    def _scores(self, embeddings: NDArray[np.float32]) -> Array:
        scores: Array = self.model.decision_function(embeddings)
        return scores if scores.ndim == 2 else np.stack((-scores / 2.0, scores / 2.0), axis=1)

    @property
    def parameters(self) -> int:
        """The support vectors it keeps."""
        return int(self.model.n_support_.sum())


class RbfSvc(SupportVectors):
    """With the kernel `exp(-gamma |x - y|^2)`, gamma = 1 / (dim * variance)."""

    purpose = "support-vector classifier of scikit-learn with an RBF kernel"
    kernel = "rbf"


class QuantumKernelSvc(SupportVectors):
    """With the fidelity of amplitude-encoded embeddings beside an offset of 1, exact and without anything to train."""

    purpose = "the same with a quantum kernel, the fidelity of amplitude-encoded embeddings"

    @property
    def kernel(self) -> QuantumKernel:
        """One for all strengths, so that the states of the rows are worked out once."""
        return _FIDELITY


_FIDELITY: Final = QuantumKernel(AmplitudeMap(offset=1.0))
CLASSIFIERS: Final[dict[str, type[Classifier]]] = {
    "logistic_regression": LogisticRegression,
    "rbf_svc": RbfSvc,
    "quantum_kernel": QuantumKernelSvc,
}
RIVALS: Final = {name: kind.purpose for name, kind in CLASSIFIERS.items()} | HEADS


@dataclass(frozen=True)
class Fitted:
    """A classifier whose C was chosen on the validation rows.

    Args:
        classifier: the chosen one.
        val_acc: its share of right validation rows.
        seconds: that fitting it took, the choice left out.
    """

    classifier: Classifier
    val_acc: float
    seconds: float


def fit_best(name: str, train: Rows, val: Rows) -> Fitted:
    """The classifier of a name with the C that serves best on `val`; of equally good ones the smallest."""
    best: Fitted | None = None
    for strength in CLASSIFIERS[name].strengths:
        classifier = CLASSIFIERS[name](strength)
        start = time.perf_counter()
        classifier.fit(train)
        seconds = time.perf_counter() - start
        val_acc = float((classifier.probabilities(val.embeddings).argmax(1) == val.labels).mean())
        if best is None or val_acc > best.val_acc:
            best = Fitted(classifier, val_acc, seconds)
    assert best is not None
    best.classifier.calibrate(val)
    return best


def head_shape(name: str, hybrid_parameters: int, embedding_dim: int, n_classes: int) -> HeadShape:
    """Sizes of the torch head of a name."""
    if name == "matched":
        return match_parameters(hybrid_parameters, embedding_dim, n_classes)
    return HeadShape(hidden=(_MLP_WIDTH,) if name == "mlp" else ())


def check_rivals(names: Sequence[str]) -> None:
    """Refuse names that are unknown or stand twice, and to start without packages that are missed only later.

    Raises:
        ConfigError: for a name.
        MissingDependency: without scikit-learn or SciPy.
    """
    for name in names:
        if name not in RIVALS:
            raise ConfigError(f"--rivals: there is no '{name}'. {suggestion(name, list(RIVALS))}")
    if len(set(names)) < len(names):
        raise ConfigError(f"--rivals=[{','.join(names)}]: a rival stands there twice")
    missing = [title for package, title in _PACKAGES.items() if find_spec(package) is None]
    if missing:
        raise MissingDependency(f"a comparison needs {' and '.join(missing)}: pip install 'hqlm[study]'")
