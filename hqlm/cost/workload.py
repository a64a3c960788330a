"""Number of circuits that a training run measures on a device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hqlm.backends import measurement
from hqlm.backends.paid import gradient_repeats
from hqlm.circuits import Circuit
from hqlm.execution import Execution

_MEASURED = ("spsa", "surrogate")  # gradient rules beside parameter shift that a device can have


@dataclass(frozen=True)
class Rows:
    """Rows of texts that pass through the circuit.

    Args:
        train: rows of an epoch.
        val: validation rows after each epoch.
        epochs: how often both pass.
        sanity: validation rows that Lightning tries before the first epoch.
    """

    train: int
    val: int
    epochs: int
    sanity: int = 0

    @property
    def trained(self) -> int:
        """Rows that need a gradient, over all epochs."""
        return self.epochs * self.train

    @property
    def evaluated(self) -> int:
        """Rows that need values alone."""
        return self.epochs * self.val + self.sanity


@dataclass(frozen=True)
class Workload:
    """Circuits of a training run.

    Args:
        rows: what passes through the circuit.
        shots: of each circuit.
        gradient: rule of the gradient.
        per_row: circuits of the values of one row: one for each choice of measurement bases.
        repeats: how often the gradient of a row measures them again, at other angles.
    """

    rows: Rows
    shots: int
    gradient: str
    per_row: int
    repeats: int

    @property
    def forward(self) -> int:
        """Circuits of all values."""
        return self.per_row * (self.rows.trained + self.rows.evaluated)

    @property
    def backward(self) -> int:
        """Circuits of all gradients."""
        return self.per_row * self.repeats * self.rows.trained

    @property
    def circuits(self) -> int:
        """All circuits of the run."""
        return self.forward + self.backward


def workload(circuit: Circuit, rows: Rows, execution: Execution, trains_inputs: bool, shots: int) -> Workload:
    """Return what training measures on a device, counted as paid backends count it.

    The gradient follows `execution` where a device can have its rule, and is the parameter-shift rule otherwise: two
    circuits for each rotation that something trainable feeds, four for a controlled one.

    Args:
        circuit: of the second module.
        rows: that pass through it.
        execution: its gradient rule, and the samples of `spsa`.
        trains_inputs: whether something trainable feeds the inputs, so that they need a gradient too.
        shots: of each circuit.
    """
    rule = execution.gradient if execution.gradient in _MEASURED else "parameter_shift"
    weights = torch.zeros(circuit.n_weights, requires_grad=True)
    inputs = torch.zeros(1, circuit.n_inputs, requires_grad=trains_inputs)
    repeats = gradient_repeats(circuit, weights, inputs, execution, rule)
    return Workload(rows, shots, rule, len(measurement.settings(circuit)), repeats)
