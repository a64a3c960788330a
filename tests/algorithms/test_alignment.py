"""Kernel-target alignment against PennyLane, and that training raises it."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from hqlm.algorithms import QuantumKernel, UploadMap, ZZFeatureMap, align, alignment
from hqlm.backends import PennyLaneBackend
from hqlm.errors import ConfigError, DataError, TrainingError, UnsupportedExecution
from hqlm.execution import Execution

X = np.random.default_rng(0).uniform(-1.5, 1.5, size=(24, 2))
LABELS = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")


def value(kernel, labels=LABELS):
    return float(alignment(torch.from_numpy(kernel(X)), labels))


def test_two_classes_as_in_pennylane():
    kernel = QuantumKernel(UploadMap())
    signs = np.where(LABELS == "same", 1, -1)
    expected = qml.kernels.target_alignment(
        X, signs, lambda x, y: kernel([x], [y])[0, 0], rescale_class_labels=False, assume_normalized_kernel=True
    )
    assert value(kernel) == pytest.approx(float(expected), abs=1e-10)


def test_a_kernel_that_is_its_target_has_alignment_one():
    labels = [0, 1, 2, 0]
    same = torch.tensor([[float(a == b) for a in labels] for b in labels])
    assert float(alignment(1.5 * same - 0.5, labels)) == pytest.approx(1.0)


def test_a_batch_may_lack_classes():
    gram = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    assert float(alignment(gram, [1, 1], 2)) == pytest.approx(3.0 / math.sqrt(2.5 * 4.0))
    assert float(alignment(gram, [0, 1], 3)) == pytest.approx(1.5 / math.sqrt(2.5 * 2.5))


@pytest.mark.parametrize("kind", ["fidelity", "projected"])
def test_training_raises_it(kind):
    kernel = QuantumKernel(UploadMap(), kind=kind, seed=2)
    trained = align(kernel, X, LABELS, steps=15, lr=0.1)
    assert value(kernel) < 0.1
    assert value(trained) > 0.2
    assert trained == align(kernel, X, LABELS, steps=15, lr=0.1)


def test_batches_are_of_different_rows(monkeypatch):
    represent, seen = QuantumKernel.represent, []
    monkeypatch.setattr(QuantumKernel, "represent", lambda *args: seen.append(args[1]) or represent(*args))
    align(QuantumKernel(UploadMap()), X, LABELS, steps=6, batch_size=20)
    assert [len(set(map(tuple, rows.tolist()))) for rows in seen] == [20] * 6
    assert not torch.equal(seen[0], seen[1])


def test_a_projected_kernel_is_trained_on_any_backend():
    kernel = QuantumKernel(UploadMap(), kind="projected")
    other = QuantumKernel(UploadMap(), kind="projected", backend=PennyLaneBackend())
    expected = align(kernel, X, LABELS, steps=2).weights
    np.testing.assert_allclose(align(other, X, LABELS, steps=2).weights, expected, atol=1e-6)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ConfigError, match="no weights to train"):
        align(QuantumKernel(ZZFeatureMap()), X, LABELS)
    with pytest.raises(DataError, match="two classes or more, given 1"):
        align(QuantumKernel(UploadMap()), X, ["a"] * len(X), steps=1)
    with pytest.raises(DataError, match="must be 2 or more"):
        align(QuantumKernel(UploadMap()), X, LABELS, batch_size=1)
    for measured in (Execution(shots=10), Execution(gradient="parameter_shift")):
        with pytest.raises(UnsupportedExecution, match="exact gradient of its states"):
            align(QuantumKernel(UploadMap(), execution=measured), X, LABELS)
    with pytest.raises(TrainingError, match="not finite after step 1"):
        align(QuantumKernel(UploadMap()), X, LABELS, lr=float("inf"))
    with pytest.raises(DataError, match=f"given 2 labels and {len(X)} vectors"):
        align(QuantumKernel(UploadMap()), X, ["a", "b"])
    with pytest.raises(DataError, match="finite values"):
        align(QuantumKernel(UploadMap()), np.full_like(X, np.nan), LABELS)
