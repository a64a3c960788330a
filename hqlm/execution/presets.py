"""Noise models of published devices, by name."""

from __future__ import annotations

from typing import Final

from hqlm.execution.noise import Noise

PRESETS: Final[dict[str, Noise]] = {
    # Chen et al. (2023), Benchmarking a trapped-ion quantum computer with 30 qubits, arXiv:2308.05071: median errors
    # of direct randomised benchmarking, and of state preparation and measurement
    "ionq_forte": Noise(one_qubit=2.0e-4, two_qubit=4.64e-3, readout=5.0e-3),
    # Arute et al. (2019), Quantum supremacy using a programmable superconducting processor, arXiv:1910.11333,
    # figure 2: mean Pauli errors with all qubits in operation, and the mean readout error
    "google_sycamore": Noise(one_qubit=1.6e-3, two_qubit=6.2e-3, readout=3.8e-2),
}
