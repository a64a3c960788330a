"""The plain PyTorch path of `StatevectorBackend`, a loop over gates with autograd."""

from __future__ import annotations

from torch import Tensor

from benchmarks.head import Head
from benchmarks.steps import Step, Values, torch_step
from hqlm.backends import reference
from hqlm.backends.angles import angle_columns
from hqlm.circuits import Circuit


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    return torch_step(_values, head, step)


def _values(circuit: Circuit) -> Values:
    def values(weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
        batch = next(len(rows) for rows in (inputs, states) if rows is not None)
        angles = angle_columns(circuit, weights, inputs, batch)
        return reference.state_expectations(circuit.observables, reference.final_states(circuit, angles, states))

    return values
