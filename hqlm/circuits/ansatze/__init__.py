"""Trainable circuits, one per file."""

from hqlm.circuits.ansatze.base import Ansatz, Weights, check_size
from hqlm.circuits.ansatze.brick_wall import BrickWallAnsatz
from hqlm.circuits.ansatze.hardware_efficient import HardwareEfficientAnsatz
from hqlm.circuits.ansatze.no_entanglement import NoEntanglementAnsatz
from hqlm.circuits.ansatze.ring import RingAnsatz
from hqlm.circuits.ansatze.strongly_entangling import StronglyEntanglingAnsatz
from hqlm.circuits.ansatze.uccsd import UCCSDAnsatz
from hqlm.registry import Registry

ANSATZE: Registry[Ansatz] = Registry(Ansatz, "ansatz")  # type: ignore[type-abstract]

__all__ = [
    "ANSATZE",
    "Ansatz",
    "BrickWallAnsatz",
    "HardwareEfficientAnsatz",
    "NoEntanglementAnsatz",
    "RingAnsatz",
    "StronglyEntanglingAnsatz",
    "UCCSDAnsatz",
    "Weights",
    "check_size",
]
