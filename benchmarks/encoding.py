"""Encoding sentences from nothing: hqlm with an empty cache beside the bare `SentenceTransformer.encode`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import Tensor

from hqlm.data import ReviewsData
from hqlm.encoders import EmbeddingCache, SentenceTransformerEncoder
from hqlm.encoders.text.precision import Precision
from hqlm.errors import EncoderError

NAME: Final = "encoding"
TITLE: Final = "Encoding of sentences by all-MiniLM-L6-v2, nothing in the cache"
_ROWS: Final = 512
_BARE: Final = "SentenceTransformer.encode"


@dataclass(frozen=True)
class Encoding:
    """One way to encode sentences.

    Args:
        encoder: what encodes.
        sentences_per_second: median; None where `note` says why not.
        ratio: how many times the sentences a second of the bare library that is; None likewise.
        difference: largest difference of an embedding's value from the bare library's; None likewise.
        note: why there are no figures.
    """

    encoder: str
    sentences_per_second: float | None = None
    ratio: float | None = None
    difference: float | None = None
    note: str = ""


def run(repeats: int, rows: int | None) -> list[Encoding]:
    """Time each in turn, as often as `repeats` says, on as many of the built-in reviews; the bare library first.

    Raises:
        EncoderError: when the weights cannot be reached.
    """
    data = ReviewsData(limit_train=rows or _ROWS)
    data.setup("fit")
    texts = data.texts("train")
    ways, refused = {_BARE: _bare(), "hqlm, float32": _ours("float32")}, []
    try:
        ways["hqlm, bfloat16"] = _ours("bfloat16")
    except EncoderError as err:  # a processor without its instructions
        refused.append(Encoding("hqlm, bfloat16", note=str(err)))
    found = {name: encode(texts) for name, encode in ways.items()}  # warms up, too
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, encode in ways.items():
            start = time.perf_counter()
            encode(texts)
            spent[name].append(time.perf_counter() - start)
    middle = {name: median(seconds) for name, seconds in spent.items()}
    bare, expected = middle[_BARE], found[_BARE]
    timed = [
        Encoding(name, len(texts) / seconds, bare / seconds, float((found[name] - expected).abs().max()))
        for name, seconds in middle.items()
    ]
    return timed + refused


def table(encodings: list[Encoding]) -> str:
    """Markdown: sentences a second of each, as a ratio to the first, and how far its embeddings are from the first."""
    lines = [TITLE, "", "| encoder | sentences/s | ratio | largest difference |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *map(_row, encodings)])


def _row(each: Encoding) -> str:
    if each.sentences_per_second is None:
        return f"| {each.encoder} | {each.note} | | |"
    return f"| {each.encoder} | {each.sentences_per_second:.0f} | {each.ratio:.2f}x | {each.difference:.1g} |"


def _bare() -> Callable[[list[str]], Tensor]:
    from sentence_transformers import SentenceTransformer

    from hqlm.encoders.text.sentence_transformer import model_folder

    model = SentenceTransformer(str(model_folder(SentenceTransformerEncoder().model)))
    return lambda texts: torch.from_numpy(model.encode(texts, show_progress_bar=False))


def _ours(precision: Precision) -> Callable[[list[str]], Tensor]:
    module = SentenceTransformerEncoder(precision=precision).build()
    module(["."])  # loads the weights

    def encode(texts: list[str]) -> Tensor:
        with TemporaryDirectory() as folder:
            return EmbeddingCache(Path(folder)).embed(module, texts)

    return encode
