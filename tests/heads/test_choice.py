"""Baselines that are solved in one step agree with scikit-learn, and are chosen on validation rows."""

import numpy as np
import pytest
import torch

from hqlm.heads import KernelHead, LogisticRegressionHead, RBFSVMHead

STRENGTHS = (0.1, 1.0, 10.0, 100.0)


def blobs(n_classes, seed, rows=120, dim=5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(n_classes, dim))
    labels = np.arange(rows) % n_classes
    embeddings = (centres[labels] + generator.normal(size=(rows, dim))).astype(np.float32)
    return torch.from_numpy(embeddings), torch.from_numpy(labels)


def solved(head, train, val, n_classes):
    module = head.build(train[0].shape[1], n_classes)
    module.solve(train, val)
    return module


def reference(head, strength, train):
    """The same baseline, by scikit-learn alone."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    kind = (
        LogisticRegression(C=strength, max_iter=5_000)
        if head is LogisticRegressionHead
        else SVC(C=strength, break_ties=True)
    )
    return kind.fit(*(each.numpy() for each in train))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("head", [LogisticRegressionHead, RBFSVMHead])
def test_the_strength_that_serves_validation_rows_best_is_taken(head, n_classes):
    train, val, test = (blobs(n_classes, seed) for seed in range(3))
    models = {strength: reference(head, strength, train) for strength in STRENGTHS}
    accuracies = {
        strength: (model.predict(val[0].numpy()) == val[1].numpy()).mean() for strength, model in models.items()
    }
    module = solved(head(STRENGTHS), train, val, n_classes)
    assert float((module(val[0]).argmax(1) == val[1]).double().mean()) == pytest.approx(max(accuracies.values()))
    best = min(strength for strength, accuracy in accuracies.items() if accuracy == max(accuracies.values()))
    assert float(module.strength) == best
    predicted = module(test[0]).argmax(1).numpy()
    assert (predicted == models[best].predict(test[0].numpy())).mean() > 0.99
    size = len(models[best].support_) if head is RBFSVMHead else {2: 6, 3: 18}[n_classes]
    assert module.size()[0] == size


@pytest.mark.parametrize("head", [RBFSVMHead(STRENGTHS), KernelHead(C=STRENGTHS)])
def test_the_temperature_makes_validation_labels_most_probable(head):
    train, val = blobs(3, 0), blobs(3, 1)
    outputs = solved(head, train, val, 3)(val[0]).double()
    losses = [float(torch.nn.functional.cross_entropy(outputs * factor, val[1])) for factor in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)
