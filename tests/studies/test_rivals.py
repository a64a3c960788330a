"""Baselines that are solved in one step agree with scikit-learn, and are chosen on validation rows."""

import numpy as np
import pytest
import torch

from hqlm.studies.comparison.rivals import fit_best
from hqlm.studies.comparison.rows import Rows


def blobs(n_classes, seed, rows=120, dim=5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(n_classes, dim))
    labels = np.arange(rows) % n_classes
    embeddings = (centres[labels] + generator.normal(size=(rows, dim))).astype(np.float32)
    return Rows(tuple(map(str, range(rows))), labels, embeddings)


def reference(name, strength, train):
    """The same baseline, by scikit-learn alone."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    if name == "logistic_regression":
        return LogisticRegression(C=strength, max_iter=5_000).fit(train.embeddings, train.labels)
    return SVC(C=strength, break_ties=True).fit(train.embeddings, train.labels)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["logistic_regression", "rbf_svc"])
def test_the_strength_that_serves_validation_rows_best_is_taken(name, n_classes):
    train, val, test = (blobs(n_classes, seed) for seed in range(3))
    models = {strength: reference(name, strength, train) for strength in (0.1, 1.0, 10.0, 100.0)}
    accuracies = {strength: (model.predict(val.embeddings) == val.labels).mean() for strength, model in models.items()}
    fitted = fit_best(name, train, val)
    assert fitted.val_acc == pytest.approx(max(accuracies.values()))
    best = min(strength for strength, accuracy in accuracies.items() if accuracy == max(accuracies.values()))
    assert float(fitted.head.strength) == best
    predicted = fitted.head(torch.from_numpy(test.embeddings)).argmax(1).numpy()
    assert (predicted == models[best].predict(test.embeddings)).mean() > 0.99
    size = len(models[best].support_) if name == "rbf_svc" else {2: 6, 3: 18}[n_classes]
    assert fitted.head.size()[0] == size


@pytest.mark.parametrize("name", ["rbf_svc", "quantum_kernel"])
def test_the_temperature_makes_validation_labels_most_probable(name):
    train, val = blobs(3, 0), blobs(3, 1)
    outputs = fit_best(name, train, val).head(torch.from_numpy(val.embeddings)).double()
    labels = torch.from_numpy(val.labels)
    losses = [float(torch.nn.functional.cross_entropy(outputs * factor, labels)) for factor in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


def test_rows_are_told_apart_by_anything():
    rows = blobs(2, 0)
    changed = [
        Rows(("x", *rows.texts[1:]), rows.labels, rows.embeddings),
        Rows((rows.texts[0] + rows.texts[1], *rows.texts[2:]), rows.labels, rows.embeddings),
        Rows(rows.texts, 1 - rows.labels, rows.embeddings),
        Rows(rows.texts, rows.labels, rows.embeddings[::-1]),
        Rows(rows.texts[::-1], rows.labels, rows.embeddings),
    ]
    assert len({tuple(each.hashes("train").values()) for each in [rows, *changed]}) == 6
    assert rows.hashes("train") == blobs(2, 0).hashes("train")
