"""The trained text encoder of a run, in the format of sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from hqlm.callbacks.checkpoints import BestCheckpoint
from hqlm.encoders import Stage
from hqlm.io import read_checkpoint
from hqlm.models import EmbeddingModel
from hqlm.models.embedding import BODY
from hqlm.models.restoring import restored


class BodyFolder(Callback):
    """`body/`: the text encoder after its contrastive stage, or that of the best checkpoint after end-to-end training.

    Args:
        folder: of the run.
        best: the callback that knows the best checkpoint.
    """

    def __init__(self, folder: Path, best: BestCheckpoint) -> None:
        self.folder = folder / BODY
        self.best = best

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a tuned text encoder before the first checkpoint, which names it."""
        model = _with_stage("contrastive", trainer, pl_module)
        if model is not None and not self.folder.is_dir():
            model.save_body(self.folder)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the text encoder that was trained with the head."""
        model = _with_stage("end_to_end", trainer, pl_module)
        if model is not None:
            best = self.best.best_model_path
            if best:  # with the settings of this run, which are the user's own
                model = cast(
                    EmbeddingModel, restored({**read_checkpoint(best), "hyper_parameters": model.hparams}, Path(best))
                )
            model.save_body(self.folder)


def _with_stage(stage: Stage, trainer: Trainer, model: LightningModule) -> EmbeddingModel | None:
    has_it = isinstance(model, EmbeddingModel) and model.stage == stage
    return cast(EmbeddingModel, model) if has_it and trainer.is_global_zero else None
