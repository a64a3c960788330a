"""The classical head whose number of trainable parameters is nearest to a given one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hqlm.errors import ConfigError
from hqlm.heads.base import Head, HeadModule
from hqlm.heads.linear import Layers, count_parameters

Shape = tuple[int | None, tuple[int, ...]]  # width of the bottleneck, widths of hidden layers


@dataclass(frozen=True)
class MatchedHead(Head):
    """A classical head of about as many parameters as another one: with a bottleneck, a hidden layer, both or neither.

    Args:
        n_parameters: trainable parameters to match, such as those of a quantum head.

    Raises:
        ConfigError: for a number below 1.
    """

    n_parameters: int = 1000

    def __post_init__(self) -> None:
        if self.n_parameters < 1:
            raise ConfigError(f"head.n_parameters must be 1 or more, given {self.n_parameters}")

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """The layers of the nearest shape."""
        rank, hidden = self.shape(dim, n_outputs)
        return Layers(dim, rank, hidden, n_outputs)

    def shape(self, dim: int, n_outputs: int) -> Shape:
        """Return the width of the bottleneck and those of the hidden layers that come nearest.

        Searched are heads with at most one hidden layer behind a bottleneck of any rank below `dim`, or none. Of two
        that are as near the one without a bottleneck is taken, then the one of higher rank, then the narrower one.
        """

        def order(shape: Shape) -> tuple[int, int, tuple[int, ...]]:
            rank, hidden = shape
            distance = abs(count_parameters(dim, rank, hidden, n_outputs) - self.n_parameters)
            return distance, -dim if rank is None else -rank, hidden

        return min(_near(self.n_parameters, dim, n_outputs), key=order)


def _near(count: int, dim: int, n_outputs: int) -> Iterator[Shape]:
    """Yield for each rank the head without hidden layer, and the two hidden widths around the wanted count."""
    for rank in (None, *range(1, dim)):
        empty = count_parameters(dim, rank, (0,), n_outputs)
        a_unit = count_parameters(dim, rank, (1,), n_outputs) - empty
        below = max(1, (count - empty) // a_unit)
        yield rank, ()
        yield from ((rank, (width,)) for width in (below, below + 1))
