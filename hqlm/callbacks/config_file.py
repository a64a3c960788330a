"""The resolved configuration of a run, so that it can be repeated from its own folder."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import get_loader
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hqlm.files import write_text


class ConfigFile(Callback):
    """Writes `config.yaml` when model and data have proved sound, before the first step, and gives it to all loggers.

    Args:
        text: the configuration as YAML.
        path: of the file.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.text = text
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, on rank 0."""
        self._write(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, unless this is the validation of a training."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._write(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, self.text)
            for logger in trainer.loggers:
                logger.log_hyperparams(get_loader("yaml")(self.text))
