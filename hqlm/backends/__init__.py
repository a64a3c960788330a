"""Quantum backends: one interface for shots, noise and gradients."""

from hqlm.backends.base import QuantumBackend
from hqlm.backends.qiskit import QiskitBackend
from hqlm.backends.statevector import StatevectorBackend
from hqlm.registry import Registry

BACKENDS: Registry[QuantumBackend] = Registry(QuantumBackend, "quantum backend")

__all__ = ["BACKENDS", "QiskitBackend", "QuantumBackend", "StatevectorBackend"]
