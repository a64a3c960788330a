"""Rotations about any Pauli string, composed of gates of the gate set."""

from __future__ import annotations

from itertools import pairwise

from hqlm.circuits.circuit import PauliString
from hqlm.circuits.gates import Angle, Gate

_TO_Z = {"X": "H", "Y": "SX"}  # SX takes Y to Z
_BACK = {"X": "H", "Y": "SXDG"}


def pauli_rotation(string: PauliString, angle: Angle) -> tuple[Gate, ...]:
    """Return `exp(-i angle P / 2)`: basis changes, a CNOT ladder that collects the parity, RZ, and their inverses.

    Args:
        string: P; the identity yields no gates, since it is a global phase.
        angle: radians, or the parameter that sets them.
    """
    if not string.support:
        return ()
    changes = [(wire, string.letters[wire]) for wire in string.support if string.letters[wire] != "Z"]
    ladder = [Gate("CNOT", pair) for pair in pairwise(string.support)]
    return (
        *(Gate(_TO_Z[letter], (wire,)) for wire, letter in changes),
        *ladder,
        Gate("RZ", string.support[-1:], angle),
        *reversed(ladder),
        *(Gate(_BACK[letter], (wire,)) for wire, letter in changes),
    )
