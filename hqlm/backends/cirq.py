"""Cirq's simulators as a backend.

Source: Cirq Developers, Cirq, doi:10.5281/zenodo.4062499; qsim: Quantum AI team and collaborators,
doi:10.5281/zenodo.4023103.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends import reference
from hqlm.backends.base import QuantumBackend
from hqlm.backends.cirq_circuits import observables, program, qubits, sweep
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, MissingDependency, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.notices import say_once
from hqlm.registry import suggestion

Array = NDArray[Any]
Simulator = Literal["auto", "state_vector", "density_matrix", "qsim"]


@dataclass(frozen=True)
class CirqBackend(QuantumBackend):
    """Cirq's simulators, run row by row: state vectors, density matrices with noise, or qsim.

    They have no gradients of their own. `execution.gradient: surrogate` is the fastest rule and, without shots and
    noise, gives the same result as the others.

    Args:
        simulator: `state_vector` and `density_matrix` in double precision, `qsim` (package qsimcirq) in single
            precision; `auto` is `state_vector` without noise and `density_matrix` with it.
    """

    simulator: Simulator = "auto"

    requires: ClassVar[tuple[str, ...]] = ("cirq",)
    install: ClassVar[str] = "hqlm[cirq]"
    initial_states: ClassVar[bool] = True

    def __post_init__(self) -> None:
        known = list(get_args(Simulator))
        if self.simulator not in known:
            raise ConfigError(f"backend.simulator: no '{self.simulator}'. {suggestion(self.simulator, known)}")

    @property
    def channels(self) -> frozenset[str]:  # type: ignore[override]
        """All channels if density matrices are simulated."""
        every = {"one_qubit", "two_qubit", "amplitude_damping", "phase_damping"}
        return frozenset(every if self.simulator in ("auto", "density_matrix") else ())

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Also check that the simulator is installed and supports the noise.

        Raises:
            MissingDependency: if qsimcirq is needed and not installed.
            UnsupportedExecution: with the setting and an alternative.
        """
        noise = execution.noise_model
        if noise.gate_channels - self.channels:
            raise UnsupportedExecution(
                f"CirqBackend has no noise {', '.join(sorted(noise.gate_channels))} with simulator={self.simulator}. "
                "Set backend.simulator to density_matrix or auto"
            )
        super().check(circuit, execution, states)
        if self.simulator == "qsim" and find_spec("qsimcirq") is None:
            raise MissingDependency("CirqBackend with simulator=qsim needs qsimcirq: pip install qsimcirq")
        if self.simulator == "auto":
            kind, how = self._kind(noise), "under" if noise.gate_channels else "without"
            say_once(f"CirqBackend: simulator=auto is {kind} {how} noise")

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Return exact expectation values `(rows, n_observables)`; arguments as in the base class."""
        run = partial(_simulator(self._kind(noise)).simulate_expectation_values_sweep, program(circuit, noise))
        found = _rows(partial(run, observables(circuit), qubit_order=qubits(circuit)), angles, self._amplitudes(states))
        return torch.from_numpy(np.real(found))

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return samples `(rows, shots, n_qubits)`, uint8; arguments as in the base class."""
        run = partial(_simulator(self._kind(noise)).simulate_sweep, program(circuit, noise))
        found = _rows(partial(run, qubit_order=qubits(circuit)), angles, self._amplitudes(states))
        uniform = torch.from_numpy(np.random.default_rng(seed).random((len(angles), shots)))
        return reference.sample(torch.from_numpy(np.stack([_probabilities(result) for result in found])), uniform)

    def _kind(self, noise: Noise) -> str:
        if self.simulator != "auto":
            return self.simulator
        return "density_matrix" if noise.gate_channels else "state_vector"

    def _amplitudes(self, states: Tensor | None) -> Array | None:
        """Return states in the precision of the simulator, which expects them normalised in that precision."""
        if states is None:
            return None
        normalised = torch.nn.functional.normalize(states.detach().cpu().to(torch.complex128), dim=1)
        return normalised.numpy().astype(np.complex64 if self.simulator == "qsim" else np.complex128)


def _rows(run: Any, angles: Tensor, states: Array | None) -> list[Any]:
    """Return the result of a simulator method for each row; all rows at once only without initial states."""
    resolvers = sweep(angles)
    if states is None:
        return list(run(params=resolvers))
    return [run(params=row, initial_state=state)[0] for row, state in zip(resolvers, states, strict=True)]


def _probabilities(result: Any) -> Array:
    import cirq

    if isinstance(result, cirq.DensityMatrixTrialResult):
        diagonal: Array = np.diagonal(result.final_density_matrix).real
        return diagonal.clip(min=0.0)
    amplitudes: Array = result.final_state_vector
    return np.abs(amplitudes) ** 2


@lru_cache(maxsize=4)
def _simulator(kind: str) -> Any:
    import cirq

    if kind == "qsim":
        import qsimcirq

        return qsimcirq.QSimSimulator(seed=0)  # without a seed it would draw from NumPy's global generator
    # in these small circuits all qubits are soon entangled, so keeping them separate until then only costs time
    made = {"state_vector": cirq.Simulator, "density_matrix": cirq.DensityMatrixSimulator}[kind]
    return made(dtype=np.complex128, split_untangled_states=False)
