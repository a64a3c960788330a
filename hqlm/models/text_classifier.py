"""From embedded texts to classes: all that hybrid and classical models share."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, Self

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from hqlm.data import HqlmDataModule, Split
from hqlm.encoders import EmbeddingCache, Stage, TextEncoder, TextModule, TrainedBody
from hqlm.errors import CheckpointError, ConfigError, DataError, EncoderError, TrainingError
from hqlm.models.base import LOWER_RATE, HqlmModule
from hqlm.models.schedules import Schedule

Batch = tuple[Tensor, list[str], Tensor]

BODY: Final = "body"  # folder of a tuned text encoder in that of a run
_BATCH: Final = 64  # texts that a trained body embeds at a time
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
    """A text encoder under a trained head.

    Texts are embedded once, before the first step, through the cache on disk; steps pick rows of one tensor. With
    `stage: contrastive` the text encoder is tuned on the training rows before that. With `stage: end_to_end` it is the
    submodule `body`, and texts go through it in every step.

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
        super().__init__(optimizer, schedule)
        self.class_names = None if class_names is None else tuple(class_names)
        self.embedding_dim = embedding_dim
        self.stage: Stage = text_encoder.stage
        self.body: TrainedBody | None = None  # in the stage end_to_end
        self._given_text_encoder = text_encoder
        self._text_encoder = text_encoder  # of the stage contrastive the tuned one, once there is one
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
            if stage == "fit":
                self.tune(data)
            vectors = {split: self._embed_frozen(data.texts(split)) for split in self._splits(stage)}
        finally:  # the others must not wait for a rank that failed
            if self.trainer.is_global_zero:
                self.trainer.strategy.barrier("embed")
        for split, rows in vectors.items():
            self._settle_dim(rows.shape[1])
            self._embeddings[split] = rows.to(self.trainer.strategy.root_device)

    def _splits(self, stage: str) -> tuple[Split, ...]:
        """The splits that are embedded before the first step."""
        if self.stage != "end_to_end":
            return _STAGES[stage]
        return ("train",) if stage == "fit" else ()  # what the head estimates is that of the initial embeddings

    def tune(self, data: HqlmDataModule) -> None:
        """Go through the contrastive stage, on the training rows of `data` (set up for `fit`); nothing in others."""
        if self._text_encoder.stage == "contrastive":
            texts, labels = data.texts("train"), data.labels("train")
            device = self._trainer.strategy.root_device if self._trainer is not None else torch.device("cpu")
            self._use(self._text_encoder.tuned(texts, labels, device))

    def find_body(self, checkpoint: Path) -> None:
        """Take the tuned text encoder from the run of a checkpoint, in the stage contrastive.

        Raises:
            CheckpointError: when it is not there.
        """
        if self.stage != "contrastive":
            return
        folder = checkpoint.absolute().parent
        body = (folder.parent if folder.name == "checkpoints" else folder) / BODY
        if not body.is_dir():
            raise CheckpointError(
                f"{checkpoint} was trained on a tuned text encoder, which is missing: {body}. Keep the folder {BODY} "
                "of the run beside its checkpoints"
            )
        self._use(self._given_text_encoder.at(body))

    def shipped_text_encoder(self) -> TextEncoder | None:
        """The recipe of a text encoder whose weights must lie beside those of the head; None where a name is enough."""
        return self._given_text_encoder if self.stage != "frozen" or self._text_encoder.is_local else None

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

    def save_body(self, folder: Path) -> None:
        """Write the tuned text encoder as a folder of sentence-transformers, whole or not at all."""
        if self.body is not None:
            self.body.save(folder)
        else:
            self._text_encoder.save(folder)

    def _use(self, text_encoder: TextEncoder) -> None:
        self._text_encoder = text_encoder
        self.__dict__.pop("_text_module", None)

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
        if self.stage == "end_to_end":
            self._check_text_key()
            self.body = self._text_encoder.trainable()
            self._settle_dim(self.body.dim)
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

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings `(len(texts), dim)`, on the CPU, from the cache where they are known.

        Raises:
            CheckpointError: when the text encoder has other weights than the one the model was trained on.
            ConfigError: when the text encoder was not tuned yet.
            EncoderError: for a text whose embedding is all zero or not finite.
        """
        if self.body is None:
            return self._embed_frozen(texts)
        with torch.no_grad():
            parts = [self.body(texts[start : start + _BATCH]).cpu() for start in range(0, len(texts), _BATCH)]
        embeddings = torch.cat(parts)
        _check_embeddings(texts, embeddings)
        return embeddings

    def _embed_frozen(self, texts: Sequence[str]) -> Tensor:
        if self._text_encoder.stage == "contrastive":
            raise ConfigError(
                "the text encoder is tuned by a fit (text_encoder.stage=contrastive), and there was none yet; "
                "hqlm.load brings that of a run"
            )
        self._check_text_key()
        embeddings = EmbeddingCache().embed(self._text_module, texts)
        _check_embeddings(texts, embeddings)
        return embeddings

    def _check_text_key(self) -> None:
        key = self._text_module.content_key
        if self._text_key not in (None, key):
            raise CheckpointError(
                f"the model was trained on a text encoder of content {self._text_key}, but {self._text_encoder} has "
                f"content {key}. Use the weights it was trained on"
            )
        self._text_key = key

    @cached_property
    def _text_module(self) -> TextModule:  # not a submodule: a frozen body stays out of checkpoints and summaries
        return self._text_encoder.build()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the text encoder by its content; weights of it that are not trained stay where they are."""
        super().on_save_checkpoint(checkpoint)
        for name in self._frozen_weights():
            checkpoint["state_dict"].pop(name, None)
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

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch; weights of the text encoder that are not trained may be missing."""
        return super().load_state_dict({**self._frozen_weights(), **state_dict}, strict, assign)

    def _frozen_weights(self) -> dict[str, Tensor]:
        """Weights of the trained body that training leaves as they were."""
        named = () if self.body is None else self.body.named_parameters(prefix="body")
        return {name: weight.detach() for name, weight in named if not weight.requires_grad}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The head, and a body that is trained with it at a learning rate of its own."""
        if self.body is None:
            return super().parameter_groups()
        body = [parameter for parameter in self.body.parameters() if parameter.requires_grad]
        inside = {id(parameter) for parameter in self.body.parameters()}
        head = [each for each in self.parameters() if each.requires_grad and id(each) not in inside]
        return [{"params": head}, {"params": body, "lr": self.body.lr}]

    def parameter_counts(self) -> dict[str, int]:
        """Trained parameters: `body` and `lora` of the text encoder in its stage, `quantum` and `classical` ones."""
        counts = super().parameter_counts()
        if self.body is not None:
            text = self.body.counts()
            counts["classical"] -= sum(text.values())
        else:
            text = _counts(self._given_text_encoder) if self.stage == "contrastive" else {"body": 0, "lora": 0}
        return {**text, **counts}

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
        embeddings = self._embeddings[split][batch[0]] if self.body is None else self.body(batch[1])
        logits: Tensor = self(embeddings)
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


@lru_cache(maxsize=4)
def _counts(text_encoder: TextEncoder) -> dict[str, int]:
    with torch.random.fork_rng([]):  # low-rank updates are drawn
        return text_encoder.trainable().counts()


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
