"""The built-in data set: synthetic reviews, so that a first run needs no download."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from hqlm.data.base import Split
from hqlm.data.table import Table
from hqlm.data.text import TextDataModule

_SPLITS: dict[Split, tuple[int, int]] = {
    "train": (0, 3000),
    "val": (3000, 3500),
    "test": (3500, 4000),
    "predict": (3500, 4000),
}


class ReviewsData(TextDataModule):
    """4,000 synthetic English reviews, positive or negative: 3,000 for training, 500 for validation, 500 for testing.

    A seeded grammar composes their sentiment from negation, contrast, concession and intensifiers; no two splits share
    a sentence. The reviews are made up: results on them say nothing about real reviews.

    Args:
        batch_size: rows per step.
        seed: seed of subsamples; the sentences are always the same, and the training order follows `seed_everything`.
        samples_per_class: train on this many rows per class; smaller samples are nested in larger ones.
        limit_train: train on at most this many rows, balanced over the classes.
        limit_val: validate on at most this many rows.
        limit_test: test and predict on at most this many rows.
        folds: cross-validate: split the training rows into this many folds, stratified and seeded, and test on one of
            them instead of the test rows.
        fold: index of the fold to test on, from 0.
    """

    def __init__(
        self,
        batch_size: int = 32,
        seed: int = 0,
        samples_per_class: int | None = None,
        limit_train: int | None = None,
        limit_val: int | None = None,
        limit_test: int | None = None,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        super().__init__(
            batch_size, seed, samples_per_class, limit_train, limit_val, limit_test, folds=folds, fold=fold
        )

    def read(self, split: Split) -> Table:
        """Return the sentences of a split."""
        first, last = _SPLITS[split]
        texts, labels = zip(*_reviews()[first:last], strict=True)
        return Table(texts, labels, "the built-in reviews")

    def data_files(self) -> tuple[Path, ...]:
        """Return the file of all reviews."""
        return (Path(str(files("hqlm.data").joinpath("reviews.tsv"))),)


@cache
def _reviews() -> list[list[str]]:
    """Read (text, label) of every review; tools/reviews generates the file."""
    lines = files("hqlm.data").joinpath("reviews.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]
