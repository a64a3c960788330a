"""From embedded texts to classes: all that hybrid and classical models share."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from torchmetrics.utilities.distributed import gather_all_tensors

from hqlm.contracts import returns
from hqlm.data import HqlmDataModule, Split
from hqlm.encoders import TextEncoder, tell_of_cut
from hqlm.errors import CheckpointError, ConfigError, DataError, TrainingError, list_names
from hqlm.models.base import LOWER_RATE
from hqlm.models.resuming import describe_misfits
from hqlm.models.schedules import Schedule
from hqlm.models.text_model import TextModel
from hqlm.plain import to_plain

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


@dataclass(frozen=True)
class Evaluation:
    """Results of one pass over a split, each row once, whatever the number of processes.

    Args:
        split: the split.
        index: positions of the rows in the split `(rows,)`, ascending.
        labels: class numbers `(rows,)`, -1 where there is none.
        logits: `(rows, n_classes)`, in double precision on the CPU.
    """

    split: Split
    index: Tensor
    labels: Tensor
    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """Probability of each class `(rows, n_classes)`."""
        return self.logits.softmax(1)


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

    Attributes:
        init_from: checkpoint or run whose head a fresh fit starts from; None to start from random weights.
    """

    init_from: str | None = None

    def __init__(
        self,
        text_encoder: TextEncoder,
        optimizer: OptimizerCallable,
        schedule: Schedule | LRSchedulerCallable,
        class_names: Sequence[str] | None,
        embedding_dim: int | None,
    ) -> None:
        super().__init__(text_encoder, optimizer, schedule, embedding_dim)
        self.class_names: tuple[str, ...] | None = None if class_names is None else tuple(to_plain(class_names))
        self._embeddings: dict[Split, Tensor] = {}
        self._is_built = False
        self._embedded: dict[Split, list[str]] = {}  # texts that the embeddings are of
        self._start: tuple[tuple[str, ...], dict[str, Tensor]] | None = None  # classes and weights of `init_from`
        self._is_started = False  # it has weights that a fit is to go on with where there is `init_from`
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []  # index, labels and logits of evaluated batches
        self.evaluation: Evaluation | None = None  # of the last pass over validation, test or prediction rows

    @abstractmethod
    @returns("nothing")
    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        """Set the trained modules as attributes."""

    @abstractmethod
    @returns(
        "logits, a tensor (batch, n_classes)",
        lambda logits, self, embeddings: (
            isinstance(logits, Tensor)
            and logits.ndim == 2
            and len(logits) == len(embeddings)
            and (self.class_names is None or logits.shape[1] == len(self.class_names))
        ),
    )
    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, n_classes)` of embeddings `(batch, embedding_dim)`."""

    @returns("nothing")
    def fit_head(self, embeddings: Tensor) -> None:
        """Set what the head estimates, before training, from the training embeddings `(rows, embedding_dim)`."""

    def setup(self, stage: str) -> None:
        """Agree on the classes with the data and embed its texts, rank 0 first."""
        data = self._data()
        self._batches = []  # of a pass that was broken off
        self._settle_classes(data, stage)
        if not self.trainer.is_global_zero:
            self.trainer.strategy.barrier("embed")
        try:
            if stage == "fit":
                self.tune(data)
            vectors = {
                split: self._embed_frozen(data.texts(split))
                for split in self._splits(stage)
                if split not in self._embeddings or self._embedded.get(split) != data.texts(split)
            }
        finally:  # the others must not wait for a rank that failed
            if self.trainer.is_global_zero:
                self.trainer.strategy.barrier("embed")
        for split in set(_STAGES[stage]) - set(self._splits(stage)):  # the trained body embeds these, uncounted
            tell_of_cut(self._text_module, data.texts(split))
        for split, rows in vectors.items():
            self._settle_dim(rows.shape[1])
            self._embeddings[split] = rows.to(self.trainer.strategy.root_device)
            self._embedded[split] = data.texts(split)

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

        Nothing in the folder is run: weights come from safetensors, and classes it names must be components of hqlm, of
        an installed plugin, or of a module that is imported already.

        Args:
            path: the folder, or the id of a repository on the Hugging Face hub.
            plugins: modules to import first, where the model has components that are no part of hqlm.
            revision: branch, tag or commit of the repository.

        Raises:
            CheckpointError: when it is missing, corrupt, not of hqlm or of another class, or names unknown classes.
            PluginError: when a plugin cannot be imported.
        """
        from hqlm.models.pretrained import BODY, CONFIG, WEIGHTS, find_pretrained, read_pretrained
        from hqlm.models.restoring import check_model, restored

        folder = find_pretrained(os.fspath(path), revision, plugins)
        checkpoint = read_pretrained(folder)
        check_model(checkpoint["hyper_parameters"], folder / CONFIG, plugins)
        model = restored(checkpoint, folder / WEIGHTS, folder / BODY)
        if not isinstance(model, cls):
            raise CheckpointError(f"{folder} holds a {type(model).__name__}, which is no {cls.__name__}")
        return model

    def configure_model(self) -> None:
        """Build the head, and a body that is trained with it, once classes and embedding size are known.

        Raises:
            ConfigError: when they are not.
        """
        if self._is_built:
            return
        if self.class_names is None or self.embedding_dim is None:
            raise ConfigError("class_names and embedding_dim are known after a fit, or must be given")
        self.build_head(self.embedding_dim, len(self.class_names))
        self._build_body()
        self._is_built = True

    def initialize(self) -> None:
        """Estimate what the head needs from the training embeddings, or take its weights from another run, once.

        Raises:
            ConfigError: when those of `init_from` do not fit.
            DataError: when the embeddings of all training texts are equal.
        """
        embeddings = self._embeddings["train"]
        if bool((embeddings == embeddings[0]).all()):
            raise DataError(
                f"the embeddings of all {len(embeddings)} training texts are equal: they tell no classes apart. Choose "
                "another model.text_encoder, or check data.text"
            )
        if self.init_from is None:
            self.fit_head(embeddings.to(self._head_device()))
        elif self._start is not None:
            self._load_start(self._start)
            self._start, self._is_started = None, True  # a second fit goes on from what the first one trained

    def on_fit_start(self) -> None:
        """Refuse random weights where those of another run were asked for; drop embeddings that no step needs.

        Raises:
            ConfigError: when those of `init_from` were not read.
        """
        if self.init_from is not None and not self._is_started and self.trainer.ckpt_path is None:
            raise ConfigError(
                f"init_from={self.init_from}: call warm_start(read_checkpoint(...)) of hqlm.models.reading before a fit"
            )
        if self.stage == "end_to_end":
            self._embeddings.clear()

    def warm_start(self, checkpoint: Mapping[str, Any]) -> None:
        """Take a trained head into a fit that starts from it: its weights, and what it has estimated from its data.

        Args:
            checkpoint: of a model with the same head and the same classes, whatever becomes of the text encoder.

        Raises:
            ConfigError: for other classes.
        """
        classes = tuple(checkpoint["hyper_parameters"].get("class_names") or ())
        if self.class_names not in (None, classes):
            raise ConfigError(_other_classes(f"init_from={self.init_from}", classes, self.class_names or ()))
        self._start = (classes, {name: value for name, value in checkpoint["state_dict"].items() if _of_head(name)})

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch; the weights take the place of those of `init_from`."""
        result = super().load_state_dict(state_dict, strict, assign)
        self._start, self._is_started = None, True
        return result

    def _load_start(self, start: tuple[tuple[str, ...], dict[str, Tensor]]) -> None:
        classes, weights = start
        if self.class_names != classes:
            raise ConfigError(_other_classes(f"init_from={self.init_from}", classes, self.class_names or ()))
        own = {name: value for name, value in self.state_dict().items() if _of_head(name)}
        misfits = describe_misfits(weights, own)
        if misfits:
            raise ConfigError(
                f"init_from={self.init_from} does not fit the head as it is configured: weights are {misfits}. "
                "Configure the head as in that run"
            )
        with torch.no_grad():
            for name, value in own.items():  # the tensors of the model themselves
                value.copy_(weights[name])

    def _head_device(self) -> torch.device:
        return next((each.device for each in self.parameters()), torch.device("cpu"))

    def check_resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse what a run cannot change when it goes on.

        Raises:
            ConfigError: for another optimiser, schedule, origin of the weights, or tuning of the text encoder.
            DataError: for other classes, or another order of them.
        """
        super().check_resume(checkpoint)
        before = checkpoint["hyper_parameters"]
        classes = tuple(before.get("class_names") or ())
        if self.class_names not in (None, classes):
            raise DataError(_other_classes("the run", classes, self.class_names or ()))
        if before.get("init_from") != self.hparams.get("init_from"):
            raise ConfigError(
                f"model.init_from={self.init_from} is for the start of a run, not for one that goes on. Leave "
                "--ckpt_path out, or init_from as it was"
            )
        if self.stage == "contrastive":
            old, new = (each["text_encoder"].get("init_args") or {} for each in (before, self.hparams))
            changed = [name for name in ("contrastive", "lr", "lora") if old.get(name) != new.get(name)]
            if changed:
                raise ConfigError(
                    f"model.text_encoder.{changed[0]} is that of the tuning, which this run has behind it. Leave it as "
                    "it was, or start a new run"
                )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of a batch.

        Raises:
            TrainingError: when it is not finite, before it spoils the weights; so do validation and test.
        """
        loss = self._loss("train", self._logits("train", batch), batch)
        self.log("train/loss", loss, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Evaluate a batch; returns what `predict_step` does."""
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Evaluate a batch; returns what `predict_step` does."""
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `index`, positions of the texts in the split `(batch,)`, and `probabilities` `(batch, n_classes)`."""
        return self._evaluate("predict", batch)

    def on_validation_epoch_end(self) -> None:
        """Log `val/loss`, `val/acc` and `val/f1` of all rows."""
        self._conclude("val")

    def on_test_epoch_end(self) -> None:
        """Log `test/loss`, `test/acc` and `test/f1` of all rows."""
        self._conclude("test")

    def on_predict_epoch_end(self) -> None:
        """Gather the predictions of all processes."""
        self._conclude("predict")

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classes and probabilities of any texts, with a trained model.

        Raises:
            ConfigError: for a model that was never trained, or anything but a list of strings.
            DataError: for an empty text, or one that holds half of a surrogate pair.
        """
        given = None if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
        if given is None or not all(isinstance(text, str) for text in given):
            raise ConfigError("predict takes a list of texts: predict([text])")
        texts = [str(text) for text in given]  # NumPy's strings too
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
            self.class_names = tuple(to_plain(data.class_names))
            self.hparams["class_names"] = list(self.class_names)
        elif stage == "fit" and set(data.class_names) != set(self.class_names):
            raise DataError(
                f"the model knows the classes {list_names(self.class_names)}, the training data has "
                f"{list_names(data.class_names)}"
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
        if split != "predict":
            self._loss(split, logits, batch)
        self._batches.append((batch[0], batch[2], logits.detach()))
        return {"index": batch[0], "probabilities": logits.softmax(1)}

    def _conclude(self, split: Split) -> None:
        """Gather the rows of all processes, drop what a sampler repeated to fill its last batches, and log metrics."""
        columns, self._batches = list(zip(*self._batches, strict=True)), []
        if not columns:
            return
        index, labels, logits = (torch.cat(parts) for parts in columns)
        if self.trainer.world_size > 1:
            gathered = [gather_all_tensors(part.to(self.device)) for part in (index, labels, logits)]
            index, labels, logits = (torch.cat(parts) for parts in gathered)
            order = index.argsort(stable=True)
            order = order[index[order].diff(prepend=index.new_tensor([-1])) != 0]
            index, labels, logits = index[order], labels[order], logits[order]
        self.evaluation = Evaluation(split, index.cpu(), labels.cpu(), logits.cpu().double())
        if split != "predict":
            # NCCL, which takes their mean over processes, knows no tensors on the CPU, and MPS none in double precision
            kind = torch.float32 if self.device.type == "mps" else torch.float64
            metrics = {name: value.to(self.device, kind) for name, value in _metrics(split, self.evaluation).items()}
            self.log_dict(metrics, prog_bar=split == "val", batch_size=len(index), sync_dist=True)


def _of_head(name: str) -> bool:
    return not name.startswith("body.") and not name.endswith("_extra_state")  # how often a layer has drawn shots


def _other_classes(source: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    return (
        f"{source} has the classes {', '.join(theirs) or 'unknown'}, in this order, but the data has "
        f"{', '.join(ours)}. Use data with the same classes, or start a new run"
    )


def _metrics(split: str, evaluation: Evaluation) -> dict[str, Tensor]:
    logits, labels = evaluation.logits, evaluation.labels
    n_classes = logits.shape[1]
    return {
        f"{split}/loss": nn.functional.cross_entropy(logits, labels),
        f"{split}/acc": multiclass_accuracy(logits, labels, n_classes, average="micro"),
        f"{split}/f1": multiclass_f1_score(logits, labels, n_classes, average="macro"),
    }


def _prediction(text: str, row: Sequence[float], class_names: Sequence[str]) -> Prediction:
    probabilities = dict(zip(class_names, row, strict=True))
    return Prediction(text, max(probabilities, key=probabilities.__getitem__), probabilities)
