"""What training or an evaluation will take, said first: some backends need seconds for a row, some devices dollars."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
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

    Where rows are charged, what all rows of an evaluation cost together must be allowed before the first is submitted.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the first epoch: what one takes, gradients and validation included."""
        layers, loader = _simulated(pl_module), trainer.train_dataloader
        n_batches, n_val = int(trainer.num_training_batches), int(sum(trainer.num_val_batches))
        if not layers or not n_batches:
            return
        rows = _rows(loader, n_batches)
        spent = [circuit_seconds(layer, rows, n_batches, training=True) for layer in layers]
        if n_val:
            val_rows = _rows(trainer.val_dataloaders, n_val)
            validating = [circuit_seconds(layer, val_rows, n_val) for layer in layers]
            spent = [sum(pair) for pair in zip(spent, validating, strict=True)]
        left = (trainer.max_epochs or 0) - trainer.current_epoch
        every = f", {_words(left * sum(spent))} for {left} epochs" if left > 1 else ""
        limit = "" if trainer.datamodule is None else "limit_train"  # type: ignore[attr-defined]
        _say(layers, spent, f"an epoch of {rows:,} rows{every}", rows, limit)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the validation rows, but not of every epoch."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            _tell(pl_module, trainer.num_val_batches, trainer.val_dataloaders, "limit_val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the test rows."""
        _tell(pl_module, trainer.num_test_batches, trainer.test_dataloaders, "limit_test")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the rows to predict."""
        _tell(pl_module, trainer.num_predict_batches, trainer.predict_dataloaders, "limit_test")


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
        rank_zero_info(f"about {_words(sum(spent))} for {what}, most of it on {slowest.backend}{hint}")


def _layers(module: LightningModule) -> list[QuantumLayer]:
    return [each for each in module.modules() if isinstance(each, QuantumLayer)]


def _simulated(module: LightningModule) -> list[QuantumLayer]:
    """Layers that can be timed: rows on hardware are paid for, and queues make their time no measure of anything."""
    return [layer for layer in _layers(module) if layer.backend.seeded and not isinstance(layer.backend, PaidBackend)]


def _rows(loader: Any, n_batches: int) -> int:
    return math.ceil(len(loader.dataset) * n_batches / len(loader))


def circuit_seconds(layer: QuantumLayer, rows: int, batches: int, training: bool = False) -> float:
    """Seconds that the circuit of a layer will take, from its time for one row and, where that is short, for four.

    A batch costs `a + b * size`; translating and compiling, which happen once, are left out.

    Args:
        layer: with the circuit and its backend.
        rows: of all batches together.
        batches: how many calls.
        training: whether gradients are taken, too.
    """
    one = _seconds(layer, 1, training)
    if one > _PATIENCE:
        return one * rows
    some = _seconds(layer, _ROWS, training)
    a_row = max(0.0, (some - one) / (_ROWS - 1))
    return batches * max(0.0, one - a_row) + rows * a_row


def _seconds(layer: QuantumLayer, rows: int, training: bool) -> float:
    """Seconds of a second run: the first may compile kernels, which depend on the number of rows."""
    circuit, weight = layer.circuit, layer.weight.detach().requires_grad_(training)
    inputs = torch.linspace(-1.0, 1.0, rows * circuit.n_inputs).reshape(rows, circuit.n_inputs).to(weight)
    inputs.requires_grad_(training)
    start = 0.0
    for _ in range(2):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            values = layer.backend.expectations(circuit, weight, inputs, None, layer.execution)
        if values.requires_grad:
            values.sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


def _words(seconds: float) -> str:
    """A duration as a person would say it."""
    if seconds < 90.0:
        return f"{math.ceil(round(seconds, 6))} s"  # a sum of floats may lie a hair above a whole number
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
