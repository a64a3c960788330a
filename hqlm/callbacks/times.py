"""Duration of a run: measured, and estimated before it starts."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from hqlm.backends.paid import PaidBackend
from hqlm.callbacks.stages import BeforeBatches
from hqlm.cost.seconds import circuit_seconds
from hqlm.layer import QuantumLayer

_TICK: Final = 1e-9  # seconds, resolution of the clock of the processor
_WORTH_SAYING: Final = 5.0  # shorter estimates, in seconds, are not printed
_FEW: Final = 200  # rows for a rough accuracy


class StepTime(Callback):
    """Median seconds of a training step, in the last session that had any."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._start = 0.0
        self._seconds: list[float] = []

    @property
    def seconds(self) -> float | None:
        """Median; None before the first step."""
        return statistics.median(self._seconds) if self._seconds else self._before

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the clock."""
        self._seconds.append(time.perf_counter() - self._start)

    def state_dict(self) -> dict[str, Any]:
        """Return the median so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the median of a checkpoint, for a run that has no step left."""
        seconds = state_dict["seconds"]
        self._before = None if seconds is None else float(seconds)


class InferenceSpeed(Callback):
    """Rows that a test takes through the model for a second of processor time, by the median batch."""

    def __init__(self) -> None:
        self._start = 0.0
        self._seconds: list[float] = []  # a row, of each batch

    @property
    def rows_per_second(self) -> float | None:
        """The speed, without the first batch, which warms up; None before any."""
        return 1.0 / max(statistics.median(self._seconds[1:] or self._seconds), _TICK) if self._seconds else None

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Start the clock."""
        self._start = time.process_time()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop the clock."""
        self._seconds.append((time.process_time() - self._start) / max(len(batch[0]), 1))


class TrainingTime(Callback):
    """Seconds between the start and the end of training, including validation but not the embedding of texts.

    Lightning's own Timer is not used, because it would disable `trainer.max_time`, which needs it.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._start: float | None = None
        self._end: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far; a resumed run includes those of its checkpoint."""
        if self._start is None:
            return self._before
        return self._before + (self._end or time.perf_counter()) - self._start

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._end = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the seconds of a checkpoint."""
        self._before = float(state_dict["seconds"])


class TimeEstimate(BeforeBatches):
    """Times the quantum circuits of a model on a few rows and prints the time for all rows, if that is long.

    The estimate assumes that the load of the machine stays as it is, and counts only circuits: cores that other
    programs, or trials side by side, take later are not considered. If rows are charged, the cost of all rows of an
    evaluation must be allowed before the first is submitted.
    """

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the estimate of an epoch, gradients and validation included, or of the rows of an evaluation."""
        match trainer.state.fn:
            case TrainerFn.FITTING:
                _tell_training(pl_module, trainer)
            case TrainerFn.VALIDATING:
                _tell(pl_module, trainer.num_val_batches, trainer.val_dataloaders, "limit_val")
            case TrainerFn.TESTING:
                _tell(pl_module, trainer.num_test_batches, trainer.test_dataloaders, "limit_test")
            case TrainerFn.PREDICTING:
                _tell(pl_module, trainer.num_predict_batches, trainer.predict_dataloaders, "limit_test")


def _tell_training(module: LightningModule, trainer: Trainer) -> None:
    layers, n_batches, n_val = _simulated(module), int(trainer.num_training_batches), int(sum(trainer.num_val_batches))
    if not layers or not n_batches:
        return
    rows = _rows(trainer.train_dataloader, n_batches)
    spent = [circuit_seconds(layer, rows, n_batches, training=True) for layer in layers]
    if n_val:
        val_rows = _rows(trainer.val_dataloaders, n_val)
        validating = [circuit_seconds(layer, val_rows, n_val) for layer in layers]
        spent = [sum(pair) for pair in zip(spent, validating, strict=True)]
    left = (trainer.max_epochs or 0) - trainer.current_epoch
    every = f", {_words(left * sum(spent))} for {left} epochs" if left > 1 else ""
    limit = "" if trainer.datamodule is None else "limit_train"  # type: ignore[attr-defined]
    _say(layers, spent, f"an epoch of {rows:,} rows{every}", rows, limit)


def _tell(module: LightningModule, batches: list[int | float], loader: DataLoader[Any] | None, limit: str) -> None:
    n_batches = int(sum(batches))
    if not n_batches or loader is None:
        return
    rows = _rows(loader, n_batches)
    for layer in _layers(module):
        if isinstance(layer.backend, PaidBackend):
            layer.backend.allow_rows(layer.circuit, rows, layer.execution)
    layers = _simulated(module)
    _say(layers, [circuit_seconds(layer, rows, n_batches) for layer in layers], f"{rows:,} rows", rows, limit)


def _say(layers: list[QuantumLayer], spent: list[float], what: str, rows: int, limit: str) -> None:
    if sum(spent) >= _WORTH_SAYING:
        slowest = layers[spent.index(max(spent))]
        hint = f"; --data.{limit}={_FEW} takes fewer rows" if limit and rows > _FEW else ""
        rank_zero_info(
            f"about {_words(sum(spent))} for {what}, most of it on {slowest.backend}, if the load of the machine "
            f"stays as it is now{hint}"
        )


def _layers(module: LightningModule) -> list[QuantumLayer]:
    return [each for each in module.modules() if isinstance(each, QuantumLayer)]


def _simulated(module: LightningModule) -> list[QuantumLayer]:
    """Return the layers that can be timed: rows on hardware cost money, and queues make their time meaningless."""
    return [layer for layer in _layers(module) if layer.backend.seeded and not isinstance(layer.backend, PaidBackend)]


def _rows(loader: Any, n_batches: int) -> int:
    return math.ceil(len(loader.dataset) * n_batches / len(loader))


def _words(seconds: float) -> str:
    """Return a duration in a readable unit."""
    if seconds < 90.0:
        return f"{math.ceil(round(seconds, 6))} s"  # a sum of floats may be slightly above a whole number
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
