"""The text model: a text encoder, a head and a task."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.utilities.distributed import gather_all_tensors

from hqlm.circuits import Circuit
from hqlm.data import HqlmDataModule, Split
from hqlm.encoders import SentenceTransformerEncoder, TextEncoder, tell_of_cut
from hqlm.errors import CheckpointError, ConfigError, DataError, TrainingError, list_names
from hqlm.heads import Head, HeadModule, QuantumHead
from hqlm.models.base import LOWER_RATE
from hqlm.models.embedding import EmbeddingModel
from hqlm.models.resuming import describe_misfits
from hqlm.models.schedules import Schedule
from hqlm.plain import to_plain
from hqlm.tasks import SingleLabel, Task

Batch = tuple[Tensor, list[str], Tensor]

_STAGES: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
}


@dataclass(frozen=True)
class Evaluation:
    """Results of one pass over a split, each row once, whatever the number of processes.

    Args:
        split: the split.
        index: indices of the rows in the split `(rows,)`, ascending.
        targets: class indices `(rows,)`, -1 for rows without a label.
        outputs: outputs of the head `(rows, n_outputs)`, in double precision on the CPU.
    """

    split: Split
    index: Tensor
    targets: Tensor
    outputs: Tensor


class TextModel(EmbeddingModel):
    """A text encoder, a head and a task: `text -> embedding -> outputs -> prediction`.

    Texts are embedded once, before the first step; steps take rows of one tensor. In the stage `end_to_end` texts pass
    through the text encoder in every step.

    Args:
        text_encoder: from a text to an embedding; frozen or trained.
        head: from an embedding to outputs.
        task: meaning of the outputs: loss, metrics, predictions.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule, per step.
        class_names: names of the classes; set by the first fit.
        embedding_dim: length of an embedding; set by the first fit.
        init_from: run or checkpoint whose trained head a fit starts from, instead of random weights.

    Attributes:
        recipe: the recipe of the head, without pending ablations.
        head: the built head.
    """

    head: HeadModule

    def __init__(
        self,
        text_encoder: TextEncoder = SentenceTransformerEncoder(),
        head: Head = QuantumHead(),
        task: Task = SingleLabel(),
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule | LRSchedulerCallable = "one_cycle",
        class_names: Sequence[str] | None = None,
        embedding_dim: int | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__(text_encoder, optimizer, schedule, embedding_dim)
        self.save_hyperparameters()
        self.recipe = head.resolved
        self.task = task
        self.score, self.score_title, self.score_mode = f"val/{task.score}", task.score_title, task.score_mode
        self.class_names: tuple[str, ...] | None = None if class_names is None else tuple(to_plain(class_names))
        self.init_from = init_from
        self._head = head
        self._embeddings: dict[Split, Tensor] = {}
        self._targets: dict[Split, Tensor] = {}  # targets of the splits whose labels a fit reads
        self._is_built = False
        self._is_stale = False  # whether weights have changed since the head was solved
        self._embedded: dict[Split, list[str]] = {}  # texts of the cached embeddings
        self._start: tuple[tuple[str, ...], dict[str, Tensor]] | None = None  # classes and weights of `init_from`
        self._is_started = False  # whether it has weights that a fit continues from instead of `init_from`
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []  # index, targets and outputs of evaluated batches
        self.evaluation: Evaluation | None = None  # result of the last pass over validation, test or prediction rows

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the outputs of the head `(batch, n_outputs)` for embeddings `(batch, embedding_dim)`."""
        outputs: Tensor = self.head(embeddings)
        return outputs

    def setup(self, stage: str) -> None:
        """Settle the classes with the data and embed its texts, rank 0 first."""
        data = self._data()
        self._batches = []  # left over from an aborted pass
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
        if stage == "fit":
            device = self.trainer.strategy.root_device
            self._targets = {split: torch.tensor(data.labels(split), device=device) for split in _STAGES[stage]}

    def _splits(self, stage: str) -> tuple[Split, ...]:
        """Return the splits that are embedded before the first step."""
        if self.stage != "end_to_end":
            return _STAGES[stage]
        return ("train",) if stage == "fit" else ()  # the head's estimates use the initial embeddings

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write the trained model atomically in the layout of the Hugging Face hub.

        `model.safetensors` contains its weights, `config.json` its settings, `README.md` a model card, with results if
        the model was loaded from a run, and `body/` the text encoder in sentence-transformers' format if it was tuned
        or is in a local folder. A model that is loaded from there keeps the text encoder frozen.

        Args:
            folder: a new or empty folder, or one with a saved model.

        Raises:
            ConfigError: for an untrained model.
            CheckpointError: for a folder with other content.
        """
        from hqlm.models.pretrained import write_pretrained  # imports models

        write_pretrained(self, Path(folder))

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike[str], *, plugins: Sequence[str] = (), revision: str | None = None
    ) -> Self:
        """Load a model that `save_pretrained` wrote, on the CPU and ready for `predict`.

        Nothing in the folder is run: weights come from safetensors, and classes it names must be components of hqlm, of
        an installed plugin, or of a module that is already imported.

        Args:
            path: the folder, or the id of a repository on the Hugging Face hub.
            plugins: modules to import first, if the model has components that are not part of hqlm.
            revision: branch, tag or commit of the repository.

        Raises:
            CheckpointError: if it is missing, corrupt, not from hqlm or of another class, or names unknown classes.
            PluginError: if a plugin cannot be imported.
        """
        from hqlm.models.pretrained import BODY, CONFIG, WEIGHTS, find_pretrained, read_pretrained
        from hqlm.models.restoring import check_model, restored

        folder = find_pretrained(os.fspath(path), revision, plugins)
        checkpoint = read_pretrained(folder)
        check_model(checkpoint["hyper_parameters"], folder / CONFIG, plugins)
        model = restored(checkpoint, folder / WEIGHTS, folder / BODY)
        if not isinstance(model, cls):
            raise CheckpointError(f"{folder} holds a {type(model).__name__}, not an instance of {cls.__name__}")
        return model

    def configure_model(self) -> None:
        """Build the head, and a text encoder that is trained with it, once classes and embedding size are known.

        Raises:
            ConfigError: if they are not known.
        """
        if self._is_built:
            return
        if self.class_names is None or self.embedding_dim is None:
            raise ConfigError("the model is not fitted yet. Fit it, or pass class_names and embedding_dim")
        self.head = self._head.build(self.embedding_dim, self.task.n_outputs(self.class_names))
        self._build_body()
        self._is_built = True

    def initialize(self) -> None:
        """Estimate what the head needs from the training embeddings, or take weights from another run, once.

        Raises:
            ConfigError: if the weights of `init_from` do not fit, or the trainer cannot be used with the head.
            DataError: if the embeddings of all training texts are equal.
        """
        self._check_trainer()
        embeddings = self._embeddings["train"]
        if bool((embeddings == embeddings[0]).all()):
            raise DataError(
                f"the embeddings of all {len(embeddings)} training texts are equal, so they cannot be classified. "
                "Choose another model.text_encoder, or check data.text"
            )
        if self.init_from is None:
            device = self._head_device()
            self.head.fit(embeddings.to(device), self._targets["train"].to(device))
        elif self._start is not None:
            self._load_start(self._start)
            self._start, self._is_started = None, True  # a second fit continues from the first

    def _check_trainer(self) -> None:
        name, trainer = type(self.recipe).__name__, self.trainer
        if not self.head.is_trained and trainer.world_size > 1:
            raise ConfigError(f"{name} trains nothing that processes could share. Set trainer.devices=1")
        if not self.head.solves:
            return
        if self.stage == "end_to_end":
            raise ConfigError(
                f"{name} is solved on fixed embeddings. Set model.text_encoder.stage=frozen or contrastive"
            )
        averaging = [each for each in trainer.callbacks if isinstance(each, WeightAveraging)]  # type: ignore[attr-defined]
        if averaging:
            raise ConfigError(
                f"trainer.callbacks: {type(averaging[0]).__name__} is not supported with {name}, which is solved for "
                "the current weights. Leave it out"
            )
        trainer.num_sanity_val_steps = 0  # there is nothing to validate before the first epoch

    def on_train_start(self) -> None:
        """Reject batches that cannot train the head.

        Raises:
            ConfigError: for batches of fewer rows than the head compares.
        """
        loader = self.trainer.train_dataloader
        size = loader.batch_size if isinstance(loader, DataLoader) else None
        if size is not None and size < self.head.smallest_batch:
            raise ConfigError(
                f"{type(self.recipe).__name__} compares the rows of a batch. Set data.batch_size to "
                f"{self.head.smallest_batch} or more"
            )

    def on_fit_start(self) -> None:
        """Reject random weights if `init_from` was requested; drop embeddings that no step needs.

        Raises:
            ConfigError: if the weights of `init_from` were not read.
        """
        if self.init_from is not None and not self._is_started and self.trainer.ckpt_path is None:
            raise ConfigError(
                f"init_from={self.init_from}: call warm_start(read_checkpoint(...)) of hqlm.models.reading before a fit"
            )
        if self.stage == "end_to_end":
            self._embeddings.clear()

    def warm_start(self, checkpoint: Mapping[str, Any]) -> None:
        """Start a fit from a trained head: its weights, and the values that it estimated from its data.

        Args:
            checkpoint: checkpoint of a model with the same head and the same classes; the text encoder may differ.

        Raises:
            ConfigError: for other classes.
        """
        classes = tuple(checkpoint["hyper_parameters"].get("class_names") or ())
        if self.class_names not in (None, classes):
            raise ConfigError(_other_classes(f"init_from={self.init_from}", classes, self.class_names or ()))
        self._start = (classes, {name: value for name, value in checkpoint["state_dict"].items() if _of_head(name)})

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load weights as torch does; they take precedence over those of `init_from`."""
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
                f"init_from={self.init_from} does not fit the head as configured: weights are {misfits}. "
                "Configure the head as in that run"
            )
        with torch.no_grad():
            for name, value in own.items():  # the tensors of the model themselves
                value.copy_(weights[name])

    def _head_device(self) -> torch.device:
        return next((each.device for each in self.parameters()), torch.device("cpu"))

    def check_resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Reject settings that a resumed run cannot change.

        Raises:
            ConfigError: for another optimiser, schedule, `init_from`, or tuning of the text encoder.
            DataError: for other classes, or another order of them.
        """
        super().check_resume(checkpoint)
        before = checkpoint["hyper_parameters"]
        classes = tuple(before.get("class_names") or ())
        if self.class_names not in (None, classes):
            raise DataError(_other_classes("the run", classes, self.class_names or ()))
        if before.get("init_from") != self.hparams.get("init_from"):
            raise ConfigError(
                f"model.init_from={self.init_from} can only be set at the start of a run, not when it resumes. Leave "
                "--ckpt_path out, or keep init_from unchanged"
            )
        if self.stage == "contrastive":
            old, new = (each["text_encoder"].get("init_args") or {} for each in (before, self.hparams))
            changed = [name for name in ("contrastive", "lr", "lora") if old.get(name) != new.get(name)]
            if changed:
                raise ConfigError(
                    f"model.text_encoder.{changed[0]} belongs to the tuning, which this run has finished. Keep the old "
                    "value, or start a new run"
                )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, as defined by the head and the task.

        Raises:
            TrainingError: if it is not finite, before it damages the weights; validation and test do the same.
        """
        self._is_stale = True
        embeddings = self._batch_embeddings("train", batch)
        if not self.head.is_trained:
            return embeddings.new_zeros((), requires_grad=True)
        loss = self._finite("train", self.head.loss(embeddings, batch[2], self.task.loss))
        self.log("train/loss", loss, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def on_validation_start(self) -> None:
        """Solve the head, if it is solved, with the current weights."""
        self._solve()

    def on_train_epoch_end(self) -> None:
        """Solve the head also without validation; stop the training if optimiser steps do not train it."""
        self._solve()
        if not self.head.is_trained:
            self.trainer.should_stop = True

    def _solve(self) -> None:
        if not (self.head.solves and self._is_stale):
            return
        self.check_weights()
        was_training = self.training
        self.eval()
        train, val = ((self._embeddings[split], self._targets[split]) for split in _STAGES["fit"])
        with torch.inference_mode(False), torch.no_grad():  # stored tensors must be ordinary ones
            self.head.solve(train, val)
        self.train(was_training)
        self._is_stale = False

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Evaluate a batch; return the same as `predict_step`."""
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Evaluate a batch; return the same as `predict_step`."""
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `index`, the indices of the texts in the split `(batch,)`, and the task's predictions."""
        return self._evaluate("predict", batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all rows."""
        self._conclude("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of all rows."""
        self._conclude("test")

    def on_predict_epoch_end(self) -> None:
        """Gather the predictions of all processes."""
        self._conclude("predict")

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """Return the prediction for each text, such as a `Prediction`.

        Raises:
            ConfigError: for an untrained model, or anything but a list of strings.
            DataError: for an empty text, or one that contains half of a surrogate pair.
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
            outputs = self(self.embed(texts).to(self.device))
        return self.task.describe(texts, outputs, self.class_names)

    def circuits(self) -> dict[str, Circuit]:
        """Return the circuits of the head once it is built, equal ones once, by the names of its modules."""
        return self.head.circuits() if self._is_built else {}

    def parameter_counts(self) -> dict[str, int]:
        """Count the trained parameters: `body` and `lora` of the text encoder, and `quantum` and `classical` ones."""
        self.configure_model()
        return {**self.body_counts(), **self.head.parameter_counts()}

    def _settle_classes(self, data: HqlmDataModule, stage: str) -> None:
        if self.class_names is None:
            self.class_names = tuple(to_plain(data.class_names))
            self.hparams["class_names"] = list(self.class_names)
        elif stage == "fit" and set(data.class_names) != set(self.class_names):
            raise DataError(
                f"the model has the classes {list_names(self.class_names)}, but the training data has "
                f"{list_names(data.class_names)}"
            )
        data.use_classes(self.class_names)

    def _batch_embeddings(self, split: Split, batch: Batch) -> Tensor:
        return self._embeddings[split][batch[0]] if self.body is None else self.body(batch[1])

    def _finite(self, split: Split, loss: Tensor) -> Tensor:
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss on a {split} batch is {loss.item()} at step {self.global_step}; checkpoints of finished "
                f"epochs are kept. {LOWER_RATE}"
            )
        return loss

    def _evaluate(self, split: Split, batch: Batch) -> dict[str, Tensor]:
        outputs = self(self._batch_embeddings(split, batch))
        if split != "predict":
            self._finite(split, self.task.loss(outputs, batch[2]))
        self._batches.append((batch[0], batch[2], outputs.detach()))
        return {"index": batch[0], **self.task.predictions(outputs)}

    def _conclude(self, split: Split) -> None:
        """Gather the rows of all processes, drop those that a sampler repeated to fill batches, and log metrics."""
        columns, self._batches = list(zip(*self._batches, strict=True)), []
        if not columns:
            return
        index, targets, outputs = (torch.cat(parts) for parts in columns)
        if self.trainer.world_size > 1:
            gathered = [gather_all_tensors(part.to(self.device)) for part in (index, targets, outputs)]
            index, targets, outputs = (torch.cat(parts) for parts in gathered)
            order = index.argsort(stable=True)
            order = order[index[order].diff(prepend=index.new_tensor([-1])) != 0]
            index, targets, outputs = index[order], targets[order], outputs[order]
        self.evaluation = Evaluation(split, index.cpu(), targets.cpu(), outputs.cpu().double())
        if split != "predict":
            # NCCL, which takes their mean over processes, does not support CPU tensors, and MPS not double precision
            kind = torch.float32 if self.device.type == "mps" else torch.float64
            found = self.task.metrics(self.evaluation.outputs, self.evaluation.targets)
            metrics = {f"{split}/{name}": value.to(self.device, kind) for name, value in found.items()}
            self.log_dict(metrics, prog_bar=split == "val", batch_size=len(index), sync_dist=True)


def _of_head(name: str) -> bool:
    return not name.startswith("body.") and not name.endswith("_extra_state")  # counts the sampling calls of a layer


def _other_classes(source: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    return (
        f"{source} has the classes {', '.join(theirs) or 'unknown'}, in this order, but the data has "
        f"{', '.join(ours)}. Use data with the same classes, or start a new run"
    )
