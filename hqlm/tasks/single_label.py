"""Classification of texts that have one label each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from hqlm.tasks.base import Task


@dataclass(frozen=True)
class Prediction:
    """Prediction of a model for one text.

    Args:
        text: the text.
        label: name of the most probable class.
        probabilities: probability of each class by name.
    """

    text: str
    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class SingleLabel(Task):
    """One class out of several: outputs are logits, targets class indices, the loss is the cross-entropy."""

    score: ClassVar[str] = "acc"
    score_title: ClassVar[str] = "validation accuracy"
    metric_titles: ClassVar[dict[str, tuple[str, str]]] = {
        "acc": ("accuracy", "accuracy"),
        "f1": ("f1", "macro-F1"),
        "loss": ("loss", "cross-entropy"),
    }

    def n_outputs(self, class_names: Sequence[str]) -> int:
        """Return the number of classes."""
        return len(class_names)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, accuracy and macro-averaged F1."""
        n_classes = outputs.shape[1]
        return {
            "loss": nn.functional.cross_entropy(outputs, targets),
            "acc": multiclass_accuracy(outputs, targets, n_classes, average="micro"),
            "f1": multiclass_f1_score(outputs, targets, n_classes, average="macro"),
        }

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `probabilities` `(batch, n_classes)`."""
        return {"probabilities": outputs.softmax(1)}

    def describe(self, texts: Sequence[str], outputs: Tensor, class_names: Sequence[str]) -> list[Prediction]:
        """Return the most probable class of each text, and the probabilities of all."""
        rows = (dict(zip(class_names, row, strict=True)) for row in outputs.softmax(1).tolist())
        return [Prediction(text, max(row, key=row.__getitem__), row) for text, row in zip(texts, rows, strict=True)]

    def header(self, class_names: Sequence[str]) -> list[str]:
        """Return the columns: text, label, predicted class, and the probability of each class."""
        return ["text", "label", "predicted", *(f"p_{_flat(name)}" for name in class_names)]

    def table(
        self, texts: Sequence[str], targets: Tensor, outputs: Tensor, class_names: Sequence[str]
    ) -> list[list[str]]:
        """Yield text, label (empty if negative), most probable class and probabilities of each row."""
        names = [_flat(name) for name in class_names]
        rows = []
        for text, label, row in zip(texts, targets.tolist(), outputs.softmax(1).tolist(), strict=True):
            predicted = names[max(range(len(names)), key=row.__getitem__)]
            rows.append([_flat(text), "" if label < 0 else names[label], predicted, *(f"{value:.6f}" for value in row)])
        return rows


def _flat(text: str) -> str:
    return text.replace("\t", " ").replace("\n", " ").replace("\r", " ")
