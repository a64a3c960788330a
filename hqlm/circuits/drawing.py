"""A circuit as text, one line per qubit."""

from __future__ import annotations

from collections.abc import Sequence

from hqlm.circuits.gates import Angle, Gate, Input, Weight

_CONTROL = "●"
_SYMBOLS = {"CNOT": "X", "CZ": "●", "SWAP": "x", "CRX": "RX", "CRY": "RY", "CRZ": "RZ"}


def draw(n_qubits: int, gates: Sequence[Gate], width: int) -> str:
    """Return the drawing in lines of about `width` characters; a long circuit continues in blocks below."""
    columns = [_column(n_qubits, layer) for layer in layers(n_qubits, gates)]
    names = [f"{wire}: " for wire in range(n_qubits)]
    margin = max(map(len, names))
    blocks, block, used = [], [name.rjust(margin) for name in names], margin
    for column in columns:
        if used + len(column[0]) > width and used > margin:
            blocks.append("\n".join(block))
            block, used = [name.rjust(margin) for name in names], margin
        block = [line + cell for line, cell in zip(block, column, strict=True)]
        used += len(column[0])
    blocks.append("\n".join(block))
    return "\n\n".join(blocks)


def layers(n_qubits: int, gates: Sequence[Gate]) -> list[list[Gate]]:
    """Return layers of gates, side by side if their wires (a vertical line crosses those between) do not overlap."""
    found: list[list[Gate]] = []
    free = [0] * n_qubits
    for gate in gates:
        span = range(min(gate.wires), max(gate.wires) + 1)
        place = max(free[wire] for wire in span)
        if place == len(found):
            found.append([])
        found[place].append(gate)
        for wire in span:
            free[wire] = place + 1
    return found


def _column(n_qubits: int, layer: list[Gate]) -> list[str]:
    cells = [""] * n_qubits
    for gate in layer:
        for wire in range(min(gate.wires), max(gate.wires) + 1):
            cells[wire] = "│"
        for wire in gate.wires:
            cells[wire] = _symbol(gate, wire)
    widest = max(map(len, cells))
    return ["─" + cell.center(widest, "─") + "─" for cell in cells]


def _symbol(gate: Gate, wire: int) -> str:
    if gate.kind.controlled and wire == gate.wires[0]:
        return _CONTROL
    return label(gate) if gate.angle is None else f"{label(gate)}({angle_text(gate.angle)})"


def label(gate: Gate) -> str:
    """Return the label of the target wires: the gate name and its angle."""
    return _SYMBOLS.get(gate.name, gate.name)


def angle_text(angle: Angle) -> str:
    """Return an angle as text: radians, or a weight or feature with its factor, such as `0.5·w3` or `x0`."""
    if isinstance(angle, Weight | Input):
        letter = "w" if isinstance(angle, Weight) else "x"
        return f"{letter}{angle.index}" if angle.scale == 1.0 else f"{angle.scale:.3g}·{letter}{angle.index}"
    return f"{angle:.3g}"
