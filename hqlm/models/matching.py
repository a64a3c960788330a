"""The classical head whose number of trainable parameters is nearest to a given one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from hqlm.errors import ConfigError


@dataclass(frozen=True)
class HeadShape:
    """Sizes of a `ClassicalClassifier`.

    Args:
        rank: width of a linear bottleneck before the rest; None for none.
        hidden: widths of hidden layers with ReLU.
    """

    rank: int | None = None
    hidden: tuple[int, ...] = ()

    def parameters(self, embedding_dim: int, n_classes: int) -> int:
        """Trainable parameters on embeddings of `embedding_dim` values; the bottleneck alone has no offsets."""
        count, width = 0, embedding_dim
        if self.rank is not None:
            count, width = embedding_dim * self.rank, self.rank
        for below, above in itertools.pairwise((width, *self.hidden, n_classes)):
            count += (below + 1) * above
        return count


def match_parameters(count: int, embedding_dim: int, n_classes: int) -> HeadShape:
    """The head of `ClassicalClassifier` with the trainable parameters nearest to `count`.

    Searched are heads with at most one hidden layer behind a bottleneck of any rank below `embedding_dim`, or none.
    Of two that are as near the one without a bottleneck is taken, then the one of higher rank, then the narrower one.

    Args:
        count: trainable parameters to match, for example `sum(model.parameter_counts().values())` of a hybrid model.
        embedding_dim: values of an embedding.
        n_classes: number of classes.

    Raises:
        ConfigError: when a size is not positive.
    """
    if min(count, embedding_dim, n_classes) < 1:
        raise ConfigError(
            f"sizes must be 1 or more, given count={count}, embedding_dim={embedding_dim}, n_classes={n_classes}"
        )

    def order(shape: HeadShape) -> tuple[int, int, tuple[int, ...]]:
        rank = embedding_dim if shape.rank is None else shape.rank
        return abs(shape.parameters(embedding_dim, n_classes) - count), -rank, shape.hidden

    return min(_near(count, embedding_dim, n_classes), key=order)


def _near(count: int, embedding_dim: int, n_classes: int) -> Iterator[HeadShape]:
    """Of each rank the head without hidden layer, and the two hidden widths around the wanted count."""
    for rank in (None, *range(1, embedding_dim)):
        empty = HeadShape(rank, (0,)).parameters(embedding_dim, n_classes)
        a_unit = HeadShape(rank, (1,)).parameters(embedding_dim, n_classes) - empty
        below = max(1, (count - empty) // a_unit)
        yield HeadShape(rank)
        yield from (HeadShape(rank, (width,)) for width in (below, below + 1))
