"""Rivals of scikit-learn: what they count, and that probabilities agree with predictions."""

import numpy as np
import pytest

from hqlm.studies.comparison.rivals import CLASSIFIERS, fit_best
from hqlm.studies.comparison.rows import Rows


def blobs(n_classes, seed, rows=120, dim=5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(n_classes, dim))
    labels = np.arange(rows) % n_classes
    embeddings = (centres[labels] + generator.normal(size=(rows, dim))).astype(np.float32)
    return Rows(tuple(map(str, range(rows))), labels, embeddings)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_the_most_probable_class_is_the_prediction(name, n_classes):
    fitted = fit_best(name, blobs(n_classes, 0), blobs(n_classes, 1))
    test = blobs(n_classes, 2)
    table = fitted.classifier.probabilities(test.embeddings)
    assert table.shape == (120, n_classes)
    assert table.sum(1) == pytest.approx(1.0)
    assert (table.argmax(1) == fitted.classifier.model.predict(test.embeddings)).all()


def test_the_strength_that_serves_validation_rows_best_is_taken():
    train, val = blobs(2, 0), blobs(2, 1)
    accuracies = {}
    for strength in CLASSIFIERS["rbf_svc"].strengths:
        classifier = CLASSIFIERS["rbf_svc"](strength)
        classifier.fit(train)
        accuracies[strength] = (classifier.model.predict(val.embeddings) == val.labels).mean()
    fitted = fit_best("rbf_svc", train, val)
    assert fitted.val_acc == max(accuracies.values())
    assert fitted.classifier.strength == min(s for s, acc in accuracies.items() if acc == fitted.val_acc)


def test_the_temperature_makes_validation_labels_more_probable():
    train, val = blobs(3, 0), blobs(3, 1)
    classifier = CLASSIFIERS["rbf_svc"](1.0)
    classifier.fit(train)

    def surprise():
        return -np.log(classifier.probabilities(val.embeddings)[np.arange(120), val.labels]).mean()

    classifier.calibrate(val)
    best, temperature = surprise(), classifier.temperature
    for factor in (0.9, 1.1):
        classifier.temperature = temperature * factor
        assert surprise() > best


def test_parameters():
    for n_classes, weights in ((2, 6), (3, 18)):
        classifier = CLASSIFIERS["logistic_regression"](1.0)
        classifier.fit(blobs(n_classes, 0))
        assert classifier.parameters == weights
    svc = CLASSIFIERS["rbf_svc"](1.0)
    svc.fit(blobs(2, 0))
    assert svc.parameters == len(svc.model.support_)


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
