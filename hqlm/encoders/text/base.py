"""Base class of text encoders: from a text to an embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hqlm.contracts import Contracted, returns
from hqlm.errors import EncoderError
from hqlm.registry import Component

Stage = Literal["frozen", "contrastive", "end_to_end"]


class TextModule(nn.Module, Contracted, ABC):
    """A built text encoder: texts -> `(batch, dim)`, float32."""

    @property
    @abstractmethod
    @returns("a whole number of 1 or more", lambda number, self: isinstance(number, int) and number >= 1)
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    @abstractmethod
    @returns("a hash, as text that can name a file", lambda key, self: isinstance(key, str) and key.isalnum())
    def content_key(self) -> str:
        """Hash of everything that an embedding depends on besides the text: weights, pooling, prompt."""

    @returns(
        "a list with a number for each text",
        lambda found, self, texts: isinstance(found, list) and list(map(type, found)) == [int] * len(texts),
    )
    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the length of each text in tokens or another unit of cost, by which texts are sorted into batches."""
        return [len(text) for text in texts]

    @property
    @returns("a whole number or None", lambda limit, self: limit is None or isinstance(limit, int))
    def limit(self) -> int | None:
        """Longest text, in the unit of `lengths`, that is not truncated; None if there is no limit."""
        return None

    @abstractmethod
    @returns("a tensor (len(texts), dim) of float32", lambda found, self, texts: _is_table(found, len(texts), self.dim))
    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(batch, dim)` of texts."""


class TrainedBody(nn.Module, Contracted, ABC):
    """A text encoder with gradients: texts -> `(batch, dim)`, float32.

    Parameters that receive no gradient, or that are frozen, have `requires_grad` False.

    Attributes:
        lr: learning rate of its parameters.
    """

    lr: float

    @property
    @abstractmethod
    @returns("a whole number of 1 or more", lambda number, self: isinstance(number, int) and number >= 1)
    def dim(self) -> int:
        """Length of an embedding."""

    @abstractmethod
    @returns("a tensor (len(texts), dim) of float32", lambda found, self, texts: _is_table(found, len(texts), self.dim))
    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(batch, dim)` of texts."""

    @abstractmethod
    @returns("nothing")
    def save(self, folder: Path) -> None:
        """Write the text encoder with its current weights atomically, replacing the content of the folder."""

    def counts(self) -> dict[str, int]:
        """Count the trainable parameters: of the text encoder itself, and of low-rank updates to it."""
        sizes = {name: value.numel() for name, value in self.named_parameters() if value.requires_grad}
        lora = sum(size for name, size in sizes.items() if ".lora_" in name)
        return {"body": sum(sizes.values()) - lora, "lora": lora}


@dataclass(frozen=True)
class TextEncoder(Component):
    """A recipe for a text encoder.

    An encoder with weights may offer stages that train them: `contrastive` needs `tuned` and `at`, `end_to_end` needs
    `trainable`. Without a field `stage` it is frozen.
    """

    @property
    @returns(
        "one of frozen, contrastive and end_to_end",
        lambda stage, self: isinstance(stage, str) and stage in get_args(Stage),
    )
    def stage(self) -> Stage:
        """Training stage of the weights: frozen, contrastive or end_to_end."""
        return "frozen"

    @property
    def is_local(self) -> bool:
        """Whether its weights are in a folder that other machines do not have."""
        return False

    @returns("a TextEncoder", lambda found, *_: isinstance(found, TextEncoder))
    def tuned(self, texts: Sequence[str], labels: Sequence[int], device: torch.device) -> TextEncoder:
        """Return the frozen encoder after training on labelled texts, a pure function of encoder and texts.

        Raises:
            EncoderError: when it has no weights to train.
        """
        raise EncoderError(f"{type(self).__name__} has no weights to train")

    @returns("a TextEncoder", lambda found, *_: isinstance(found, TextEncoder))
    def at(self, folder: Path) -> TextEncoder:
        """Return the frozen encoder with tuned weights from a folder."""
        raise EncoderError(f"{type(self).__name__} has no weights to train")

    @returns("a TrainedBody", lambda found, *_: isinstance(found, TrainedBody))
    def trainable(self) -> TrainedBody:
        """Return a trainable body with its own copy of the weights.

        Raises:
            EncoderError: when it has no weights to train.
        """
        raise EncoderError(f"{type(self).__name__} has no weights to train")

    def save(self, folder: Path) -> None:
        """Write the weights of a tuned encoder atomically, so that `at` finds them."""
        raise EncoderError(f"{type(self).__name__} has no weights to train")

    @abstractmethod
    @returns("a TextModule", lambda module, self: isinstance(module, TextModule))
    def build(self) -> TextModule:
        """Return the module; weights are loaded when the first text is encoded.

        Raises:
            EncoderError: when the weights cannot be reached, with what to install.
        """


def _is_table(found: Any, rows: int, dim: int) -> bool:
    """Return whether a value is a tensor of embeddings."""
    return isinstance(found, Tensor) and tuple(found.shape) == (rows, dim) and found.dtype == torch.float32
