"""Circuits as frozen values, and the recipes that make them."""

from hqlm.circuits.ansatze import (
    ANSATZE,
    Ansatz,
    BrickWallAnsatz,
    HardwareEfficientAnsatz,
    NoEntanglementAnsatz,
    RingAnsatz,
    StronglyEntanglingAnsatz,
)
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.gates import GATES, Angle, Gate, Input, Weight
from hqlm.circuits.reuploading import (
    REUPLOADINGS,
    InterleavedUpload,
    NoUpload,
    RepeatedUpload,
    Reuploading,
    SingleUpload,
)

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
    "Weight",
]
