"""From embedded texts to classes: all that hybrid and classical models share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from hqlm.data import HqlmDataModule, Split
from hqlm.encoders import EmbeddingCache, TextEncoder, TextModule
from hqlm.errors import CheckpointError, ConfigError, DataError, EncoderError, TrainingError
from hqlm.models.base import LOWER_RATE, HqlmModule
from hqlm.models.schedules import Schedule

Batch = tuple[Tensor, list[str], Tensor]

_STAGES: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text.

    Args:
        text: the text.
        label: name of the most probable class.
        probabilities: probability of each class by name.
    """

    text: str
    label: str
    probabilities: dict[str, float]


class TextClassifier(HqlmModule):
    """A frozen text encoder under a trained head.

    Texts are embedded once, before the first step, through the cache on disk; steps pick rows of one tensor.

    Args:
        text_encoder: recipe of the frozen text encoder.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule.
        class_names: names of the classes; written by the first fit.
        embedding_dim: values of an embedding; written by the first fit.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        optimizer: OptimizerCallable,
        schedule: Schedule | LRSchedulerCallable,
        class_names: Sequence[str] | None,
        embedding_dim: int | None,
    ) -> None:
        super().__init__(optimizer, schedule)
        self.class_names = None if class_names is None else tuple(class_names)
        self.embedding_dim = embedding_dim
        self._text_encoder = text_encoder
        self._text_key: str | None = None  # content of the text encoder that a checkpoint was trained on
        self._embeddings: dict[Split, Tensor] = {}

    @abstractmethod
    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        """Set the trained modules as attributes."""

    @abstractmethod
    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, n_classes)` of embeddings `(batch, embedding_dim)`."""

    def fit_head(self, embeddings: Tensor) -> None:
        """Set what the head estimates, before training, from the training embeddings `(rows, embedding_dim)`."""

    def setup(self, stage: str) -> None:
        """Agree on the classes with the data and embed its texts, rank 0 first."""
        data = self._data()
        self._settle_classes(data, stage)
        if not self.trainer.is_global_zero:
            self.trainer.strategy.barrier("embed")
        try:
            vectors = {split: self.embed(data.texts(split)) for split in _STAGES[stage]}
        finally:  # the others must not wait for a rank that failed
            if self.trainer.is_global_zero:
                self.trainer.strategy.barrier("embed")
        for split, rows in vectors.items():
            self._settle_dim(rows.shape[1])
            self._embeddings[split] = rows.to(self.trainer.strategy.root_device)

    def configure_model(self) -> None:
        """Build the head, once classes and embedding size are known.

        Raises:
            ConfigError: when they are not.
        """
        if hasattr(self, "metrics"):
            return
        if self.class_names is None or self.embedding_dim is None:
            raise ConfigError("class_names and embedding_dim are known after a fit, or must be given")
        n_classes = len(self.class_names)
        self.build_head(self.embedding_dim, n_classes)
        self.metrics = nn.ModuleDict({f"{split}_metrics": _metrics(split, n_classes) for split in ("val", "test")})

    def on_fit_start(self) -> None:
        """Fit what the head estimates, unless a checkpoint brought it."""
        if self.trainer.ckpt_path is None:
            self.fit_head(self._embeddings["train"])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of a batch.

        Raises:
            TrainingError: when it is not finite, before it spoils the weights; so do validation and test.
        """
        loss = self._loss("train", self._logits("train", batch), batch)
        self.log("train/loss", loss, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Log `val/loss`, `val/acc` and `val/f1`; returns what `predict_step` does."""
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Log `test/loss`, `test/acc` and `test/f1`; returns what `predict_step` does."""
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """`index`, places of the texts in the split `(batch,)`, and `probabilities` `(batch, n_classes)`."""
        return _outputs(batch, self._logits("predict", batch))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classes and probabilities of any texts, with a trained model.

        Raises:
            ConfigError: for a model that was never trained, a single string or an empty text.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise ConfigError("predict takes a list of texts: predict([text])")
        if any(not text.strip() for text in texts):
            raise DataError(f"text {next(i for i, text in enumerate(texts) if not text.strip())} is empty")
        if not texts:
            return []
        self.configure_model()
        assert self.class_names is not None
        self.eval()
        with torch.no_grad():
            table = self(self.embed(texts).to(self.device)).softmax(1).tolist()
        return [_prediction(text, row, self.class_names) for text, row in zip(texts, table, strict=True)]

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings `(len(texts), dim)`, on the CPU, from the cache where they are known.

        Raises:
            CheckpointError: when the text encoder has other weights than the one the model was trained on.
            EncoderError: for a text whose embedding is all zero or not finite.
        """
        key = self._text_module.content_key
        if self._text_key not in (None, key):
            raise CheckpointError(
                f"the model was trained on a text encoder of content {self._text_key}, but {self._text_encoder} has "
                f"content {key}. Use the weights it was trained on"
            )
        self._text_key = key
        embeddings = EmbeddingCache().embed(self._text_module, texts)
        _check_embeddings(texts, embeddings)
        return embeddings

    @cached_property
    def _text_module(self) -> TextModule:  # not a submodule: a frozen body stays out of checkpoints and summaries
        return self._text_encoder.build()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the frozen text encoder by its content; its weights stay where they are."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["text_encoder_key"] = self._text_key

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the content of the text encoder, to compare before the first text is embedded."""
        super().on_load_checkpoint(checkpoint)
        known = checkpoint.get("text_encoder_key")
        if known is not None and self._text_key not in (None, known):
            raise CheckpointError(
                f"the checkpoint was trained on a text encoder of content {known}, but {self._text_encoder} has "
                f"content {self._text_key}. Use the weights it was trained on"
            )
        self._text_key = known

    def _data(self) -> HqlmDataModule:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, HqlmDataModule):
            raise ConfigError(f"{type(self).__name__} needs a data set of texts, for example --data=ReviewsData")
        return data

    def _settle_classes(self, data: HqlmDataModule, stage: str) -> None:
        if self.class_names is None:
            self.class_names = data.class_names
            self.hparams["class_names"] = list(self.class_names)
        elif stage == "fit" and set(data.class_names) != set(self.class_names):
            raise DataError(
                f"the model knows the classes {', '.join(self.class_names)}, the training data has "
                f"{', '.join(data.class_names)}"
            )
        data.use_classes(self.class_names)

    def _settle_dim(self, dim: int) -> None:
        if self.embedding_dim is None:
            self.embedding_dim = self.hparams["embedding_dim"] = dim
        elif self.embedding_dim != dim:
            raise CheckpointError(f"the model was built for embeddings of {self.embedding_dim} values, given {dim}")

    def _logits(self, split: Split, batch: Batch) -> Tensor:
        logits: Tensor = self(self._embeddings[split][batch[0]])
        return logits

    def _loss(self, split: Split, logits: Tensor, batch: Batch) -> Tensor:
        loss = nn.functional.cross_entropy(logits, batch[2])
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss on a {split} batch is {loss.item()} at step {self.global_step}; checkpoints of finished "
                f"epochs are kept. {LOWER_RATE}"
            )
        return loss

    def _evaluate(self, split: Split, batch: Batch) -> dict[str, Tensor]:
        logits = self._logits(split, batch)
        metrics = self.metrics[f"{split}_metrics"]
        assert isinstance(metrics, MetricCollection)
        metrics.update(logits, batch[2])
        rows = len(batch[2])
        self.log(f"{split}/loss", self._loss(split, logits, batch), on_epoch=True, batch_size=rows, sync_dist=True)
        self.log_dict(metrics, on_epoch=True, batch_size=rows, prog_bar=split == "val")
        return _outputs(batch, logits)


def _outputs(batch: Batch, logits: Tensor) -> dict[str, Tensor]:
    return {"index": batch[0], "probabilities": logits.softmax(1)}


def _metrics(split: str, n_classes: int) -> MetricCollection:
    return MetricCollection(
        {
            f"{split}/acc": MulticlassAccuracy(n_classes, average="micro"),
            f"{split}/f1": MulticlassF1Score(n_classes, average="macro"),
        }
    )


def _check_embeddings(texts: Sequence[str], embeddings: Tensor) -> None:
    norms = torch.linalg.vector_norm(embeddings, dim=1)
    bad = (~((norms > 0.0) & norms.isfinite())).nonzero()
    if len(bad):
        row = int(bad[0, 0])
        raise EncoderError(
            f"the embedding of the text {texts[row]!r} (row {row + 1} of {len(texts)}) has norm {float(norms[row]):g}: "
            "it says nothing of the text. Remove the row, or choose another text_encoder"
        )


def _prediction(text: str, row: Sequence[float], class_names: Sequence[str]) -> Prediction:
    probabilities = dict(zip(class_names, row, strict=True))
    return Prediction(text, max(probabilities, key=probabilities.__getitem__), probabilities)
