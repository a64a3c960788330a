"""The slot of text encoders: from a text to an embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from hqlm.registry import Component


class TextModule(nn.Module, ABC):
    """A built text encoder: texts -> `(batch, dim)`, float32."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Values of an embedding."""

    @property
    @abstractmethod
    def content_key(self) -> str:
        """A hash of all that an embedding depends on beside the text: weights, pooling, prompt."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """What the cost of each text grows with; texts are encoded in this order so that batches are of one length."""
        return [len(text) for text in texts]

    @property
    def limit(self) -> int | None:
        """Longest of `lengths` that is read whole; of a longer text the rest is cut off. None: there is no limit."""
        return None

    @abstractmethod
    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embeddings `(batch, dim)` of texts."""


@dataclass(frozen=True)
class TextEncoder(Component):
    """A recipe for a text encoder."""

    @abstractmethod
    def build(self) -> TextModule:
        """The module; what is expensive, such as weights, is loaded when the first text is encoded.

        Raises:
            EncoderError: when the weights cannot be reached, with what to install.
        """
