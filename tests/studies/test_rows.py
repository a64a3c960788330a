"""Rows of a split are hashed so that any change shows."""

import numpy as np

from hqlm.studies.comparison.rows import Rows


def blobs(seed):
    generator = np.random.default_rng(seed)
    labels = np.arange(20) % 2
    return Rows(tuple(map(str, range(20))), labels, generator.normal(size=(20, 3)).astype(np.float32))


def test_rows_are_told_apart_by_anything():
    rows = blobs(0)
    changed = [
        Rows(("x", *rows.texts[1:]), rows.labels, rows.embeddings),
        Rows((rows.texts[0] + rows.texts[1], *rows.texts[2:]), rows.labels, rows.embeddings),
        Rows(rows.texts, 1 - rows.labels, rows.embeddings),
        Rows(rows.texts, rows.labels, rows.embeddings[::-1]),
        Rows(rows.texts[::-1], rows.labels, rows.embeddings),
    ]
    assert len({tuple(each.hashes("train").values()) for each in [rows, *changed]}) == 6
    assert rows.hashes("train") == blobs(0).hashes("train")
