"""The compiled kernels of `StatevectorBackend` with errors after every gate."""

from __future__ import annotations

from functools import partial
from typing import Final

from hqlm.backends import StatevectorBackend
from hqlm.bench.head import Head
from hqlm.bench.steps import Step, Values, torch_step
from hqlm.circuits import Circuit
from hqlm.execution import Execution, Noise

NOISE: Final = Noise(one_qubit=0.001, two_qubit=0.01)


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    return torch_step(_values, head, step)


def _values(circuit: Circuit) -> Values:
    return partial(StatevectorBackend().expectations, circuit, execution=Execution(noise=NOISE))
