"""The rows of a split as every model of a comparison sees them, with a hash to prove it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hqlm.data import HqlmDataModule, Split
from hqlm.errors import DataError
from hqlm.models import EmbeddingModel


@dataclass(frozen=True)
class Rows:
    """Embedded, labelled rows.

    Args:
        texts: one a row.
        labels: class numbers `(rows,)`.
        embeddings: `(rows, dim)`, float32.
    """

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    embeddings: NDArray[np.float32]

    def hashes(self, split: Split) -> dict[str, str]:
        """SHA-256 by name of the split: of texts and class numbers, in order, and of their embeddings."""
        digest = hashlib.sha256()
        for text in self.texts:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(self.labels.astype("<i8").tobytes())
        embeddings = hashlib.sha256(self.embeddings.astype("<f4").tobytes())
        return {split: digest.hexdigest(), f"{split}_embeddings": embeddings.hexdigest()}


def split_title(key: str) -> str:
    """What a key of `Rows.hashes` stands for: `test rows`, `test embeddings`."""
    return key.replace("_", " ") if "_" in key else f"{key} rows"


def read_rows(data: HqlmDataModule, model: EmbeddingModel, split: Split) -> Rows:
    """The rows of a split that is set up, embedded by the text encoder of `model`.

    Raises:
        DataError: when the split has fewer than two rows, or a label that is no class of the training rows.
    """
    texts = data.texts(split)
    if len(texts) < 2:
        raise DataError(f"the {split} split has {len(texts)} rows; a comparison needs two or more")
    return Rows(tuple(texts), np.array(data.labels(split), dtype=np.int64), model.embed(texts).numpy())


def check_classes(rows: Rows, class_names: tuple[str, ...], where: str) -> None:
    """Refuse training rows that lack a class.

    Raises:
        DataError: naming the classes that are missing.
    """
    missing = [name for number, name in enumerate(class_names) if not (rows.labels == number).any()]
    if missing:
        raise DataError(
            f"{where}: none of the {len(rows.texts)} training rows has the label "
            f"{' or '.join(repr(name) for name in missing)}. Take more rows: data.samples_per_class draws every class"
        )
