"""Classical heads on the same embeddings: the rivals of every quantum one."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from hqlm.encoders import SentenceTransformerEncoder, TextEncoder
from hqlm.errors import ConfigError
from hqlm.memory import check_parameters
from hqlm.models.schedules import Schedule
from hqlm.models.text_classifier import TextClassifier


class ClassicalClassifier(TextClassifier):
    """A linear layer or a multilayer perceptron on the embedding, of low rank if wanted.

    Args:
        text_encoder: from a text to an embedding; frozen or trained.
        hidden: widths of hidden layers, each followed by ReLU; none for a linear head.
        rank: width of a linear bottleneck before them, without ReLU and offsets; none by default.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule, per step.
        class_names: names of the classes; written by the first fit.
        embedding_dim: values of an embedding; written by the first fit.
        init_from: run or checkpoint whose trained head a fit starts from, in place of random weights.
    """

    def __init__(
        self,
        text_encoder: TextEncoder = SentenceTransformerEncoder(),
        hidden: Sequence[int] = (),
        rank: int | None = None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule | LRSchedulerCallable = "one_cycle",
        class_names: Sequence[str] | None = None,
        embedding_dim: int | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__(text_encoder, optimizer, schedule, class_names, embedding_dim)
        self.save_hyperparameters()
        self.init_from = init_from
        if any(width < 1 for width in hidden):
            raise ConfigError(f"model.hidden: widths must be 1 or more, given {list(hidden)}")
        if rank is not None and rank < 1:
            raise ConfigError(f"model.rank must be 1 or more, or null for no bottleneck, given {rank}")
        self.hidden = tuple(hidden)
        self.rank = rank

    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        """Build the layers.

        Raises:
            ConfigError: for more parameters than the memory holds.
        """
        widths = [embedding_dim, *([] if self.rank is None else [self.rank]), *self.hidden, n_classes]
        check_parameters(sum(map(mul, widths, widths[1:])), "Lower model.hidden or model.rank", len(widths))
        layers: list[nn.Module] = []
        width = embedding_dim
        if self.rank is not None:
            layers.append(nn.Linear(width, self.rank, bias=False))
            width = self.rank
        for hidden in self.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.head = nn.Sequential(*layers, nn.Linear(width, n_classes))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, n_classes)` of embeddings `(batch, embedding_dim)`."""
        logits: Tensor = self.head(embeddings)
        return logits
