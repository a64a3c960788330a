"""Quantum backends: one interface for exact values, shots, noise and gradients."""

from hqlm.backends.base import QuantumBackend
from hqlm.backends.cirq import CirqBackend
from hqlm.backends.cirq_sampler import CirqSamplerBackend
from hqlm.backends.pennylane import PennyLaneBackend
from hqlm.backends.qiskit import QiskitBackend
from hqlm.backends.statevector import StatevectorBackend
from hqlm.registry import Registry

BACKENDS: Registry[QuantumBackend] = Registry(QuantumBackend, "quantum backend")

__all__ = [
    "BACKENDS",
    "CirqBackend",
    "CirqSamplerBackend",
    "PennyLaneBackend",
    "QiskitBackend",
    "QuantumBackend",
    "StatevectorBackend",
]
