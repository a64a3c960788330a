"""Qiskit as a backend: its simulator Aer, and any of its devices.

Source: Javadi-Abhari et al. (2024), Quantum computing with Qiskit, arXiv:2405.08810.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hqlm.backends import aer
from hqlm.backends.base import QuantumBackend
from hqlm.circuits import Circuit
from hqlm.execution import Noise


@dataclass(frozen=True)
class QiskitBackend(QuantumBackend):
    """Qiskit's simulator Aer, exactly and with shots."""

    requires: ClassVar[tuple[str, ...]] = ("qiskit", "qiskit_aer")
    install: ClassVar[str] = "hqlm[qiskit]"
    channels: ClassVar[frozenset[str]] = frozenset({"one_qubit", "two_qubit", "amplitude_damping", "phase_damping"})
    initial_states: ClassVar[bool] = True

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Exact expectation values `(rows, n_observables)`, float64, without a gradient."""
        return torch.from_numpy(aer.values(circuit, *_in_double(angles, states), noise))

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Samples `(rows, shots, n_qubits)`, uint8; arguments as for every backend."""
        return torch.from_numpy(aer.bits(circuit, *_in_double(angles, states), noise, shots, seed))


def _in_double(angles: Tensor, states: Tensor | None) -> tuple[aer.Angles, aer.States | None]:
    return (
        angles.detach().cpu().double().numpy(),
        None if states is None else states.detach().cpu().to(torch.complex128).numpy(),
    )
