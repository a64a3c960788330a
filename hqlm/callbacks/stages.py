"""The moment before the first batch of a training or an evaluation."""

from __future__ import annotations

from abc import abstractmethod

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn


class BeforeBatches(Callback):
    """Base of callbacks that act once in each stage, when model and data have proved sound and nothing has run yet."""

    @abstractmethod
    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Act; validations within a training do not count as stages."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a training."""
        self.begin(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a validation that is no part of a training."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.begin(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a test."""
        self.begin(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a prediction."""
        self.begin(trainer, pl_module)
