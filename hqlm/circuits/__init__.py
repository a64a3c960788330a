"""Circuits as frozen values, and the recipes that build them."""

from hqlm.circuits.ansatze import (
    ANSATZE,
    Ansatz,
    BrickWallAnsatz,
    HardwareEfficientAnsatz,
    NoEntanglementAnsatz,
    RingAnsatz,
    StronglyEntanglingAnsatz,
    UCCSDAnsatz,
    Weights,
    check_size,
)
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.gates import GATES, Angle, Gate, Input, Weight
from hqlm.circuits.pauli_rotation import pauli_rotation
from hqlm.circuits.reuploading import (
    REUPLOADINGS,
    InterleavedUpload,
    NoUpload,
    RepeatedUpload,
    Reuploading,
    SingleUpload,
    angle_encoding,
    check_uploads,
    group_size,
)
from hqlm.circuits.sizes import check_gates, check_qubits

__all__ = [
    "ANSATZE",
    "GATES",
    "REUPLOADINGS",
    "Angle",
    "Ansatz",
    "BrickWallAnsatz",
    "Circuit",
    "Gate",
    "HardwareEfficientAnsatz",
    "Input",
    "InterleavedUpload",
    "NoEntanglementAnsatz",
    "NoUpload",
    "PauliString",
    "RepeatedUpload",
    "Reuploading",
    "RingAnsatz",
    "SingleUpload",
    "StronglyEntanglingAnsatz",
    "UCCSDAnsatz",
    "Weight",
    "Weights",
    "angle_encoding",
    "check_gates",
    "check_qubits",
    "check_size",
    "check_uploads",
    "group_size",
    "pauli_rotation",
]
