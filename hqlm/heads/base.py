"""Base class of heads: from an embedding to the outputs that a task interprets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from hqlm.circuits import Circuit
from hqlm.contracts import Contracted, returns
from hqlm.layer import circuit_weights, circuits
from hqlm.registry import Component

Criterion = Callable[[Tensor, Tensor], Tensor]  # (outputs (batch, n_outputs), targets) -> loss
Rows = tuple[Tensor, Tensor]  # embeddings (rows, dim) and their targets


class HeadModule(nn.Module, Contracted, ABC):
    """A built head: `(batch, dim) -> (batch, n_outputs)`.

    Attributes:
        is_trained: whether optimiser steps train it; if not, training ends after one epoch.
        solves: whether `solve` sets it, before every validation and after every epoch.
        smallest_batch: smallest number of rows in a training step.
    """

    is_trained: bool = True
    solves: bool = False
    smallest_batch: int = 1

    @returns("nothing")
    def fit(self, embeddings: Tensor, targets: Tensor) -> None:
        """Set the values that are estimated, not trained, from all training rows, before the first step.

        Args:
            embeddings: `(rows, dim)`.
            targets: targets of the rows in the task's format.
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
        """Return outputs `(batch, n_outputs)` of embeddings `(batch, dim)`."""

    def loss(self, embeddings: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the loss of a training step: by default the task's loss of the outputs.

        Args:
            embeddings: `(batch, dim)`.
            targets: targets of the batch in the task's format.
            criterion: loss of the task.
        """
        return criterion(self(embeddings), targets)

    def solve(self, train: Rows, val: Rows) -> None:
        """Set the values that are solved in one step rather than trained.

        Args:
            train: all training rows.
            val: the validation rows, for choices and calibration.
        """

    def circuits(self) -> dict[str, Circuit]:
        """Return the circuits that it runs, equal ones once, by the names of its modules."""
        return circuits(self)

    def circuit_weights(self) -> list[nn.Parameter]:
        """Return the trainable parameters that are circuit angles."""
        return circuit_weights(self)

    def parameter_counts(self) -> dict[str, int]:
        """Count the trainable parameters: `quantum`, of circuits, and `classical`, all others."""
        quantum = sum(weight.numel() for weight in self.circuit_weights())
        total = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return {"quantum": quantum, "classical": total - quantum}

    def size(self) -> tuple[int, str]:
        """Return its size and the unit of it: by default the number of trainable parameters."""
        return sum(self.parameter_counts().values()), "trainable"


@dataclass(frozen=True)
class Head(Component):
    """A recipe for a head."""

    @abstractmethod
    @returns("a HeadModule", lambda module, *_: isinstance(module, HeadModule))
    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return the module for embeddings of `dim` values.

        Args:
            dim: length of an embedding.
            n_outputs: number of outputs per row, such as one per class.
        """

    @property
    def resolved(self) -> Head:
        """This head without the modules that its option `ablate` names; itself if it has no such option."""
        return self
