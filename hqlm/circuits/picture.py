"""A circuit as a vector drawing that is readable in grey: boxes that take features are shaded, others are white."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hqlm.circuits.drawing import angle_text, label, layers
from hqlm.circuits.gates import Gate, Input

_ROW: Final = 34.0  # pixels from wire to wire
_BOX: Final = 26.0  # height of a box
_LETTER: Final = 6.7  # width of a character
_GAP: Final = 10.0  # between columns
_RING: Final = 8.0  # radius of the target of a CNOT
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" '
    'fill="#fff" stroke="#1a1a1a" font-family="monospace" font-size="11" text-anchor="middle">'
)
_Block = list[tuple[float, list[Gate]]]  # columns with their widths


def svg(n_qubits: int, gates: Sequence[Gate], measured: Sequence[str], width: float) -> str:
    """Return an `<svg>` element; a circuit longer than about `width` pixels continues in further blocks below.

    Args:
        n_qubits: number of wires.
        gates: gates in the order they act.
        measured: letters of the observables that read each qubit, empty if there are none.
        width: width of a block, in pixels.
    """
    readouts = [f"⟨{letters}⟩" if letters else "" for letters in measured]
    margin = _LETTER * len(f"{n_qubits}: ")
    end = _width(readouts)
    blocks = _blocks(n_qubits, gates, width - margin - end)
    height = _ROW * (n_qubits + 0.5)
    shapes: list[str] = []
    for place, block in enumerate(blocks):
        top, left = height * place, margin
        right = margin + sum(size for size, _ in block)
        shapes += _wires(n_qubits, top, margin, right + (end if block is blocks[-1] else 0.0))
        for size, column in block:
            shapes += [shape for gate in column for shape in _gate(gate, left + size / 2.0, top)]
            left += size
    for wire, text in enumerate(readouts):
        shapes += _box(right + end / 2.0, _y(wire, top), [text]) if text else []
    total = margin + end + _GAP + max(sum(size for size, _ in block) for block in blocks)
    return "\n".join([_HEAD.format(total, height * len(blocks)), *shapes, "</svg>"])


def _blocks(n_qubits: int, gates: Sequence[Gate], width: float) -> list[_Block]:
    """Split the gates into columns, and the columns into blocks with as many as fit."""
    blocks: list[_Block] = [[]]
    used = 0.0
    for column in layers(n_qubits, gates):
        size = max(_width(_lines(gate)) for gate in column)
        if used + size > width and blocks[-1]:
            blocks.append([])
            used = 0.0
        blocks[-1].append((size, column))
        used += size
    return blocks


def _width(lines: Sequence[str]) -> float:
    """Return the width of a text box including its margin, in pixels."""
    return _LETTER * max(2, *map(len, lines)) + 8.0 + _GAP


def _lines(gate: Gate) -> list[str]:
    return [label(gate), "" if gate.angle is None else angle_text(gate.angle)]


def _y(wire: int, top: float) -> float:
    return top + _ROW * (wire + 0.5)


def _wires(n_qubits: int, top: float, left: float, right: float) -> Iterator[str]:
    for wire in range(n_qubits):
        y = _y(wire, top)
        yield f'<text x="{left / 2:.0f}" y="{y + 4:.0f}" fill="#1a1a1a" stroke="none">{wire}:</text>'
        yield f'<path d="M{left:.0f} {y:.0f}H{right:.0f}"/>'


def _gate(gate: Gate, x: float, top: float) -> Iterator[str]:
    ys = [_y(wire, top) for wire in gate.wires]
    if len(ys) == 2:
        yield f'<path d="M{x:.1f} {min(ys):.0f}V{max(ys):.0f}"/>'
    for place, y in enumerate(ys):
        if gate.name == "CZ" or (gate.kind.controlled and place == 0):
            yield f'<circle cx="{x:.1f}" cy="{y:.0f}" r="3.5" fill="#1a1a1a"/>'
        elif gate.name == "CNOT":
            yield f'<circle cx="{x:.1f}" cy="{y:.0f}" r="{_RING:.0f}"/>'
            yield f'<path d="M{x - _RING:.1f} {y:.0f}h{2 * _RING:.0f}M{x:.1f} {y - _RING:.0f}v{2 * _RING:.0f}"/>'
        elif gate.name == "SWAP":
            yield f'<path d="M{x - 5:.1f} {y - 5:.0f}l10 10m0 -10l-10 10"/>'
        else:
            yield from _box(x, y, _lines(gate), isinstance(gate.angle, Input))


def _box(x: float, y: float, lines: Sequence[str], shaded: bool = False) -> Iterator[str]:
    width = _width(lines) - _GAP
    fill = ' fill="#d4d4d4"' if shaded else ""
    yield f'<rect x="{x - width / 2:.1f}" y="{y - _BOX / 2:.0f}" width="{width:.1f}" height="{_BOX:.0f}"{fill}/>'
    shown = [line for line in lines if line]
    for place, line in enumerate(shown):
        baseline = y + 4.0 if len(shown) == 1 else y - 2.0 + 11.0 * place
        yield f'<text x="{x:.1f}" y="{baseline:.0f}" fill="#1a1a1a" stroke="none">{line}</text>'
