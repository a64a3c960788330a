"""Measures how long the circuit of a layer takes on this machine, from a few rows."""

from __future__ import annotations

import time
from typing import Final

import torch

from hqlm.layer import QuantumLayer

_LONG: Final = 1.0  # seconds; rows that take longer are not measured twice
_ROWS: Final = 4


def circuit_seconds(layer: QuantumLayer, rows: int, batches: int, training: bool = False) -> float:
    """Predict the seconds that the circuit of a layer takes, from its time for one row and, if short, for four.

    A batch costs `a + b * size`; translating and compiling, which happen once, are not included.

    Args:
        layer: layer with the circuit and its backend.
        rows: number of rows in all batches.
        batches: number of batches.
        training: whether to include gradients.
    """
    one = _seconds(layer, 1, training)
    if one > _LONG:
        return one * rows
    some = _seconds(layer, _ROWS, training)
    a_row = max(0.0, (some - one) / (_ROWS - 1))
    return batches * max(0.0, one - a_row) + rows * a_row


def _seconds(layer: QuantumLayer, rows: int, training: bool) -> float:
    """Return the seconds of a second run: the first may compile kernels, which depend on the number of rows."""
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
