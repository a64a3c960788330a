"""Gates as rotations, the form that the kernels use.

Every gate is a rotation `exp(-i t P / 2)` about a Pauli string P, or a phase, on the amplitudes whose control bits are
set, optionally with an X on the target before it (a CNOT just before an RY is fused with it). On amplitude K that is

    v'[K] = D[K] v[K] + F[K] i^w v[K ^ x],        D[K] = cos(t/2),  F[K] = +-sin(t/2)

and with the X before it D and F are exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hqlm.backends.kernels.parameters import column_numbers
from hqlm.circuits import Circuit, Gate

_Terms = tuple[float, float, float]  # a coefficient is terms[0] + terms[1] cos(t/2) + terms[2] sin(t/2)
_ONE, _ZERO, _COS = (1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Operation:
    """A gate, or a CNOT and the RY after it, by the bits of a basis index (qubit 0 is the highest).

    Args:
        flips: bits x by which the two amplitudes of a pair differ.
        parity: bits whose parity gives the sign of F.
        sign: sign of F where the parity is even.
        twist: power w of i that multiplies F.
        controls: bits that must be set for the operation to have an effect.
        flip_first: bits that must be set for an X on the target to act first; None for no X.
        column: column of the angle, None for a fixed angle.
        fixed: cos(t/2) and sin(t/2) of a fixed angle.
    """

    flips: int
    parity: int
    sign: int
    twist: int
    controls: int = 0
    flip_first: int | None = None
    column: int | None = None
    fixed: tuple[float, float] = (1.0, 0.0)

    @property
    def is_flip(self) -> bool:
        """Whether this is just an X or a CNOT."""
        return self.flip_first is not None and self.column is None and self.fixed == (1.0, 0.0)

    def generator(self, index: int) -> float:
        """Return F[index] / sin(t/2) of the rotation alone: twice the derivative by the angle after the gate acted."""
        if index & self.controls != self.controls:
            return 0.0
        return float(-self.sign if (index & self.parity).bit_count() % 2 else self.sign)

    def coefficients(self, index: int) -> tuple[_Terms, _Terms]:
        """Return D and F at a basis index."""
        if index & self.controls != self.controls:
            return _ONE, _ZERO
        direct, crossed = _COS, (0.0, 0.0, self.generator(index))
        if self.flip_first is not None and index & self.flip_first == self.flip_first:
            direct, crossed = crossed, direct
        return self._settled(direct), self._settled(crossed)

    def undone(self, index: int) -> tuple[_Terms, _Terms]:
        """Return D and F of the inverse operation, the conjugate transpose, which has the same x and w."""
        direct, _ = self.coefficients(index)
        _, crossed = self.coefficients(index ^ self.flips)
        return direct, tuple(-term for term in crossed) if self.twist else crossed  # type: ignore[return-value]

    def _settled(self, terms: _Terms) -> _Terms:
        if self.column is not None:
            return terms
        return (terms[1] * self.fixed[0] + terms[2] * self.fixed[1], 0.0, 0.0)


def rotation(letters: str, bits: Sequence[int], **others: Any) -> Operation:
    """Return exp(-i t P / 2) for the Pauli letters P on the given bits."""
    flips = sum(bit for letter, bit in zip(letters, bits, strict=True) if letter in "XY")
    parity = sum(bit for letter, bit in zip(letters, bits, strict=True) if letter in "YZ")
    # (P v)[K] = (-i)^y (-1)^parity(K) v[K ^ x] for y letters Y; a rotation has one more factor -i
    power = (letters.count("Y") + 1) % 4
    return Operation(flips, parity, 1 if power in (0, 3) else -1, power % 2, **others)


def _phase(bits: int, angle: float) -> Operation:
    """Return exp(i angle) where all bits are set."""
    if angle == math.pi:
        return Operation(0, 0, 1, 0, bits, fixed=(-1.0, 0.0))
    return Operation(0, 0, 1, 1, bits, fixed=(math.cos(angle), math.sin(angle)))


def _turn(letters: str, bits: Sequence[int], angle: float, **others: Any) -> Operation:
    return rotation(letters, bits, fixed=(math.cos(angle / 2), math.sin(angle / 2)), **others)


def _flip(control: int, target: int) -> Operation:
    return rotation("Y", [target], flip_first=control)


def _fixed_gate(name: str, bits: list[int]) -> list[Operation]:
    every = sum(bits)
    match name:
        case "I":
            return []
        case "H":
            return [_turn("Y", bits, -math.pi / 2, flip_first=0)]
        case "X" | "CNOT":
            return [_flip(every - bits[-1], bits[-1])]
        case "Y":
            return [replace(rotation("Y", bits), fixed=(0.0, 1.0))]
        case "Z" | "CZ":
            return [_phase(every, math.pi)]
        case "SX" | "SXDG":
            return [_turn("X", bits, math.pi / 2 if name == "SX" else -math.pi / 2)]
        case "SWAP":
            one, other = bits
            return [_flip(one, other), _flip(other, one), _flip(one, other)]
    return [_phase(every, {"S": math.pi / 2, "SDG": -math.pi / 2, "T": math.pi / 4, "TDG": -math.pi / 4}[name])]


GLOBAL_PHASES: Final = {"Y": math.pi / 2, "SX": math.pi / 4, "SXDG": -math.pi / 4}


def gate_operations(gate: Gate, n_qubits: int, column: int) -> list[Operation]:
    """Return the operations of a gate, up to a global phase; `column` is that of its angle, if it has one."""
    bits = [1 << (n_qubits - 1 - wire) for wire in gate.wires]
    if gate.angle is None:
        return _fixed_gate(gate.name, bits)
    if gate.kind.controlled:
        return [rotation(gate.name[-1], bits[1:], controls=bits[0], column=column)]
    return [rotation(gate.name[1:], bits, column=column)]


def operations_by_gate(circuit: Circuit) -> list[list[Operation]]:
    """Return the operations of each gate."""
    columns = column_numbers(circuit)
    return [gate_operations(gate, circuit.n_qubits, columns[gate.angle or 0.0]) for gate in circuit.gates]


def joined(first: Sequence[Operation], second: Sequence[Operation]) -> Operation | None:
    """Fuse an X or CNOT with an RY or Y on its target into one operation; return None for other pairs."""
    if len(first) != 1 or len(second) != 1 or not first[0].is_flip or first[0].flips != second[0].flips:
        return None
    turn = second[0]
    is_ry = turn.parity == turn.flips and not turn.twist and not turn.controls and turn.flip_first is None
    return replace(turn, flip_first=first[0].flip_first) if is_ry else None
