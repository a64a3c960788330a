"""Base class of optimisers that need the circuit whose weights they optimise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from hqlm.circuits import Circuit
from hqlm.errors import ConfigError


class CircuitOptimizer(Optimizer, ABC):
    """Optimises the weights of one circuit, which `attach` sets before the first step.

    Args:
        params: weights, one tensor `(n_weights,)`.
        defaults: settings of its parameter group.

    Raises:
        ConfigError: for more than one tensor.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != 1:
            raise ConfigError(
                f"{type(self).__name__} optimises the weights of only one circuit. Use an optimiser of torch"
            )

    @abstractmethod
    def attach(self, circuit: Circuit) -> None:
        """Set the circuit.

        Raises:
            ConfigError: for a circuit that it cannot optimise.
        """

    @property
    def weights(self) -> Tensor:
        """The weights that it optimises."""
        weights: Tensor = self.param_groups[0]["params"][0]
        return weights
