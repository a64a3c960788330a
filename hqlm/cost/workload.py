"""Number of circuits that a training run measures on a device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hqlm.backends import measurement
from hqlm.backends.paid import gradient_repeats
from hqlm.circuits import Circuit
from hqlm.execution import Execution

_MEASURED = ("spsa", "surrogate")  # gradient rules besides parameter shift that a device can use


@dataclass(frozen=True)
class Rows:
    """Rows of texts that pass through the circuit.

    Args:
        train: training rows per epoch.
        val: validation rows after each epoch.
        epochs: number of epochs.
        sanity: validation rows that Lightning runs before the first epoch.
    """

    train: int
    val: int
    epochs: int
    sanity: int = 0

    @property
    def trained(self) -> int:
        """Number of rows that need a gradient, over all epochs."""
        return self.epochs * self.train

    @property
    def evaluated(self) -> int:
        """Number of rows that need only values."""
        return self.epochs * self.val + self.sanity


@dataclass(frozen=True)
class Workload:
    """Circuits of a training run.

    Args:
        rows: rows that pass through the circuit.
        shots: shots of each circuit.
        gradient: gradient rule.
        per_row: circuits for the values of one row: one per choice of measurement bases.
        repeats: how often the gradient of a row measures them again, at other angles.
    """

    rows: Rows
    shots: int
    gradient: str
    per_row: int
    repeats: int

    @property
    def forward(self) -> int:
        """Number of circuits for all values."""
        return self.per_row * (self.rows.trained + self.rows.evaluated)

    @property
    def backward(self) -> int:
        """Number of circuits for all gradients."""
        return self.per_row * self.repeats * self.rows.trained

    @property
    def circuits(self) -> int:
        """Number of circuits of the run."""
        return self.forward + self.backward


def workload(circuit: Circuit, rows: Rows, execution: Execution, trains_inputs: bool, shots: int) -> Workload:
    """Return the circuits that training measures on a device, counted as paid backends count them.

    The gradient rule is that of `execution` if a device can use it, otherwise parameter shift: two circuits for each
    rotation that depends on something trainable, four for a controlled one.

    Args:
        circuit: circuit of the second module.
        rows: rows that pass through it.
        execution: settings with the gradient rule and the samples of `spsa`.
        trains_inputs: whether the inputs depend on something trainable, so that they need a gradient too.
        shots: shots of each circuit.
    """
    rule = execution.gradient if execution.gradient in _MEASURED else "parameter_shift"
    weights = torch.zeros(circuit.n_weights, requires_grad=True)
    inputs = torch.zeros(1, circuit.n_inputs, requires_grad=trains_inputs)
    repeats = gradient_repeats(circuit, weights, inputs, execution, rule)
    return Workload(rows, shots, rule, len(measurement.settings(circuit)), repeats)
