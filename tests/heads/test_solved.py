"""Heads that are solved in one step, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from hqlm.errors import ConfigError, DataError
from hqlm.heads import KernelHead, LogisticRegressionHead, RBFSVMHead


def rows(n_classes, count=120):
    vectors, labels = make_blobs(count, n_features=4, centers=n_classes, cluster_std=4.0, random_state=0)
    return torch.from_numpy(vectors), torch.from_numpy(labels)


def halves(n_classes):
    vectors, labels = rows(n_classes)
    return (vectors[:80], labels[:80]), (vectors[80:], labels[80:])


def built(head, n_classes):
    train, val = halves(n_classes)
    module = head.build(4, n_classes)
    module.solve(train, val)
    return module, train, val


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_logistic_regression_are_those_of_scikit_learn(n_classes):
    module, train, val = built(LogisticRegressionHead(3.0), n_classes)
    known = LogisticRegression(C=3.0, max_iter=5000).fit(*(each.numpy() for each in train))
    np.testing.assert_allclose(module(val[0]).softmax(1), known.predict_proba(val[0].numpy()), atol=1e-4)
    assert module.size() == (known.coef_.size + known.intercept_.size, "weights")
    assert module.parameter_counts() == {"quantum": 0, "classical": 0}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_the_rbf_machine_are_those_of_scikit_learn(n_classes):
    module, train, val = built(RBFSVMHead(2.0), n_classes)
    known = SVC(C=2.0, break_ties=n_classes > 2).fit(*(each.numpy() for each in train))
    decisions = known.decision_function(val[0].numpy())
    expected = np.stack((-decisions, decisions), 1) / 2.0 if n_classes == 2 else decisions
    np.testing.assert_allclose(module(val[0]) * module.temperature, expected, atol=1e-6)
    assert module.size() == (known.n_support_.sum(), "support vectors")


@pytest.mark.parametrize("head", [LogisticRegressionHead, RBFSVMHead, lambda C: KernelHead(C=C)])
def test_the_strength_that_serves_best_on_validation_rows_is_chosen(head):
    strengths = (1e-4, 1e-2, 1.0, 100.0)
    singles = [built(head(strength), 3) for strength in strengths]
    accuracies = [float((module(val[0]).argmax(1) == val[1]).double().mean()) for module, _, val in singles]
    module, _, val = built(head(strengths), 3)
    best = int(np.argmax(accuracies))
    assert float(module.strength) == strengths[best]
    torch.testing.assert_close(module(val[0]), singles[best][0](val[0]))


@pytest.mark.parametrize("head", [LogisticRegressionHead(), RBFSVMHead(), KernelHead()])
def test_what_was_solved_is_in_the_state_dict(head):
    module, _, val = built(head, 3)
    twin = head.build(4, 3)
    with pytest.raises(ConfigError, match="was not fitted yet"):
        twin(val[0])
    twin.load_state_dict(module.state_dict())
    assert torch.equal(twin(val[0]), module(val[0]))


@pytest.mark.parametrize("strength", [0.0, -1.0, float("inf"), ()])
@pytest.mark.parametrize("head", [LogisticRegressionHead, RBFSVMHead, lambda C: KernelHead(C=C)])
def test_strengths_that_cannot_be(head, strength):
    with pytest.raises(ConfigError, match="C must be a number above 0"):
        head(strength)


def test_a_class_without_rows_is_told():
    train, val = halves(2)
    with pytest.raises(DataError, match="no training row of class number 2"):
        RBFSVMHead().build(4, 3).solve(train, val)
