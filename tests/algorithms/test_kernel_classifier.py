"""The estimator inside scikit-learn's own tools."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from hqlm.algorithms import AmplitudeMap, QuantumKernel, UploadMap, ZZFeatureMap, align
from hqlm.algorithms.kernel_classifier import QuantumKernelClassifier
from hqlm.kernels.support_vectors import best_temperature
from hqlm.errors import ConfigError, DataError
from hqlm.execution import Execution

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


def test_a_grid_search_over_options_of_the_kernel():
    grid = {
        "quantumkernelclassifier__kernel__gamma": [0.1, 10.0],
        "quantumkernelclassifier__kernel__feature_map__n_layers": [1, 2],
        "quantumkernelclassifier__C": [10.0],
    }
    kernel = QuantumKernel(ZZFeatureMap(), kind="projected")
    for given in (kernel, {"feature_map": ZZFeatureMap(), "kind": "projected"}):
        pipeline = make_pipeline(StandardScaler(), QuantumKernelClassifier(given))
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, LABELS)
        best = search.best_estimator_["quantumkernelclassifier"]
        assert best.kernel_.gamma == search.best_params_["quantumkernelclassifier__kernel__gamma"]
        layers = search.best_params_["quantumkernelclassifier__kernel__feature_map__n_layers"]
        assert best.kernel_ == replace(kernel, gamma=best.kernel_.gamma, feature_map=ZZFeatureMap(layers))
        assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert kernel == QuantumKernel(ZZFeatureMap(), kind="projected")


def test_options_of_the_kernel_are_parameters():
    model = QuantumKernelClassifier(QuantumKernel(ZZFeatureMap()))
    assert model.get_params()["kernel__gamma"] == 1.0
    assert model.get_params()["kernel__feature_map__n_layers"] == ZZFeatureMap().n_layers
    assert "kernel__gamma" not in model.get_params(deep=False)
    model.set_params(kernel__gamma=0.5, kernel__execution__seed=3, C=2.0)
    assert model.kernel == QuantumKernel(ZZFeatureMap(), gamma=0.5, execution=Execution(seed=3))
    assert QuantumKernelClassifier().set_params(kernel__gamma=0.5).kernel == {"gamma": 0.5}
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(ConfigError, match=r"QuantumKernel has no option 'gama'\. Did you mean 'gamma'"):
        model.set_params(kernel__gama=1.0)
    with pytest.raises(ConfigError, match="kernel must be an instance of QuantumKernel"):
        QuantumKernelClassifier("rbf").fit(X, LABELS)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_agree_with_predictions_and_are_calibrated(n_classes):
    points, labels = make_blobs(400, centers=n_classes, cluster_std=3.0, random_state=0)
    points = StandardScaler().fit_transform(points)
    names = np.array(["one", "two", "three"])[labels]
    model = QuantumKernelClassifier().fit(points[:200], names[:200])
    table = model.predict_proba(points[200:])
    assert table.shape == (200, n_classes)
    np.testing.assert_allclose(table.sum(1), 1.0)
    np.testing.assert_array_equal(model.classes_[table.argmax(1)], model.predict(points[200:]))
    scores = model.decision_function(points[200:])
    if n_classes == 2:  # the logistic function of the score over the temperature
        np.testing.assert_allclose(table[:, 1], 1.0 / (1.0 + np.exp(-scores / model.temperature_)))
    # rows it has not seen are told apart better than by their shares, and by no better temperature to speak of
    loss = log_loss(names[200:], table)
    assert loss < np.log(n_classes)
    by_class = np.stack((-scores, scores), axis=1) / 2.0 if n_classes == 2 else scores
    numbers = np.searchsorted(model.classes_, names[200:])
    best = best_temperature(torch.from_numpy(by_class), torch.from_numpy(numbers))
    assert loss < log_loss(names[200:], softmax(by_class / best, axis=1)) + 0.01


def test_probabilities_take_two_rows_of_each_class():
    model = QuantumKernelClassifier().fit(X[:5], ["a", "a", "b", "b", "c"])
    assert set(model.predict(X)) <= {"a", "b", "c"}
    with pytest.raises(DataError, match="two training rows or more of each class"):
        model.predict_proba(X)


def test_only_support_vectors_are_compared_with():
    seen = []
    kernel = QuantumKernel(AmplitudeMap(0.5))
    model = QuantumKernelClassifier(kernel).fit(X, LABELS)
    model.kernel_ = lambda one, other: seen.append((len(one), len(other))) or kernel(one, other)
    model.predict(X[:7])
    assert seen == [(7, len(model.svc_.support_))]
    assert len(model.svc_.support_) < len(X)


@pytest.mark.parametrize("steps", [-1, 1.5, None])
def test_steps_of_alignment_that_cannot_be(steps):
    with pytest.raises(ConfigError, match="align_steps must be a whole number of 0 or more"):
        QuantumKernelClassifier(align_steps=steps).fit(X, LABELS)


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode], ids=lambda each: each.__name__)
def test_alignment_trains_where_gradients_are_switched_off(surroundings):
    expected = align(QuantumKernel(UploadMap()), X, LABELS, steps=3)
    with surroundings():
        model = QuantumKernelClassifier(QuantumKernel(UploadMap()), align_steps=3).fit(X, LABELS)
    assert model.kernel_ == expected


def test_alignment_comes_before_the_fit():
    plain = QuantumKernelClassifier(QuantumKernel(UploadMap())).fit(X, LABELS)
    aligned = QuantumKernelClassifier(QuantumKernel(UploadMap()), align_steps=3).fit(X, LABELS)
    assert plain.kernel_.weights is None
    assert aligned.kernel_ == align(QuantumKernel(UploadMap()), X, LABELS, steps=3)
