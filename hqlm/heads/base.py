"""The slot of heads: from an embedding to the outputs that a task makes sense of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from hqlm.circuits import Circuit
from hqlm.contracts import Contracted, returns
from hqlm.layer import circuit_weights, circuits
from hqlm.registry import Component

Criterion = Callable[[Tensor, Tensor], Tensor]  # loss of outputs (batch, n_outputs) and their targets
Rows = tuple[Tensor, Tensor]  # embeddings (rows, dim) and their targets


class HeadModule(nn.Module, Contracted, ABC):
    """A built head: `(batch, dim) -> (batch, n_outputs)`.

    Attributes:
        is_trained: whether steps of an optimiser train it; the training of a head that is not ends after one epoch.
        solves: whether `solve` sets it, before every validation and after every epoch.
        smallest_batch: rows that a training step needs.
    """

    is_trained: bool = True
    solves: bool = False
    smallest_batch: int = 1

    @returns("nothing")
    def fit(self, embeddings: Tensor, targets: Tensor) -> None:
        """Set what is estimated, not trained, from all training rows, before the first step.

        Args:
            embeddings: `(rows, dim)`.
            targets: of the rows, as the task has them.
        """

    @abstractmethod
    @returns(
        "a tensor (batch, n_outputs) of floating-point numbers",
        lambda outputs, self, embeddings: (
            isinstance(outputs, Tensor)
            and outputs.is_floating_point()
            and outputs.ndim == 2
            and len(outputs) == len(embeddings)
        ),
    )
    def forward(self, embeddings: Tensor) -> Tensor:
        """Outputs `(batch, n_outputs)` of embeddings `(batch, dim)`."""

    def loss(self, embeddings: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return what a training step minimises: by default the task's loss of the outputs.

        Args:
            embeddings: `(batch, dim)`.
            targets: of the batch, as the task has them.
            criterion: the loss of the task.
        """
        return criterion(self(embeddings), targets)

    def solve(self, train: Rows, val: Rows) -> None:
        """Set what is solved in one step rather than trained.

        Args:
            train: all training rows.
            val: the validation rows, for choices and calibration.
        """

    def circuits(self) -> dict[str, Circuit]:
        """The circuits that it runs, equal ones once, by the names of its modules."""
        return circuits(self)

    def circuit_weights(self) -> list[nn.Parameter]:
        """The trainable parameters that are angles of circuits."""
        return circuit_weights(self)

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters: `quantum`, of circuits, and `classical`, all others."""
        quantum = sum(weight.numel() for weight in self.circuit_weights())
        total = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return {"quantum": quantum, "classical": total - quantum}

    def size(self) -> tuple[int, str]:
        """How large it is, and in units of what: by default the number of trainable parameters."""
        return sum(self.parameter_counts().values()), "trainable"


@dataclass(frozen=True)
class Head(Component):
    """A recipe for a head."""

    @abstractmethod
    @returns("a HeadModule", lambda module, *_: isinstance(module, HeadModule))
    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """The module for embeddings of `dim` values.

        Args:
            dim: values of an embedding.
            n_outputs: outputs of a row, such as one a class.
        """

    @property
    def resolved(self) -> Head:
        """This head without the modules that its own option `ablate` names; itself where it has none."""
        return self
