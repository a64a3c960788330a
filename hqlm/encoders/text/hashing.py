"""Hashed bags of words and word pairs: no weights, no download, a lower bound for every language model."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hqlm.encoders.text.base import TextEncoder, TextModule
from hqlm.errors import ConfigError

_MOST_VALUES = 2**20  # largest dim; embeddings are dense: 4 MiB
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class HashingEncoder(TextEncoder):
    """Signed counts of hashed word n-grams, normalised to norm 1.

    Source: Weinberger et al. (2009), Feature hashing for large scale multitask learning, arXiv:0902.2206.

    Args:
        dim: length of an embedding.
        ngrams: longest sequence of words that is counted.
    """

    dim: int = 384
    ngrams: int = 2

    def __post_init__(self) -> None:
        if self.dim < 1 or self.ngrams < 1:
            raise ConfigError(f"HashingEncoder needs dim and ngrams of 1 or more, given {self.dim} and {self.ngrams}")
        if self.dim > _MOST_VALUES:
            raise ConfigError(f"HashingEncoder needs a dim of at most {_MOST_VALUES:,}, given {self.dim:,}. Lower it")

    def build(self) -> TextModule:
        """Return the module; it has no parameters."""
        return _Hashing(self)


class _Hashing(TextModule):
    def __init__(self, recipe: HashingEncoder) -> None:
        super().__init__()
        self.recipe = recipe

    @property
    def dim(self) -> int:
        return self.recipe.dim

    @property
    def content_key(self) -> str:
        return hashlib.sha256(f"hashing, version 1, {self.recipe}".encode()).hexdigest()

    def forward(self, texts: Sequence[str]) -> Tensor:
        counts = torch.zeros(len(texts), self.dim)
        for row, text in enumerate(texts):
            for term in self._terms(text):
                code = zlib.crc32(term.encode())
                counts[row, (code >> 1) % self.dim] += 1.0 - 2.0 * (code & 1)
        return torch.nn.functional.normalize(counts)

    def _terms(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower())
        return [
            " ".join(words[start : start + length])
            for length in range(1, min(self.recipe.ngrams, len(words)) + 1)
            for start in range(len(words) - length + 1)
        ]
