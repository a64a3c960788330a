"""Callbacks that act before the first batch of a training or an evaluation."""

from __future__ import annotations

from abc import abstractmethod

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn


class BeforeBatches(Callback):
    """Base class of callbacks that act once per stage, after model and data are checked and before anything has run."""

    @abstractmethod
    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run the action; validations within a training do not count as stages."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a training."""
        self.begin(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a validation that is not part of a training."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.begin(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a test."""
        self.begin(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a prediction."""
        self.begin(trainer, pl_module)
