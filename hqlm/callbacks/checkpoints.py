"""The state from which a run resumes: checkpoints, random generators and the text encoder."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from hqlm.encoders import Stage
from hqlm.models import EmbeddingModel, HqlmModule
from hqlm.models.reading import read_checkpoint
from hqlm.models.restoring import restored

# Both are saved after a whole epoch, so that a resumed run neither repeats nor skips a step, and under names
# without a counter, so that it overwrites those of the killed run.


class BestCheckpoint(ModelCheckpoint):
    """`best-epoch<k>-acc<value>.ckpt`, chosen by `val/acc` or by the model's own score.

    Args:
        path: file without epoch, score and suffix.
        model: model that is trained.
    """

    def __init__(self, path: Path, model: HqlmModule) -> None:
        super().__init__(
            dirpath=path.parent,
            filename=path.name + "-epoch{epoch:02d}-" + f"{model.score.rpartition('/')[2]}{{{model.score}:.6g}}",
            auto_insert_metric_name=False,  # it would write the slash of val/acc into the file name
            monitor=model.score,
            mode=model.score_mode,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Skip an epoch without validation (`trainer.check_val_every_n_epoch`), which has no score."""
        every = trainer.check_val_every_n_epoch
        is_due = trainer.enable_validation and every is not None and (trainer.current_epoch + 1) % every == 0
        if is_due or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)


class LastCheckpoint(ModelCheckpoint):
    """`last.ckpt` after every epoch; Lightning's `save_last` follows the best one (2.6; its issue 19325).

    Args:
        path: file without its suffix.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            dirpath=path.parent, filename=path.name, save_on_train_epoch_end=True, enable_version_counter=False
        )


class BodyFolder(Callback):
    """`body/`: the text encoder after its contrastive stage, or that of the best checkpoint after end-to-end training.

    Args:
        folder: folder of the text encoder.
        best: callback that knows the best checkpoint.
    """

    def __init__(self, folder: Path, best: BestCheckpoint) -> None:
        self.folder = folder
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
            if best:  # with the settings of this run, which come from the user
                model = cast(
                    EmbeddingModel,
                    restored({**read_checkpoint(best), "hyper_parameters": model.hparams}, Path(best), self.folder),
                )
            model.save_body(self.folder)


def _with_stage(stage: Stage, trainer: Trainer, model: LightningModule) -> EmbeddingModel | None:
    has_it = isinstance(model, EmbeddingModel) and model.stage == stage
    return cast(EmbeddingModel, model) if has_it and trainer.is_global_zero else None


class RandomState(Callback):
    """Stores the generators of torch (CPU and CUDA), NumPy and Python in the checkpoint, as tensors and numbers."""

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the states, in a form that `weights_only` can read."""
        algorithm, keys, position, has_gauss, cached = np.random.get_state()
        version, words, gauss = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),  # an empty list without a device
            "numpy": [str(algorithm), torch.from_numpy(np.array(keys)), int(position), int(has_gauss), float(cached)],
            "python": [version, list(words), gauss],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until training starts; invalid states are rejected here already."""
        torch.Generator().set_state(state_dict["torch"])
        np.random.RandomState().set_state(_numpy_state(state_dict))
        random.Random().setstate(_python_state(state_dict))
        if not all(isinstance(state, Tensor) for state in state_dict["cuda"]):
            raise TypeError("the states of the CUDA generators must be tensors")
        self._restored = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the states of the checkpoint, since building the model has drawn random numbers."""
        if self._restored is None:
            return
        states = self._restored
        torch.set_rng_state(states["torch"])
        if states["cuda"]:
            torch.cuda.set_rng_state_all(states["cuda"])
        np.random.set_state(_numpy_state(states))
        random.setstate(_python_state(states))
        self._restored = None


def _numpy_state(states: dict[str, Any]) -> tuple[Any, ...]:
    algorithm, keys, *rest = states["numpy"]
    return (algorithm, keys.numpy(), *rest)


def _python_state(states: dict[str, Any]) -> tuple[Any, ...]:
    version, words, gauss = states["python"]
    return (version, tuple(words), gauss)
