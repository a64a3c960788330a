"""A support-vector machine of tensors against the one of scikit-learn that it was solved by."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.svm import SVC

from hqlm.kernels.support_vectors import SupportVectorMachine, best_temperature


def blobs(n_classes, rows=60):
    vectors, labels = make_blobs(rows, n_features=3, centers=n_classes, cluster_std=3.0, random_state=0)
    return vectors, labels


def solved(n_classes, strength=2.0):
    vectors, labels = blobs(n_classes)
    machine = SupportVectorMachine(3, n_classes)
    gram = torch.from_numpy(polynomial_kernel(vectors))
    machine.fit(torch.from_numpy(vectors), torch.from_numpy(labels), strength, gram=gram)
    return machine


def against(machine, vectors):
    return torch.from_numpy(polynomial_kernel(vectors, machine.vectors.numpy()))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_are_those_of_scikit_learn(n_classes):
    vectors, labels = blobs(n_classes)
    others = np.random.default_rng(1).normal(scale=5.0, size=(40, 3))
    known = SVC(C=2.0, kernel="precomputed", break_ties=n_classes > 2).fit(polynomial_kernel(vectors), labels)
    expected = known.decision_function(polynomial_kernel(others, vectors))
    machine = solved(n_classes)
    found = machine(against(machine, others)).numpy()
    if n_classes == 2:
        expected = np.stack((-expected / 2, expected / 2), axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_array_equal(found.argmax(1), known.predict(polynomial_kernel(others, vectors)))
    assert len(machine.vectors) == known.n_support_.sum()


def test_the_temperature_makes_labels_most_probable():
    machine = solved(3)
    others, labels = make_blobs(80, n_features=3, centers=3, cluster_std=3.0, random_state=0)
    gram, labels = against(machine, others), torch.from_numpy(labels)
    before = machine(gram)
    temperature = best_temperature(before, labels)
    assert temperature != 1.0
    losses = [
        torch.nn.functional.cross_entropy(machine(gram) / (factor * temperature), labels) for factor in (1.0, 0.9, 1.1)
    ]
    assert losses[0] < min(losses[1:])
    assert best_temperature(2.0 * machine(gram), labels) == pytest.approx(2.0 * temperature, rel=1e-3)


@pytest.mark.parametrize("size", [0.05, 1.0, 200.0])
def test_rows_of_equal_scores_get_the_share_of_their_labels(size):
    # 1 / (1 + exp(-size / T)) = 3 / 4
    scores, labels = torch.tensor([[size, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
    assert best_temperature(scores, labels) == pytest.approx(size / math.log(3.0), rel=1e-3)


def test_a_state_dict_brings_its_own_number_of_vectors():
    machine, other = solved(3), solved(3, strength=0.01)
    assert len(machine.vectors) != len(other.vectors)
    for empty in (SupportVectorMachine(3, 3), other):
        empty.load_state_dict(machine.state_dict())
        vectors, _ = blobs(3)
        torch.testing.assert_close(empty(against(empty, vectors)), machine(against(machine, vectors)))
    with pytest.raises(RuntimeError, match="size mismatch"):
        SupportVectorMachine(3, 2).load_state_dict(machine.state_dict())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_rbf_kernel_and_weights_of_rows_are_those_of_scikit_learn(n_classes):
    vectors, labels = blobs(n_classes)
    weights = np.linspace(0.5, 2.0, len(labels))
    known = SVC(C=2.0, gamma=0.1, break_ties=n_classes > 2).fit(vectors, labels, weights)
    machine = SupportVectorMachine(3, n_classes)
    rows, numbers, of_rows = map(torch.from_numpy, (vectors, labels, weights))
    machine.fit(rows, numbers, 2.0, of_rows, gamma=0.1)
    found = machine(torch.exp(-0.1 * torch.cdist(rows, machine.vectors).square()))
    np.testing.assert_array_equal(found.argmax(1), known.predict(vectors))
    np.testing.assert_allclose(len(machine.vectors), known.n_support_.sum())
