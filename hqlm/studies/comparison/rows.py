"""The rows of a split as every model of a comparison sees them, with a hash to prove it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hqlm.config.sources import Config
from hqlm.data import HqlmDataModule, Split
from hqlm.errors import DataError, RunError
from hqlm.experiment import Experiment
from hqlm.heads import Head, HeadModule
from hqlm.models import EmbeddingModel, TextModel

_SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Draw:
    """The rows of one draw of the training rows, the same for every model.

    Args:
        class_names: of its labels.
        hashes: SHA-256 of each split (texts and class numbers, in order) and of its embeddings.
        dim: values of an embedding.
    """

    class_names: tuple[str, ...]
    hashes: dict[str, str]
    dim: int

    @property
    def key(self) -> str:
        """Hash of texts and class numbers; embeddings may differ in rounding from machine to machine."""
        own = {split: self.hashes[split] for split in _SPLITS}
        return hashlib.sha256(json.dumps(own).encode()).hexdigest()

    def build(self, head: Head) -> HeadModule:
        """Build a head for the embeddings and classes of these rows."""
        return head.build(self.dim, len(self.class_names))

    @classmethod
    def read(cls, experiment: Experiment, index: int) -> Draw:
        """Read and embed the rows of an experiment; a text encoder that is tuned is tuned first.

        Raises:
            DataError: when a split has fewer than two rows, the training rows lack a class, or rows have labels that
                no training row has.
        """
        data, model = experiment.data, experiment.model
        assert data is not None
        assert isinstance(model, TextModel)
        data.prepare_data()
        data.setup("fit")
        model.tune(data)
        data.setup("test")
        rows = {split: Rows.read(data, model, split) for split in _SPLITS}
        missing = [name for number, name in enumerate(data.class_names) if not (rows["train"].labels == number).any()]
        if missing:
            raise DataError(
                f"draw {index}: none of the {len(rows['train'].texts)} training rows has the label "
                f"{' or '.join(repr(name) for name in missing)}. Take more rows: data.samples_per_class draws every "
                "class"
            )
        hashes = {key: digest for split, own in rows.items() for key, digest in own.hashes(split).items()}
        return cls(data.class_names, hashes, rows["test"].embeddings.shape[1])


@dataclass(frozen=True)
class Rows:
    """Embedded, labelled rows of a split.

    Args:
        texts: one a row.
        labels: class numbers `(rows,)`.
        embeddings: `(rows, dim)`, float32.
    """

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    embeddings: NDArray[np.float32]

    @classmethod
    def read(cls, data: HqlmDataModule, model: EmbeddingModel, split: Split) -> Rows:
        """Return the rows of a split that is set up, embedded by the text encoder of a model.

        Raises:
            DataError: when there are fewer than two, or one has a label that is no class of the training rows.
        """
        texts = data.texts(split)
        if len(texts) < 2:
            raise DataError(f"the {split} split has {len(texts)} rows; a comparison needs two or more")
        return cls(tuple(texts), np.array(data.labels(split), dtype=np.int64), model.embed(texts).numpy())

    def hashes(self, split: Split) -> dict[str, str]:
        """Return the SHA-256 of texts and class numbers, in order, and that of their embeddings, by name."""
        digest = hashlib.sha256()
        for text in self.texts:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(self.labels.astype("<i8").tobytes())
        embeddings = hashlib.sha256(self.embeddings.astype("<f4").tobytes())
        return {split: digest.hexdigest(), f"{split}_embeddings": embeddings.hexdigest()}


def check_draws(hashes: Mapping[int, Mapping[str, str]]) -> None:
    """Refuse draws that share their training rows, or do not share their test rows.

    Args:
        hashes: SHA-256 of each split by draw.

    Raises:
        RunError: saying what to change.
    """
    if len({own["test"] for own in hashes.values()}) > 1:
        raise RunError(
            "draws have different test rows, so that predictions form no pairs. Leave data.limit_test and data.folds "
            "out: they draw test rows by data.seed"
        )
    if len({own["train"] for own in hashes.values()}) < len(hashes):
        raise RunError("all draws contain the same training rows. Set --data.samples_per_class, or leave --draws out")


def on_draw(config: Config, index: int) -> Config:
    """Return a configuration whose training rows are those of a draw: `data.seed` raised by its index."""
    own = copy.deepcopy(config)
    if index:
        own["data"]["init_args"]["seed"] += index
    return own
