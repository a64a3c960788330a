"""Base class of tasks: the meaning of a head's outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from hqlm.contracts import returns
from hqlm.registry import Component


@dataclass(frozen=True)
class Task(Component):
    """Loss, metrics and predictions of the outputs `(rows, n_outputs)` of a head.

    Attributes:
        score: metric by which the best checkpoint is chosen.
        score_title: title of that metric in the summary of a run.
        score_mode: whether a good score is high or low.
        metric_titles: name on the Hugging Face hub and title of each metric.
    """

    score: ClassVar[str]
    score_title: ClassVar[str]
    score_mode: ClassVar[Literal["max", "min"]] = "max"
    metric_titles: ClassVar[dict[str, tuple[str, str]]]

    @abstractmethod
    def n_outputs(self, class_names: Sequence[str]) -> int:
        """Return the number of outputs that a head must have for these classes."""

    @abstractmethod
    @returns("a scalar tensor", lambda loss, *_: isinstance(loss, Tensor) and loss.ndim == 0)
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of outputs `(batch, n_outputs)` and their targets, which training minimises."""

    @abstractmethod
    @returns("a dict of scalar tensors", lambda found, *_: isinstance(found, dict))
    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the metrics of all rows of a split by name, including `score` and `loss`."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return the predictions of a batch for `trainer.predict`, by name: tensors with one row per text."""

    @abstractmethod
    def describe(self, texts: Sequence[str], outputs: Tensor, class_names: Sequence[str]) -> list[Any]:
        """Return the prediction for each text as a Python object."""

    @abstractmethod
    def header(self, class_names: Sequence[str]) -> list[str]:
        """Return the column names of a table of predictions."""

    @abstractmethod
    def table(
        self, texts: Sequence[str], targets: Tensor, outputs: Tensor, class_names: Sequence[str]
    ) -> list[list[str]]:
        """Yield the rows of a table of predictions, under `header`."""
