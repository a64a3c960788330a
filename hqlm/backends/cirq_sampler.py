"""Any Cirq sampler as a backend, including quantum processors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from hqlm.backends.base import QuantumBackend
from hqlm.backends.cirq_circuits import program, qubits, sweep
from hqlm.backends.factories import create_from
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise


@dataclass(frozen=True)
class CirqSamplerBackend(QuantumBackend):
    """Any `cirq.Sampler`, such as a quantum processor: only with shots, from all qubits in 0, without seeds.

    Circuits act on `cirq.LineQubit(0)` to `cirq.LineQubit(n - 1)`. To run on hardware, write a function that returns a
    sampler which maps them to the qubits of a processor and compiles the circuits to its gates.

    Args:
        sampler: dotted path of a function or class that is called without arguments and returns a `cirq.Sampler`.
    """

    sampler: str = "cirq.Simulator"

    requires: ClassVar[tuple[str, ...]] = ("cirq",)
    install: ClassVar[str] = "hqlm[cirq]"
    imports: ClassVar[tuple[str, ...]] = ("sampler",)
    seeded: ClassVar[bool] = False

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Also check that the sampler can be imported.

        Raises:
            ConfigError: if the path does not yield a sampler.
            UnsupportedExecution: with the setting and an alternative.
        """
        super().check(circuit, execution, states)
        _sampler(self.sampler)

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return samples `(rows, shots, n_qubits)`, uint8; arguments as in the base class, `seed` has no effect."""
        import cirq

        measured = program(circuit, noise) + cirq.Circuit(cirq.measure(*qubits(circuit), key="bits"))
        try:
            results = _sampler(self.sampler).run_sweep(measured, params=sweep(angles), repetitions=shots)
        except ValueError as error:  # Cirq's devices raise it when they validate a circuit
            raise UnsupportedExecution(
                f"the sampler {self.sampler} rejects the circuit of {circuit.n_qubits} qubits: {error}. Use fewer "
                "qubits, gates that it supports or another backend.sampler"
            ) from error
        rows = [result.measurements["bits"] for result in results]
        fewest = min(map(len, rows))  # the base class rejects a batch with missing shots, in one row or in all
        return torch.from_numpy(np.stack([row[:fewest] for row in rows]).astype(np.uint8))


@lru_cache(maxsize=16)
def _sampler(path: str) -> Any:
    import cirq

    made = create_from(
        "backend.sampler",
        path,
        "give the dotted path of a function that returns a cirq.Sampler, such as my_package.processors.rainbow",
    )
    if not isinstance(made, cirq.Sampler):
        raise ConfigError(f"backend.sampler: '{path}' returns a {type(made).__name__}, not a cirq.Sampler")
    return made
