"""The linear head: the first baseline of all others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from hqlm.errors import ConfigError
from hqlm.heads.base import Head, HeadModule
from hqlm.memory import check_parameters


@dataclass(frozen=True)
class LinearHead(Head):
    """A linear layer on the embedding, with an optional bottleneck.

    Args:
        rank: width of a linear bottleneck without bias before it; none by default.

    Raises:
        ConfigError: for a rank below 1.
    """

    rank: int | None = None

    def __post_init__(self) -> None:
        check_rank(self.rank)

    def build(self, dim: int, n_outputs: int) -> HeadModule:
        """Return one layer, or two with a bottleneck.

        Raises:
            ConfigError: if the parameters do not fit in memory.
        """
        return Layers(dim, self.rank, (), n_outputs)


class Layers(HeadModule):
    """`linear(relu(... linear(bottleneck(x))))`.

    Args:
        dim: length of an embedding.
        rank: width of the bottleneck, without ReLU and bias; None for none.
        hidden: widths of hidden layers, each followed by ReLU.
        n_outputs: number of outputs per row.

    Raises:
        ConfigError: if the parameters do not fit in memory.
    """

    def __init__(self, dim: int, rank: int | None, hidden: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        n_parameters = count_parameters(dim, rank, hidden, n_outputs)
        check_parameters(n_parameters, "Lower head.hidden or head.rank", len(hidden) + 2)
        layers: list[nn.Module] = []
        width = dim
        if rank is not None:
            layers.append(nn.Linear(width, rank, bias=False))
            width = rank
        for above in hidden:
            layers += [nn.Linear(width, above), nn.ReLU()]
            width = above
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_outputs))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return outputs `(batch, n_outputs)` of embeddings `(batch, dim)`."""
        outputs: Tensor = self.layers(embeddings)
        return outputs


def count_parameters(dim: int, rank: int | None, hidden: tuple[int, ...], n_outputs: int) -> int:
    """Return the number of parameters of `Layers`; only the bottleneck has no bias."""
    count, width = (0, dim) if rank is None else (dim * rank, rank)
    for above in (*hidden, n_outputs):
        count += (width + 1) * above
        width = above
    return count


def check_rank(rank: int | None) -> None:
    """Reject an invalid bottleneck width.

    Raises:
        ConfigError: if it is below 1.
    """
    if rank is not None and rank < 1:
        raise ConfigError(f"head.rank must be 1 or more, or null for no bottleneck, given {rank}")
