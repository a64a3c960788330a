"""From embedded texts to classes: all that hybrid and classical models share."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from hqlm.data import HqlmDataModule, Split
from hqlm.encoders import TextEncoder, tell_of_cut
from hqlm.errors import CheckpointError, ConfigError, DataError, TrainingError
from hqlm.models.base import LOWER_RATE
from hqlm.models.schedules import Schedule
from hqlm.models.text_model import TextModel
from hqlm.registry import join_names

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


class TextClassifier(TextModel):
    """A text encoder under a trained head.

    Texts are embedded once, before the first step; steps pick rows of one tensor. In the stage `end_to_end` texts go
    through the text encoder in every step.

    Args:
        text_encoder: recipe of the text encoder.
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
        super().__init__(text_encoder, optimizer, schedule, embedding_dim)
        self.class_names = None if class_names is None else tuple(class_names)
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
            if stage == "fit":
                self.tune(data)
            vectors = {split: self._embed_frozen(data.texts(split)) for split in self._splits(stage)}
        finally:  # the others must not wait for a rank that failed
            if self.trainer.is_global_zero:
                self.trainer.strategy.barrier("embed")
        for split in set(_STAGES[stage]) - set(vectors):  # the trained body embeds these, and counts nothing
            tell_of_cut(self._text_module, data.texts(split))
        for split, rows in vectors.items():
            self._settle_dim(rows.shape[1])
            self._embeddings[split] = rows.to(self.trainer.strategy.root_device)

    def _splits(self, stage: str) -> tuple[Split, ...]:
        """The splits that are embedded before the first step."""
        if self.stage != "end_to_end":
            return _STAGES[stage]
        return ("train",) if stage == "fit" else ()  # what the head estimates is that of the initial embeddings

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write the trained model in the layout of the Hugging Face hub, whole or not at all.

        `model.safetensors` holds its weights, `config.json` its settings, `README.md` a model card, with what was
        measured where the model was loaded from a run, and `body/` the text encoder in sentence-transformers' format
        where it was tuned or lies in a local folder. What is loaded from there keeps the text encoder frozen.

        Args:
            folder: a new one, an empty one, or one that was saved before.

        Raises:
            ConfigError: for a model that was never trained.
            CheckpointError: for a folder that holds anything else.
        """
        from hqlm.models.pretrained import write_pretrained  # which makes models, and so stands above them

        write_pretrained(self, Path(folder))

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike[str], *, plugins: Sequence[str] = (), revision: str | None = None
    ) -> Self:
        """A model that `save_pretrained` wrote, on the CPU and ready for `predict`.

        Nothing in the folder is run: weights come from safetensors, and classes it names must be components that are
        imported already.

        Args:
            path: the folder, or the id of a repository on the Hugging Face hub.
            plugins: modules to import first, where the model has components that are no part of hqlm.
            revision: branch, tag or commit of the repository.

        Raises:
            CheckpointError: when it is missing, corrupt, not of hqlm or of another class, or names unknown classes.
            PluginError: when a plugin cannot be imported.
        """
        from hqlm.models.pretrained import WEIGHTS, find_pretrained, read_pretrained
        from hqlm.models.restoring import restored

        folder = find_pretrained(os.fspath(path), revision, plugins)
        model = restored(read_pretrained(folder, plugins), folder / WEIGHTS)
        if not isinstance(model, cls):
            raise CheckpointError(f"{folder} holds a {type(model).__name__}, which is no {cls.__name__}")
        return model

    def configure_model(self) -> None:
        """Build the head, and a body that is trained with it, once classes and embedding size are known.

        Raises:
            ConfigError: when they are not.
        """
        if hasattr(self, "metrics"):
            return
        if self.class_names is None or self.embedding_dim is None:
            raise ConfigError("class_names and embedding_dim are known after a fit, or must be given")
        n_classes = len(self.class_names)
        self.build_head(self.embedding_dim, n_classes)
        self._build_body()
        self.metrics = nn.ModuleDict({f"{split}_metrics": _metrics(split, n_classes) for split in ("val", "test")})

    def on_fit_start(self) -> None:
        """Fit what the head estimates, unless a checkpoint brought it."""
        if self.trainer.ckpt_path is None:
            self.fit_head(self._embeddings["train"])
        if self.stage == "end_to_end":
            self._embeddings.clear()

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

    def _settle_classes(self, data: HqlmDataModule, stage: str) -> None:
        if self.class_names is None:
            self.class_names = data.class_names
            self.hparams["class_names"] = list(self.class_names)
        elif stage == "fit" and set(data.class_names) != set(self.class_names):
            raise DataError(
                f"the model knows the classes {join_names(self.class_names)}, the training data has "
                f"{join_names(data.class_names)}"
            )
        data.use_classes(self.class_names)

    def _logits(self, split: Split, batch: Batch) -> Tensor:
        embeddings = self._embeddings[split][batch[0]] if self.body is None else self.body(batch[1])
        logits: Tensor = self(embeddings)
        return logits

    def _loss(self, split: Split, logits: Tensor, batch: Batch) -> Tensor:
        return self.checked_loss(split, nn.functional.cross_entropy(logits, batch[2]))

    def checked_loss(self, split: Split, loss: Tensor) -> Tensor:
        """The loss of a batch of a split.

        Raises:
            TrainingError: when it is not finite.
        """
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


def _prediction(text: str, row: Sequence[float], class_names: Sequence[str]) -> Prediction:
    probabilities = dict(zip(class_names, row, strict=True))
    return Prediction(text, max(probabilities, key=probabilities.__getitem__), probabilities)
