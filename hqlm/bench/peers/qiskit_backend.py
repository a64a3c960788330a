"""`QiskitBackend` on Aer: exact values, gradients by parameter shift."""

from __future__ import annotations

from functools import partial

from hqlm.backends import QiskitBackend
from hqlm.bench.head import Head
from hqlm.bench.steps import Step, Values, torch_step
from hqlm.circuits import Circuit


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    return torch_step(_values, head, step)


def _values(circuit: Circuit) -> Values:
    return partial(QiskitBackend().expectations, circuit)
