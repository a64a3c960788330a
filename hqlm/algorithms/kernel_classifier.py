"""A scikit-learn classifier on a quantum kernel; nothing else of hqlm imports it, and it needs the extra `study`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hqlm.algorithms.alignment import align
from hqlm.algorithms.kernel import QuantumKernel
from hqlm.errors import MissingDependency

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.svm import SVC
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as err:
    raise MissingDependency(f"QuantumKernelClassifier needs scikit-learn ({err}): pip install 'hqlm[study]'") from err


class QuantumKernelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support-vector classifier on a quantum kernel, with everything scikit-learn expects of an estimator.

    Args:
        kernel: the kernel; None is `QuantumKernel()`, the fidelity of amplitude-encoded vectors.
        C: inverse strength of regularisation.
        align_steps: batches of kernel-target alignment before the fit; 0 for none.
        class_weight: as in `sklearn.svm.SVC`.
    """

    def __init__(
        self,
        kernel: QuantumKernel | None = None,
        C: float = 1.0,
        align_steps: int = 0,
        class_weight: Any = None,
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.align_steps = align_steps
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> Self:
        """Train on vectors `(rows, dim)` and their classes."""
        X, y = validate_data(self, X, y, dtype=np.float64, accept_sparse=False)
        kernel = QuantumKernel() if self.kernel is None else self.kernel
        if self.align_steps:
            kernel = align(kernel, X, y, steps=self.align_steps)
        self.kernel_ = kernel
        self.svc_ = SVC(C=self.C, kernel=kernel, class_weight=self.class_weight, break_ties=True)
        self.svc_.fit(X, y)
        self.classes_ = self.svc_.classes_
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores: `(rows,)` for two classes, else `(rows, n_classes)`."""
        check_is_fitted(self)
        scores: NDArray[np.float64] = self.svc_.decision_function(self._checked(X))
        return scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each vector."""
        check_is_fitted(self)
        labels: NDArray[Any] = self.svc_.predict(self._checked(X))
        return labels

    def _checked(self, X: Any) -> NDArray[np.float64]:
        vectors: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, accept_sparse=False, reset=False)
        return vectors
