"""The gate set: names, numbers of qubits and matrices, and the parameters that can set an angle.

`RX(t) = exp(-i t X / 2)` and `RXX(t) = exp(-i t XX / 2)`; angles are in radians; wires are `(control, target)`.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Final

from hqlm.errors import CircuitError
from hqlm.registry import suggestion


@dataclass(frozen=True)
class Weight:
    """A trainable parameter: the angle is `scale * weights[index]`."""

    index: int
    scale: float = 1.0


@dataclass(frozen=True)
class Input:
    """A feature of the current row: the angle is `scale * inputs[row, index]`."""

    index: int
    scale: float = 1.0


Angle = Weight | Input | float


@dataclass(frozen=True)
class GateKind:
    """Definition of a gate: number of wires, controls, matrix and gradient rule.

    Args:
        n_wires: number of qubits it acts on.
        inverse: name of its inverse; a rotation is inverted by negating its angle and names itself.
        parameterised: whether it takes an angle.
        real: whether its matrix is real.
        controlled: whether wire 0 is a control.
    """

    n_wires: int
    inverse: str
    parameterised: bool = False
    real: bool = False
    controlled: bool = False


GATES: Final[dict[str, GateKind]] = {
    "I": GateKind(1, "I", real=True),
    "H": GateKind(1, "H", real=True),
    "X": GateKind(1, "X", real=True),
    "Y": GateKind(1, "Y"),
    "Z": GateKind(1, "Z", real=True),
    "S": GateKind(1, "SDG"),
    "SDG": GateKind(1, "S"),
    "T": GateKind(1, "TDG"),
    "TDG": GateKind(1, "T"),
    "SX": GateKind(1, "SXDG"),
    "SXDG": GateKind(1, "SX"),
    "RX": GateKind(1, "RX", parameterised=True),
    "RY": GateKind(1, "RY", parameterised=True, real=True),
    "RZ": GateKind(1, "RZ", parameterised=True),
    "CNOT": GateKind(2, "CNOT", real=True, controlled=True),
    "CZ": GateKind(2, "CZ", real=True, controlled=True),
    "SWAP": GateKind(2, "SWAP", real=True),
    "CRX": GateKind(2, "CRX", parameterised=True, controlled=True),
    "CRY": GateKind(2, "CRY", parameterised=True, real=True, controlled=True),
    "CRZ": GateKind(2, "CRZ", parameterised=True, controlled=True),
    "RXX": GateKind(2, "RXX", parameterised=True),
    "RYY": GateKind(2, "RYY", parameterised=True),
    "RZZ": GateKind(2, "RZZ", parameterised=True),
}


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit.

    Args:
        name: one of the names in `GATES`.
        wires: qubits it acts on, control first.
        angle: radians, or the parameter that sets them; None for a gate without one.
        noisy: whether a noise model acts after it (basis changes before a measurement are noise-free).

    Raises:
        CircuitError: for an unknown name, wrong or repeated wires, a missing or an unexpected angle.
    """

    name: str
    wires: tuple[int, ...]
    angle: Angle | None = None
    noisy: bool = True

    def __post_init__(self) -> None:
        if self.name not in GATES:
            raise CircuitError(f"unknown gate '{self.name}'. {suggestion(self.name, list(GATES))}")
        kind = GATES[self.name]
        object.__setattr__(self, "wires", tuple(whole_number(f"a wire of gate {self.name}", w) for w in self.wires))
        if len(self.wires) != kind.n_wires or len(set(self.wires)) != kind.n_wires or min(self.wires) < 0:
            raise CircuitError(f"gate {self.name} takes {kind.n_wires} different wires from 0 up, given {self.wires}")
        if kind.parameterised and self.angle is None:
            raise CircuitError(f"gate {self.name} needs an angle: a number, Weight(i) or Input(i)")
        if not kind.parameterised and self.angle is not None:
            raise CircuitError(f"gate {self.name} takes no angle, given {self.angle}")
        if isinstance(self.angle, Weight | Input):
            _check_parameter(self.name, self.angle)
        elif self.angle is not None:
            object.__setattr__(self, "angle", _number(self.name, self.angle))

    @property
    def kind(self) -> GateKind:
        """The definition of the gate."""
        return GATES[self.name]

    def inverse(self) -> Gate:
        """Return the inverse gate."""
        return Gate(self.kind.inverse, self.wires, _negate(self.angle), self.noisy)


def whole_number(what: str, number: object) -> int:
    """Convert an integer of any library to a Python int, which bit arithmetic needs.

    Raises:
        CircuitError: for anything else, such as 1.0.
    """
    try:
        return operator.index(number)  # type: ignore[arg-type]
    except TypeError as err:
        raise CircuitError(f"{what} must be a whole number, given {number!r}") from err


def _check_parameter(name: str, angle: Weight | Input) -> None:
    numbers = isinstance(angle.index, Integral) and isinstance(angle.scale, Real)
    if not numbers or angle.index < 0 or not math.isfinite(angle.scale):
        raise CircuitError(f"gate {name} has {angle}: the index must be a whole number from 0, the scale finite")


def _number(name: str, angle: object) -> float:
    if not isinstance(angle, Real):  # a tensor would make the circuit unhashable by value
        raise CircuitError(f"the angle of gate {name} must be a number, Weight(i) or Input(i), given {angle!r}")
    if not math.isfinite(angle):
        raise CircuitError(f"the angle of gate {name} is not finite: {angle}")
    return float(angle)


def _negate(angle: Angle | None) -> Angle | None:
    if isinstance(angle, Weight | Input):
        return type(angle)(angle.index, -angle.scale)
    return None if angle is None else -angle
