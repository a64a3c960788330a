"""What an evaluation will take, said before it starts: some simulators need seconds for a row, some devices dollars."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from hqlm.backends.paid import PaidBackend
from hqlm.layer import QuantumLayer

_WORTH_SAYING: Final = 5.0  # seconds
_PATIENCE: Final = 1.0  # seconds; rows that take longer are not measured twice
_ROWS: Final = 4
_FEW: Final = 200  # rows that give an idea of an accuracy


class TimeEstimate(Callback):
    """Times the quantum circuits of a model on a few rows and prints what all rows will take, if that is long.

    Where rows are charged, what all of them cost together must be allowed before the first is submitted.
    """

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the validation rows."""
        if not trainer.sanity_checking:
            _tell(pl_module, trainer.num_val_batches, trainer.val_dataloaders, "limit_val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the test rows."""
        _tell(pl_module, trainer.num_test_batches, trainer.test_dataloaders, "limit_test")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the rows to predict."""
        _tell(pl_module, trainer.num_predict_batches, trainer.predict_dataloaders, "limit_test")


def _tell(module: LightningModule, batches: list[int | float], loader: DataLoader[Any] | None, limit: str) -> None:
    every = [each for each in module.modules() if isinstance(each, QuantumLayer)]
    n_batches = int(sum(batches))
    if not every or not n_batches or loader is None:
        return
    rows = math.ceil(len(loader.dataset) * n_batches / len(loader))  # type: ignore[arg-type]
    for layer in every:
        if isinstance(layer.backend, PaidBackend):
            layer.backend.allow_rows(layer.circuit, rows, layer.execution)
    # rows on hardware are paid for, and queues make their time no measure of anything
    layers = [layer for layer in every if layer.backend.seeded]
    spent = [evaluation_seconds(layer, rows, n_batches) for layer in layers]
    if sum(spent) >= _WORTH_SAYING:
        slowest = layers[spent.index(max(spent))]
        hint = f"; --data.{limit}={_FEW} takes fewer rows" if rows > _FEW else ""
        rank_zero_info(f"about {_words(sum(spent))} for {rows:,} rows, most of it on {slowest.backend}{hint}")


def evaluation_seconds(layer: QuantumLayer, rows: int, batches: int) -> float:
    """Seconds that the circuit of a layer will take, from its time for one row and, where that is short, for four.

    A batch costs `a + b * size`; translating the circuit, which happens once, is left out.
    """
    one = _seconds(layer, 1)  # translates and compiles, too
    if one > _PATIENCE:
        return one * rows
    one, some = _seconds(layer, 1), _seconds(layer, _ROWS)
    a_row = max(0.0, (some - one) / (_ROWS - 1))
    return batches * max(0.0, one - a_row) + rows * a_row


def _seconds(layer: QuantumLayer, rows: int) -> float:
    circuit, weight = layer.circuit, layer.weight
    inputs = torch.linspace(-1.0, 1.0, rows * circuit.n_inputs).reshape(rows, circuit.n_inputs).to(weight)
    start = time.perf_counter()
    with torch.no_grad():
        layer.backend.expectations(circuit, weight, inputs, None, layer.execution)
    return time.perf_counter() - start


def _words(seconds: float) -> str:
    """A duration as a person would say it."""
    if seconds < 90.0:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
