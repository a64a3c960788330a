"""Circuits in Braket's terms: the names of its gates and channels, the same for its simulators and its devices.

Braket numbers qubits as hqlm does, the first one most significant, so wires stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hqlm.circuits import GATES, Circuit, Gate

# what Braket writes otherwise than hqlm in lower case; a rotation about ZZ is `zz` there
_NAMES: Final = {"SDG": "si", "TDG": "ti", "SX": "v", "SXDG": "vi", "RXX": "xx", "RYY": "yy", "RZZ": "zz"}


class Step(NamedTuple):
    """A gate of Braket: its name, its wires, and the factor of the angle if it takes one."""

    name: str
    wires: tuple[int, ...]
    factor: float | None


def steps(gate: Gate) -> list[Step]:
    """Braket's gates of one of ours.

    A controlled rotation becomes R(t/2) C R(-t/2) C, with R on the target and C a CZ or a CNOT, whichever turns its
    sign: Braket writes it with a control modifier, which devices do not take.
    """
    name = _NAMES.get(gate.name, gate.name.lower())
    if gate.angle is None:
        return [Step(name, gate.wires, None)]
    if not gate.kind.controlled:
        return [Step(name, gate.wires, 1.0)]
    flip = Step("cnot" if gate.name == "CRZ" else "cz", gate.wires, None)
    target = gate.wires[1:]
    return [Step(name[1:], target, 0.5), flip, Step(name[1:], target, -0.5), flip]


def gates_of(operations: Collection[str]) -> frozenset[str]:
    """Our gates that a device has, from the names of its operations."""
    examples = {
        name: Gate(name, tuple(range(kind.n_wires)), 0.0 if kind.parameterised else None)
        for name, kind in GATES.items()
    }
    return frozenset(name for name, gate in examples.items() if {step.name for step in steps(gate)} <= set(operations))


@lru_cache(maxsize=64)
def program(circuit: Circuit) -> Any:
    """A Braket circuit that measures every qubit in order, with a `FreeParameter` `a0`, `a1`, ... for each angle."""
    from braket.circuits import Circuit as Program
    from braket.circuits import FreeParameter

    translated, rotations = Program(), 0
    for gate in circuit.gates:
        for name, wires, factor in steps(gate):
            angle = () if factor is None else (factor * FreeParameter(f"a{rotations}"),)
            getattr(translated, name)(*wires, *angle)
        rotations += gate.angle is not None
    return translated.measure(range(circuit.n_qubits))
