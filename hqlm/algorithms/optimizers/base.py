"""An optimiser that must know the circuit whose weights it moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from hqlm.circuits import Circuit
from hqlm.errors import ConfigError


class CircuitOptimizer(Optimizer, ABC):
    """Moves the weights of one circuit, which `attach` names before the first step.

    Args:
        params: the weights, one tensor `(n_weights,)`.
        defaults: settings of its parameter group.

    Raises:
        ConfigError: for more than one tensor.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != 1:
            raise ConfigError(f"{type(self).__name__} moves the weights of one circuit alone: use torch's")

    @abstractmethod
    def attach(self, circuit: Circuit) -> None:
        """Name the circuit.

        Raises:
            ConfigError: for one that it cannot optimise.
        """

    @property
    def weights(self) -> Tensor:
        """The weights that it moves."""
        weights: Tensor = self.param_groups[0]["params"][0]
        return weights
