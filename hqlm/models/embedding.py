"""Embedding of texts: the text encoder of a model in each of its stages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from hqlm.data import HqlmDataModule
from hqlm.encoders import EmbeddingCache, Stage, TextEncoder, TextModule, TrainedBody
from hqlm.errors import CheckpointError, ConfigError, DataError, EncoderError, abbreviate
from hqlm.files import is_storable
from hqlm.models.base import HqlmModule
from hqlm.models.schedules import Schedule

_BATCH: Final = 64  # texts per call of a trained text encoder


class EmbeddingModel(HqlmModule):
    """A model that embeds texts.

    With `stage: frozen` texts are embedded through the cache on disk. With `stage: contrastive` the text encoder is
    first tuned on the training rows. With `stage: end_to_end` it is the submodule `body`, and texts pass through it in
    every step.

    Args:
        text_encoder: recipe of the text encoder.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule.
        embedding_dim: length of an embedding; set by the first fit.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        optimizer: OptimizerCallable,
        schedule: Schedule | LRSchedulerCallable,
        embedding_dim: int | None,
    ) -> None:
        super().__init__(optimizer, schedule)
        self.embedding_dim = embedding_dim
        self.stage: Stage = text_encoder.stage
        self.body: TrainedBody | None = None  # only in the stage end_to_end
        self._given_text_encoder = text_encoder
        self._text_encoder = text_encoder  # in the stage contrastive, the tuned one once it exists
        self._text_key: str | None = None  # content key of the text encoder that a checkpoint was trained on

    @abstractmethod
    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the outputs of embeddings `(batch, embedding_dim)`."""

    def tune(self, data: HqlmDataModule) -> None:
        """Run the contrastive stage on the training rows of `data` (set up for `fit`); do nothing in other stages."""
        if self._text_encoder.stage == "contrastive":
            texts, labels = data.texts("train"), data.labels("train")
            device = self._trainer.strategy.root_device if self._trainer is not None else torch.device("cpu")
            self._use(self._text_encoder.tuned(texts, labels, device))

    def find_body(self, body: Path) -> None:
        """Load the tuned text encoder from its folder, in the stage contrastive.

        Raises:
            CheckpointError: if it is missing.
        """
        if self.stage != "contrastive":
            return
        if not body.is_dir():
            raise CheckpointError(
                f"the model was trained on a tuned text encoder, which is missing: {body}. Keep the folder {body.name} "
                "of the run beside its checkpoints"
            )
        self._use(self._given_text_encoder.at(body))

    def shipped_text_encoder(self) -> TextEncoder | None:
        """Return the recipe of a text encoder whose weights must be stored with the head; None if a name is enough."""
        return self._given_text_encoder if self.stage != "frozen" or self._text_encoder.is_local else None

    def save_body(self, folder: Path) -> None:
        """Write the tuned text encoder atomically as a folder of sentence-transformers."""
        if self.body is not None:
            self.body.save(folder)
        else:
            self._text_encoder.save(folder)

    def _use(self, text_encoder: TextEncoder) -> None:
        self._text_encoder = text_encoder
        self.__dict__.pop("_text_module", None)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(len(texts), dim)` on the CPU, from the cache if possible.

        Raises:
            CheckpointError: if the text encoder has other weights than the one the model was trained on.
            ConfigError: if the text encoder was not tuned yet.
            DataError: for a text that contains half of a surrogate pair.
            EncoderError: for a text whose embedding is zero or not finite.
        """
        if self.body is None:
            return self._embed_frozen(texts)
        _check_texts(texts)
        with torch.no_grad():
            parts = [self.body(texts[start : start + _BATCH]).cpu() for start in range(0, len(texts), _BATCH)]
        embeddings = torch.cat(parts)
        _check_embeddings(texts, embeddings)
        return embeddings

    def _embed_frozen(self, texts: Sequence[str]) -> Tensor:
        if self._text_encoder.stage == "contrastive":
            raise ConfigError(
                "the text encoder is tuned by a fit (text_encoder.stage=contrastive) and was not tuned yet. Fit the "
                "model, or load a trained one with hqlm.load"
            )
        _check_texts(texts)
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
    def _text_module(self) -> TextModule:  # not a submodule: a frozen encoder stays out of checkpoints and summaries
        return self._text_encoder.build()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the content key of the text encoder; its untrained weights are not saved."""
        super().on_save_checkpoint(checkpoint)
        for name in self._frozen_weights():
            checkpoint["state_dict"].pop(name, None)
        checkpoint["text_encoder_key"] = self._text_key

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the content key of the text encoder, to compare before the first text is embedded."""
        super().on_load_checkpoint(checkpoint)
        known = checkpoint.get("text_encoder_key")
        if known is not None and self._text_key not in (None, known):
            raise CheckpointError(
                f"the checkpoint was trained on a text encoder of content {known}, but {self._text_encoder} has "
                f"content {self._text_key}. Use the weights it was trained on"
            )
        self._text_key = known

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load weights as torch does; untrained weights of the text encoder may be missing."""
        return super().load_state_dict({**self._frozen_weights(), **state_dict}, strict, assign)

    def _frozen_weights(self) -> dict[str, Tensor]:
        """Return the weights of the trained text encoder that training does not change."""
        named = () if self.body is None else self.body.named_parameters(prefix="body")
        return {name: weight.detach() for name, weight in named if not weight.requires_grad}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the head, and the text encoder if it is trained with its own learning rate."""
        if self.body is None:
            return super().parameter_groups()
        body = [parameter for parameter in self.body.parameters() if parameter.requires_grad]
        inside = {id(parameter) for parameter in self.body.parameters()}
        head = [each for each in self.parameters() if each.requires_grad and id(each) not in inside]
        return [{"params": head}, {"params": body, "lr": self.body.lr}]

    def body_counts(self) -> dict[str, int]:
        """Count the trained parameters of the text encoder in its stage: `body` and `lora`."""
        if self.body is not None:
            return self.body.counts()
        return _counts(self._given_text_encoder) if self.stage == "contrastive" else {"body": 0, "lora": 0}

    def _data(self) -> HqlmDataModule:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, HqlmDataModule):
            raise ConfigError(f"{type(self).__name__} needs a data set of texts, for example --data=ReviewsData")
        return data

    def _settle_dim(self, dim: int) -> None:
        if self.embedding_dim is None:
            self.embedding_dim = self.hparams["embedding_dim"] = dim
        elif self.embedding_dim != dim:
            raise CheckpointError(f"the model was built for embeddings of {self.embedding_dim} values, given {dim}")

    def _build_body(self) -> None:
        """Make the text encoder a submodule if it is trained with the head."""
        if self.stage == "end_to_end":
            self._check_text_key()
            self.body = self._text_encoder.trainable()
            self._settle_dim(self.body.dim)


@lru_cache(maxsize=4)
def _counts(text_encoder: TextEncoder) -> dict[str, int]:
    with torch.random.fork_rng([]):  # low-rank updates are initialised at random
        return text_encoder.trainable().counts()


def _check_texts(texts: Sequence[str]) -> None:
    for row, text in enumerate(texts, start=1):
        if not is_storable(text):
            raise DataError(
                f"the text '{abbreviate(text)}' (row {row} of {len(texts)}) contains half of a surrogate pair. Write "
                "the character itself in UTF-8"
            )


def _check_embeddings(texts: Sequence[str], embeddings: Tensor) -> None:
    norms = torch.linalg.vector_norm(embeddings, dim=1)
    bad = (~((norms > 0.0) & norms.isfinite())).nonzero()
    if len(bad):
        row = int(bad[0, 0])
        raise EncoderError(
            f"the embedding of the text '{abbreviate(texts[row])}' (row {row + 1} of {len(texts)}) has norm "
            f"{float(norms[row]):g} and carries no information. Remove the row, or choose another text_encoder"
        )
