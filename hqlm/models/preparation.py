"""Builds the model and initialises it from the training data before any callback is set up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, StochasticWeightAveraging

from hqlm.errors import ConfigError

_REFUSED: Final[dict[type[Callback], str]] = {
    BatchSizeFinder: "it changes data.batch_size after the schedule and config.yaml are created. Set data.batch_size",
    LearningRateFinder: "it changes model.optimizer.lr after config.yaml is created. Set model.optimizer.lr, or "
    "compare rates with hqlm study",
    StochasticWeightAveraging: "it averages after the last checkpoint is written, so the average is lost. Use "
    "EMAWeightAveraging",
}


def check_callbacks(callbacks: Iterable[type]) -> None:
    """Reject callback classes whose effect no configuration or checkpoint would store.

    Raises:
        ConfigError: with the first of them, and an alternative.
    """
    for callback in callbacks:
        for refused, reason in _REFUSED.items():
            if issubclass(callback, refused):
                raise ConfigError(f"trainer.callbacks: {callback.__name__} is not supported: {reason}")


class Preparation(Callback):
    """Builds the model of a fit before other callbacks copy or average its weights.

    Lightning sets up callbacks before the model, and builds the model after both.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set up and build the model; Lightning's own calls later find that done."""
        if stage != "fit":
            return
        pl_module.setup(stage)
        with trainer.precision_plugin.module_init_context():
            pl_module.configure_model()
        pl_module.initialize()  # type: ignore[operator]  # a checkpoint may replace the values later
