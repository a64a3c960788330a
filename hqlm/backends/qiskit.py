"""Qiskit as a backend: its simulator Aer, and any Qiskit device.

Source: Javadi-Abhari et al. (2024), Quantum computing with Qiskit, arXiv:2405.08810.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, get_args

import torch
from torch import Tensor

from hqlm.backends import aer, qiskit_devices
from hqlm.backends.base import QuantumBackend
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise

_AER: Final = "aer"
_Level = Literal[0, 1, 2, 3]


@dataclass(frozen=True)
class QiskitBackend(QuantumBackend):
    """Qiskit: its simulator Aer, exactly and with shots, or any Qiskit device with shots.

    Aer runs circuits unchanged. For a device they are transpiled to its gates and couplings, `Noise` is rejected
    because the device has its own, and measurements are stored (see `remote.py`) unless it is simulated from a seed.

    Args:
        device: `aer`, or the dotted path of a class or function that returns, called without arguments, a
            `BackendV2`, such as `qiskit_ibm_runtime.fake_provider.FakeManilaV2` or `my_module.my_device`.
        optimization_level: level of the transpilation for a device, 0 to 3.
        rows_per_job: number of circuits sent to a device at a time.
    """

    device: str = _AER
    optimization_level: _Level = 2
    rows_per_job: int = 100

    requires: ClassVar[tuple[str, ...]] = ("qiskit", "qiskit_aer")
    install: ClassVar[str] = "hqlm[qiskit]"
    imports: ClassVar[tuple[str, ...]] = ("device",)

    def __post_init__(self) -> None:
        if self.optimization_level not in get_args(_Level):
            raise ConfigError(f"backend.optimization_level must be 0, 1, 2 or 3, given {self.optimization_level}")
        if self.rows_per_job < 1:
            raise ConfigError(f"backend.rows_per_job must be 1 or more, given {self.rows_per_job}")

    @property
    def exact(self) -> bool:
        """Whether the device is Aer."""
        return self.device == _AER

    @property
    def channels(self) -> frozenset[str]:  # type: ignore[override]
        """All channels on Aer."""
        every = ("one_qubit", "two_qubit", "amplitude_damping", "phase_damping")
        return frozenset(every if self.device == _AER else ())

    @property
    def initial_states(self) -> bool:  # type: ignore[override]
        """Whether the device is Aer."""
        return self.device == _AER

    @property
    def readout_errors(self) -> bool:  # type: ignore[override]
        """Whether the device is Aer."""
        return self.device == _AER

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        """Whether the device is Aer, or is simulated in this process."""
        return self.device == _AER or qiskit_devices.takes_seed(self.device)

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Also check that a device exists and has enough qubits.

        Raises:
            ConfigError: if the device cannot be created.
            UnsupportedExecution: with the setting and an alternative.
        """
        super().check(circuit, execution, states)
        if self.device != _AER:
            device = qiskit_devices.device(self.device)
            if device.num_qubits is not None and device.num_qubits < circuit.n_qubits:
                raise UnsupportedExecution(
                    f"device {device.name} has {device.num_qubits} qubits, the circuit needs {circuit.n_qubits}. "
                    "Set backend.device to a larger one or use fewer qubits"
                )

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Return exact expectation values `(rows, n_observables)`, float64, without a gradient."""
        return torch.from_numpy(aer.values(circuit, *_in_double(angles, states), noise))

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return samples `(rows, shots, n_qubits)`, uint8; arguments as in the base class."""
        rows, starts = _in_double(angles, states)
        if self.device == _AER:
            return torch.from_numpy(aer.bits(circuit, rows, starts, noise, shots, seed))
        level, bound = self.optimization_level, self.rows_per_job
        return torch.from_numpy(qiskit_devices.bits(self.device, level, bound, circuit, rows, shots, seed))


def _in_double(angles: Tensor, states: Tensor | None) -> tuple[aer.Angles, aer.States | None]:
    return (
        angles.detach().cpu().double().numpy(),
        None if states is None else states.detach().cpu().to(torch.complex128).numpy(),
    )
