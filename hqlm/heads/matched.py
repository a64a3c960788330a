"""A classical head whose number of trainable parameters is closest to a target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hqlm.errors import ConfigError
from hqlm.heads.base import Head, HeadModule
from hqlm.heads.linear import Layers, count_parameters

Shape = tuple[int | None, tuple[int, ...]]  # width of the bottleneck, widths of hidden layers


@dataclass(frozen=True)
class MatchedHead(Head):
    """A classical head of about the same size as another, with or without bottleneck and hidden layer.

    Args:
        n_parameters: number of trainable parameters to match, such as that of a quantum head.

    Raises:
        ConfigError: for a number below 1.
    """

    n_parameters: int = 1000

    def __post_init__(self) -> None:
        if self.n_parameters < 1:
            raise ConfigError(f"head.n_parameters must be 1 or more, given {self.n_parameters}")

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return the layers of the closest shape."""
        rank, hidden = self.shape(dim, n_outputs)
        return Layers(dim, rank, hidden, n_outputs)

    def shape(self, dim: int, n_outputs: int) -> Shape:
        """Return the widths of the bottleneck and the hidden layers that come closest.

        The search covers heads with at most one hidden layer behind a bottleneck of any rank below `dim`, or none. Ties
        go to the head without a bottleneck, then to the higher rank, then to the narrower hidden layer.
        """

        def order(shape: Shape) -> tuple[int, int, tuple[int, ...]]:
            rank, hidden = shape
            distance = abs(count_parameters(dim, rank, hidden, n_outputs) - self.n_parameters)
            return distance, -dim if rank is None else -rank, hidden

        return min(_near(self.n_parameters, dim, n_outputs), key=order)


def _near(count: int, dim: int, n_outputs: int) -> Iterator[Shape]:
    """For each rank, yield the head without a hidden layer and the two widths that bracket the target."""
    for rank in (None, *range(1, dim)):
        empty = count_parameters(dim, rank, (0,), n_outputs)
        a_unit = count_parameters(dim, rank, (1,), n_outputs) - empty
        below = max(1, (count - empty) // a_unit)
        yield rank, ()
        yield from ((rank, (width,)) for width in (below, below + 1))
