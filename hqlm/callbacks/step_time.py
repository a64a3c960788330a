"""How long a training step takes."""

from __future__ import annotations

import statistics
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class StepTime(Callback):
    """Median of the seconds from the start of a training batch to its end, in the last sitting that had any."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._start = 0.0
        self._seconds: list[float] = []

    @property
    def seconds(self) -> float | None:
        """The median; None before the first step."""
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
        """The median so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the median of a checkpoint, for a run that has no step left."""
        seconds = state_dict["seconds"]
        self._before = None if seconds is None else float(seconds)
