"""IonQ's devices as a quantum backend of hqlm, through the vendor's own SDK for Qiskit."""

from hqlm_ionq.backend import IonQBackend

__all__ = ["IonQBackend"]
