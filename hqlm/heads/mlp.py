"""A multilayer perceptron as a head."""

from __future__ import annotations

from dataclasses import dataclass

from hqlm.errors import ConfigError
from hqlm.heads.base import Head, HeadModule
from hqlm.heads.linear import Layers, check_rank


@dataclass(frozen=True)
class MLPHead(Head):
    """Hidden layers with ReLU, then a linear layer, with an optional bottleneck.

    Args:
        hidden: widths of the hidden layers.
        rank: width of a linear bottleneck before them, without ReLU and bias; none by default.

    Raises:
        ConfigError: for a width below 1.
    """

    hidden: tuple[int, ...] = (96,)
    rank: int | None = None

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ConfigError(f"head.hidden: widths must be 1 or more, given {list(self.hidden)}")
        check_rank(self.rank)

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return the layers.

        Raises:
            ConfigError: if the parameters do not fit in memory.
        """
        return Layers(dim, self.rank, self.hidden, n_outputs)
