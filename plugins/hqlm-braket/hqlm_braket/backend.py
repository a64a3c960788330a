"""Amazon Braket as a backend: its simulators on this machine, and devices of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends import QuantumBackend
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError
from hqlm.execution import Noise
from hqlm.registry import suggestion
from hqlm_braket import local

_LOCAL: Final = ("auto", "braket_sv", "braket_dm")


@dataclass(frozen=True)
class BraketBackend(QuantumBackend):
    """Amazon Braket's simulators on this machine, exactly and with shots.

    Args:
        device: `braket_sv` for state vectors, `braket_dm` for density matrices, which alone have noise, or `auto`: the
            first without noise, the second under it.
    """

    device: str = "auto"

    requires: ClassVar[tuple[str, ...]] = ("braket",)
    install: ClassVar[str] = "hqlm-braket"

    def __post_init__(self) -> None:
        if self.device not in _LOCAL:
            raise ConfigError(f"backend.device: no device '{self.device}'. {suggestion(self.device, list(_LOCAL))}")

    @property
    def channels(self) -> frozenset[str]:
        """All of them, but for the simulator of state vectors."""
        every = ("one_qubit", "two_qubit", "amplitude_damping", "phase_damping")
        return frozenset(every if self.device in ("auto", "braket_dm") else ())

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Exact expectation values `(rows, n_observables)`, float64, without a gradient."""
        found = local.values(circuit, _in_double(angles), noise, self._density_matrix(noise))
        return torch.from_numpy(found)

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Samples `(rows, shots, n_qubits)`, uint8; arguments as for every backend."""
        found = local.bits(circuit, _in_double(angles), noise, self._density_matrix(noise), shots, seed)
        return torch.from_numpy(found)

    def _density_matrix(self, noise: Noise) -> bool:
        return self.device == "braket_dm" or bool(noise.gate_channels)


def _in_double(angles: Tensor) -> NDArray[np.float64]:
    return angles.detach().cpu().double().numpy()
