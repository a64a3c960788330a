"""The backends of hqlm, each beside which another simulator is timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.head import Head
from benchmarks.steps import Step, Values, torch_step
from hqlm.backends import CirqBackend, PennyLaneBackend, QiskitBackend, QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.execution import Execution, Noise

NOISE: Final = Noise(one_qubit=0.001, two_qubit=0.01)
BACKENDS: Final[dict[str, tuple[Callable[[], QuantumBackend], Execution]]] = {
    "native": (StatevectorBackend, Execution()),
    "native_noisy": (StatevectorBackend, Execution(noise=NOISE)),
    "pennylane_backend": (partial(PennyLaneBackend, device="default.qubit"), Execution()),
    "lightning_backend": (partial(PennyLaneBackend, device="lightning.qubit"), Execution()),
    "cirq_backend": (partial(CirqBackend, simulator="state_vector"), Execution()),
    "qiskit_backend": (QiskitBackend, Execution()),
}


def build(peer: str, head: Head, step: str) -> Step:
    """Return a step of a head on the backend that is called `peer` here."""
    make, execution = BACKENDS[peer]

    def values(circuit: Circuit) -> Values:
        return partial(make().expectations, circuit, execution=execution)

    return torch_step(values, head, step)
