"""The native backend: exact state vectors with exact gradients, without a quantum SDK.

On the CPU, circuits run in compiled kernels, on other devices in plain PyTorch (`reference.py`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor

from hqlm.backends import reference, trajectories
from hqlm.backends.angles import angle_columns, as_inputs, check_parameters
from hqlm.backends.base import QuantumBackend, rows_in_turn
from hqlm.backends.memory import check_memory
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.memory import check_fits
from hqlm.notices import say_once

_FEWER: Final = "Lower backend.density_matrix_qubits, so that trajectories are used, or use fewer qubits"
_DENSITY_BYTES: Final = 64  # per element: 16 rows side by side, in float32
_MOST_TRAJECTORIES: Final = 1_000_000
_MANY_GATES: Final = 10_000
_ROUNDING: Final = 4e-7  # error per gate of a value in float32: the worst observed, with the same angle in all gates


@dataclass(frozen=True)
class StatevectorBackend(QuantumBackend):
    """Exact simulation: state vectors without noise, density matrices or trajectories with noise.

    Arithmetic is real whenever the circuit and the initial states are. Beyond `density_matrix_qubits` a noisy value is
    the mean over trajectories (see `trajectories.py`), an unbiased estimate with unbiased gradients whose standard
    deviation falls as 1/sqrt(trajectories). Their errors are sampled with `execution.seed` and are the same for all
    rows. With shots every shot of a row is a trajectory.

    In float32, rounding errors grow with the number of gates: after 100,000 gates values differ from those in float64
    by about 5e-6 for random angles, and by up to 0.04 (4e-7 per gate) if one angle is repeated, since the same error
    then adds up. A message says so once beyond 10,000 gates; `trainer.precision=64-true` avoids the error.

    Args:
        trajectories: number of trajectories per value.
        density_matrix_qubits: simulate noisy circuits of up to this many qubits as density matrices.
    """

    trajectories: int = 64
    density_matrix_qubits: int = 8

    channels: ClassVar[frozenset[str]] = frozenset({"one_qubit", "two_qubit", "amplitude_damping", "phase_damping"})
    gradients: ClassVar[frozenset[str]] = frozenset({"adjoint", "parameter_shift", "spsa", "surrogate"})
    initial_states: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.density_matrix_qubits < 1:
            raise ConfigError(f"backend.density_matrix_qubits must be 1 or more, given {self.density_matrix_qubits}")
        if not 1 <= self.trajectories <= _MOST_TRAJECTORIES:
            raise ConfigError(
                f"backend.trajectories must lie between 1 and {_MOST_TRAJECTORIES:,}, given {self.trajectories:,}"
            )

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Also check that a state fits in memory, and that amplitude damping runs on a density matrix.

        Raises:
            UnsupportedExecution: with the setting and an alternative.
        """
        super().check(circuit, execution, states)
        check_memory(circuit.n_qubits, 1, 4)
        noise = execution.noise_model
        if noise.gate_channels and not self._needs_trajectories(circuit, noise):
            check_fits(_DENSITY_BYTES << 2 * circuit.n_qubits, f"density matrices of {circuit.n_qubits} qubits", _FEWER)
        if noise.amplitude_damping and self._needs_trajectories(circuit, noise):
            raise UnsupportedExecution(
                f"StatevectorBackend has noise.amplitude_damping on up to density_matrix_qubits="
                f"{self.density_matrix_qubits} qubits, the circuit has {circuit.n_qubits}. Set "
                f"backend.density_matrix_qubits={circuit.n_qubits} (memory grows as 4^n), use fewer qubits or "
                "set execution.noise.amplitude_damping=0"
            )

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Return exact expectation values `(rows, n_observables)`, differentiable by torch in angles and states."""
        if angles.device.type == "cpu":
            return _values(*as_inputs(circuit, angles), states, noise)
        if noise.gate_channels:
            rho = reference.final_density_matrices(circuit, angles, states, noise)
            return reference.density_expectations(circuit.observables, rho)
        return reference.state_expectations(circuit.observables, reference.final_states(circuit, angles, states))

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return samples `(rows, shots, n_qubits)`, uint8; arguments as in the base class."""
        with torch.no_grad():
            uniform = torch.from_numpy(np.random.default_rng(seed).random((len(angles), shots))).to(angles.device)
            if self._needs_trajectories(circuit, noise):
                errors = trajectories.draw_errors(circuit, noise, shots, seed)
                return _trajectory_bits(circuit, angles, states, errors, uniform)
            return reference.sample(_probabilities(circuit, angles, states, noise), uniform)

    def states(
        self, circuit: Circuit, weights: Tensor, inputs: Tensor | None = None, states: Tensor | None = None
    ) -> Tensor:
        """Return final states `(batch, 2**n_qubits)`, complex, differentiable, qubit 0 the most significant bit."""
        batch = check_parameters(circuit, weights, inputs, states)
        check_memory(circuit.n_qubits, batch, 2 * weights.dtype.itemsize)
        if weights.device.type == "cpu":
            psi: Tensor = _engine().final_states(circuit, weights, inputs, states)
        else:
            psi = reference.final_states(circuit, angle_columns(circuit, weights, inputs, batch), states)
        return psi.to(weights.dtype.to_complex())

    def _differentiable(
        self, circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, execution: Execution
    ) -> Tensor:
        noise = execution.noise_model
        if weights.device.type != "cpu":
            return super()._differentiable(circuit, weights, inputs, states, execution)
        if self._needs_trajectories(circuit, noise):
            return _trajectory_values(circuit, weights, inputs, states, self._errors(circuit, execution))
        return _values(circuit, weights, inputs, states, noise)

    def _exact(self, circuit: Circuit, angles: Tensor, states: Tensor | None, execution: Execution) -> Tensor:
        if not self._needs_trajectories(circuit, execution.noise_model):
            return super()._exact(circuit, angles, states, execution)
        errors = self._errors(circuit, execution)
        states = rows_in_turn(states, 0, len(angles))
        if angles.device.type == "cpu":
            return _trajectory_values(*as_inputs(circuit, angles), states, errors)
        return trajectories.expectations(circuit, angles, states, errors)

    def _errors(self, circuit: Circuit, execution: Execution) -> dict[Errors, float]:
        noise = execution.noise_model
        return trajectories.shares(trajectories.draw_errors(circuit, noise, self.trajectories, execution.seed or 0))

    def _needs_trajectories(self, circuit: Circuit, noise: Noise) -> bool:
        return bool(noise.gate_channels) and circuit.n_qubits > self.density_matrix_qubits


