"""A circuit as an OpenQASM 3 program (Cross et al. (2022), OpenQASM 3, arXiv:2104.14722)."""

from __future__ import annotations

from collections.abc import Sequence

from hqlm.circuits.gates import Angle, Gate, Input, Weight

_NAMES = {"CNOT": "cx", "I": "id", "SXDG": "inv @ sx"}
# the standard library has no two-qubit Pauli rotations; up to a global phase these are exp(-i t PP / 2)
_DEFINITIONS = {
    "RZZ": "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; }",
    "RXX": "gate rxx(t) a, b { h a; h b; cx a, b; rz(t) b; cx a, b; h a; h b; }",
    "RYY": "gate ryy(t) a, b { sx a; sx b; cx a, b; rz(t) b; cx a, b; inv @ sx a; inv @ sx b; }",
}


def program(n_qubits: int, gates: Sequence[Gate], n_weights: int, n_inputs: int) -> str:
    """Return the program text; weights are `w0, w1, ...` and inputs `x0, x1, ...`, floats in radians."""
    used = {gate.name for gate in gates}
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [f"input float[64] w{index};" for index in range(n_weights)]
    lines += [f"input float[64] x{index};" for index in range(n_inputs)]
    lines += [text for name, text in _DEFINITIONS.items() if name in used]
    lines.append(f"qubit[{n_qubits}] q;")
    lines += [_statement(gate) for gate in gates]
    return "\n".join(lines) + "\n"


def _statement(gate: Gate) -> str:
    name = _NAMES.get(gate.name, gate.name.lower())
    argument = "" if gate.angle is None else f"({_angle(gate.angle)})"
    return f"{name}{argument} {', '.join(f'q[{wire}]' for wire in gate.wires)};"


def _angle(angle: Angle) -> str:
    if isinstance(angle, Weight | Input):
        letter = "w" if isinstance(angle, Weight) else "x"
        return f"{letter}{angle.index}" if angle.scale == 1.0 else f"{float(angle.scale)!r} * {letter}{angle.index}"
    return repr(float(angle))
