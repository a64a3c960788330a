"""The slot of tasks: what the outputs of a head mean."""

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
        score: metric that the best checkpoint is chosen by.
        score_title: what it is called in the summary of a run.
        score_mode: whether a good score is high or low.
        metric_titles: of each metric its name on the Hugging Face hub, and its title.
    """

    score: ClassVar[str]
    score_title: ClassVar[str]
    score_mode: ClassVar[Literal["max", "min"]] = "max"
    metric_titles: ClassVar[dict[str, tuple[str, str]]]

    @abstractmethod
    def n_outputs(self, class_names: Sequence[str]) -> int:
        """Outputs that a head must have for these classes."""

    @abstractmethod
    @returns("a scalar tensor", lambda loss, *_: isinstance(loss, Tensor) and loss.ndim == 0)
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of outputs `(batch, n_outputs)` and their targets, which training minimises."""

    @abstractmethod
    @returns("a dict of scalar tensors", lambda found, *_: isinstance(found, dict))
    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Metrics of all rows of a split by name, `score` and `loss` among them."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """What `trainer.predict` returns of a batch, by name: tensors with one row each."""

    @abstractmethod
    def describe(self, texts: Sequence[str], outputs: Tensor, class_names: Sequence[str]) -> list[Any]:
        """What the model says of each text, for Python."""

    @abstractmethod
    def header(self, class_names: Sequence[str]) -> list[str]:
        """Columns of a table of predictions."""

    @abstractmethod
    def table(
        self, texts: Sequence[str], targets: Tensor, outputs: Tensor, class_names: Sequence[str]
    ) -> list[list[str]]:
        """Rows of a table of predictions, under `header`."""
