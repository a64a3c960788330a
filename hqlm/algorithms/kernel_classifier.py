"""A scikit-learn classifier on a quantum kernel; nothing else of hqlm imports it, and it needs the extra `study`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from hqlm.algorithms.alignment import align
from hqlm.algorithms.kernel import QuantumKernel
from hqlm.algorithms.support_vectors import best_temperature
from hqlm.errors import ConfigError, DataError, MissingDependency
from hqlm.estimator_parts import RecipeParameters, check_class_weights, encode_labels, make_recipe

try:
    from scipy.special import softmax
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC
    from sklearn.utils import compute_sample_weight
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as err:
    raise MissingDependency(f"QuantumKernelClassifier needs scikit-learn ({err}): pip install 'hqlm[study]'") from err


_DEFAULT: Final = QuantumKernel()
_FOLDS: Final = 5  # of the cross-validation that calibrates probabilities


class QuantumKernelClassifier(RecipeParameters, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support-vector classifier on a quantum kernel, with everything scikit-learn expects of an estimator.

    `set_params(kernel__gamma=0.5)` and a grid over `kernel__gamma` set one option of the kernel.

    Args:
        kernel: the kernel, the options in which it differs from the default one, as a dict, or None; the default one
            is `QuantumKernel()`, the fidelity of amplitude-encoded vectors.
        C: inverse strength of regularisation.
        align_steps: batches of kernel-target alignment before the fit; 0 for none.
        class_weight: as in `sklearn.svm.SVC`.

    Attributes:
        classes_: labels of the classes `(n_classes,)`, sorted.
        kernel_: the kernel, aligned where that was asked for.
        svc_: the solved `sklearn.svm.SVC`, on the Gram matrix of the training vectors.
        temperature_: what scores are divided by before their softmax is taken as probabilities; None where a class has
            a single training row.
        n_features_in_: values of a vector.
        feature_names_in_: names of its values, where they were given.
    """

    recipes: ClassVar[Mapping[str, Any]] = {"kernel": _DEFAULT}
    classes_: NDArray[Any]
    kernel_: QuantumKernel
    svc_: Any
    temperature_: float | None
    _support_vectors: NDArray[np.float64]

    def __init__(
        self,
        kernel: QuantumKernel | Mapping[str, Any] | None = None,
        C: float = 1.0,
        align_steps: int = 0,
        class_weight: Any = None,
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.align_steps = align_steps
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> Self:
        """Train on vectors `(rows, dim)` and their classes.

        Raises:
            ValueError: for anything scikit-learn refuses as training data.
            ConfigError: for parameters that cannot be.
        """
        if not isinstance(self.align_steps, Integral) or self.align_steps < 0:
            raise ConfigError(f"align_steps must be a whole number of 0 or more, given {self.align_steps!r}")
        kernel = make_recipe("kernel", self.kernel, _DEFAULT, QuantumKernel)
        X, y = validate_data(self, X, y, dtype=np.float64, accept_sparse=False)
        self.classes_, numbers = encode_labels(y)
        check_class_weights(compute_sample_weight(self.class_weight, y), self.class_weight)
        self.kernel_ = align(kernel, X, y, steps=int(self.align_steps)) if self.align_steps else kernel
        gram = self.kernel_(X)
        self.svc_ = self._machine().fit(gram, y)
        self._support_vectors = X[self.svc_.support_]
        self.temperature_ = self._calibrate(gram, y, numbers)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores: `(rows,)` for two classes, else `(rows, n_classes)`."""
        gram = self._gram(X)
        scores: NDArray[np.float64] = self.svc_.decision_function(gram)
        return scores

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class `(rows, n_classes)`, in the order of `classes_`.

        The softmax of the scores over a temperature. It makes the labels of the training rows most probable by the
        scores that a cross-validation gives them, and changes no prediction.

        Source: Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599.

        Raises:
            DataError: when a class has a single training row, so that nothing is left to calibrate on.
        """
        scores = self.decision_function(X)
        if self.temperature_ is None:
            raise DataError("probabilities take two training rows or more of each class: use predict, or add rows")
        table: NDArray[np.float64] = softmax(_by_class(scores) / self.temperature_, axis=1)
        return table

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each vector."""
        gram = self._gram(X)
        labels: NDArray[Any] = self.svc_.predict(gram)
        return labels

    def _machine(self) -> SVC:
        return SVC(C=self.C, kernel="precomputed", class_weight=self.class_weight, break_ties=len(self.classes_) > 2)

    def _gram(self, X: Any) -> NDArray[np.float64]:
        """Kernel of vectors with all training vectors; those that are no support vectors do not count."""
        check_is_fitted(self)
        vectors = validate_data(self, X, dtype=np.float64, accept_sparse=False, reset=False)
        gram = np.zeros((len(vectors), self.svc_.shape_fit_[0]))
        gram[:, self.svc_.support_] = self.kernel_(vectors, self._support_vectors)
        return gram

    def _calibrate(self, gram: NDArray[np.float64], y: Any, numbers: NDArray[np.int64]) -> float | None:
        folds = min(_FOLDS, int(np.bincount(numbers).min()))
        if folds < 2:
            return None
        scores = np.empty((len(y), len(self.classes_)))
        for kept, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(gram, numbers):
            machine = self._machine().fit(gram[np.ix_(kept, kept)], y[kept])
            scores[held] = _by_class(machine.decision_function(gram[np.ix_(held, kept)]))
        return best_temperature(torch.from_numpy(scores), torch.from_numpy(numbers))


def _by_class(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores `(rows, n_classes)`; two classes have one score, that of the second."""
    return np.stack((-scores, scores), axis=1) / 2.0 if scores.ndim == 1 else scores
