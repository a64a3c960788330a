"""The estimator inside scikit-learn's own tools."""

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from hqlm.algorithms import AmplitudeMap, QuantumKernel, UploadMap, align
from hqlm.algorithms.kernel_classifier import QuantumKernelClassifier

X, LABELS = make_moons(60, noise=0.1, random_state=0)


# the check of array interfaces beside NumPy skips itself unless SciPy was told to accept them
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([QuantumKernelClassifier()])
def test_it_is_an_estimator(estimator, check):
    check(estimator)


def test_it_predicts_as_a_support_vector_classifier_on_the_gram_matrix():
    kernel = QuantumKernel(AmplitudeMap(0.5))
    known = SVC(C=3.0, kernel="precomputed").fit(kernel(X[:40]), LABELS[:40])
    expected = known.decision_function(kernel(X[40:], X[:40]))
    for model in (SVC(C=3.0, kernel=kernel), QuantumKernelClassifier(kernel, C=3.0)):
        np.testing.assert_allclose(model.fit(X[:40], LABELS[:40]).decision_function(X[40:]), expected, atol=1e-8)


def test_a_grid_search_over_a_pipeline_chooses_a_kernel():
    kernels = [QuantumKernel(AmplitudeMap(offset)) for offset in (0.0, 1.0)]
    pipeline = make_pipeline(StandardScaler(), QuantumKernelClassifier())
    search = GridSearchCV(pipeline, {"quantumkernelclassifier__kernel": kernels}, cv=3, error_score="raise")
    assert search.fit(X, LABELS).best_params_["quantumkernelclassifier__kernel"] == kernels[1]
    assert search.best_score_ > 0.8


def test_alignment_comes_before_the_fit():
    plain = QuantumKernelClassifier(QuantumKernel(UploadMap())).fit(X, LABELS)
    aligned = QuantumKernelClassifier(QuantumKernel(UploadMap()), align_steps=3).fit(X, LABELS)
    assert plain.kernel_.weights is None
    assert aligned.kernel_ == align(QuantumKernel(UploadMap()), X, LABELS, steps=3)
