"""How long training took, over all the sittings of a run."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class TrainingTime(Callback):
    """Seconds between the start and the end of training, validation included and embedding of texts not.

    Lightning's own Timer would switch `trainer.max_time` off, which it serves.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._start: float | None = None
        self._end: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far; those of a run that goes on include what its checkpoint had seen."""
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
        """The seconds so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of a checkpoint."""
        self._before = float(state_dict["seconds"])