def _trajectory_bits(
    circuit: Circuit, angles: Tensor, states: Tensor | None, errors: list[Errors], uniform: Tensor
) -> Tensor:
    """Return samples `(rows, shots, n_qubits)`; shot s has the errors `errors[s]`, and equal errors share a state."""
    shots = defaultdict(list)
    for shot, each in enumerate(errors):
        shots[each].append(shot)
    bits = torch.empty(*uniform.shape, circuit.n_qubits, dtype=torch.uint8, device=angles.device)
    for each, places in shots.items():
        if angles.device.type == "cpu":
            psi = _engine().trajectory_states(*as_inputs(circuit, angles), states, each)
        else:
            psi = reference.final_states(*trajectories.with_errors(circuit, angles, each), states)
        bits[:, places] = reference.sample(psi.abs().square(), uniform[:, places])
    return bits


def _probabilities(circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
    """Return the probability of every basis state, `(rows, 2**n)`."""
    if angles.device.type == "cpu":
        if noise.gate_channels:
            found: Tensor = _engine("density_engine").probabilities(*as_inputs(circuit, angles), states, noise)
            return found.clamp(min=0.0)
        psi: Tensor = _engine().final_states(*as_inputs(circuit, angles), states)
        return psi.abs().square()
    if noise.gate_channels:
        rho = reference.final_density_matrices(circuit, angles, states, noise)
        return rho.diagonal(dim1=1, dim2=2).real.clamp(min=0.0)
    return reference.final_states(circuit, angles, states).abs().square()


def _values(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, noise: Noise) -> Tensor:
    """Return exact expectation values from the kernels."""
    if weights.dtype == torch.float32 and len(circuit.gates) > _MANY_GATES:
        say_once(
            f"{len(circuit.gates):,} gates in float32: rounding may change values by up to "
            f"{_ROUNDING * len(circuit.gates):.2g}. Set trainer.precision=64-true for exact values"
        )
    if noise.gate_channels:
        values: Tensor = _engine("density_engine").expectations(circuit, weights, inputs, states, noise)
    else:
        values = _engine().expectations(circuit, weights, inputs, states)
    return values


def _trajectory_values(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, errors: dict[Errors, float]
) -> Tensor:
    values: Tensor = _engine("trajectory_engine").expectations(circuit, weights, inputs, states, errors)
    return values


@lru_cache(maxsize=3)
def _engine(name: str = "engine") -> ModuleType:
    """Import compiled kernels; numba takes a second to import, so only when they are needed."""
    return import_module(f"hqlm.backends.kernels.{name}")
