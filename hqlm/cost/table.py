"""The cost of a head as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hqlm.cost.devices import DEVICES
from hqlm.cost.estimate import SIMULATION, Cost

_SECONDS: Final = ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"))
_PARTS: Final = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"), (1e-18, "a"))


def text(cost: Cost, shots_given: bool) -> str:
    """Format tables for the terminal: circuit, measurements of training, time and energy, and growth with qubits.

    Args:
        cost: cost to show.
        shots_given: whether the configuration sets the number of shots.
    """
    parts = [_circuit(cost), _training(cost, shots_given), _energy(cost)]
    if cost.devices:
        parts += [_growth(cost), _break_even(cost)]
    return "\n\n".join(parts)


def _circuit(cost: Cost) -> str:
    rows = [["as written", cost.gates.one_qubit, cost.gates.two_qubit, cost.gates.depth]]
    for name, device in cost.devices.items():
        hardware = DEVICES[name]
        title = f"{hardware.title} ({', '.join(hardware.gates)})"
        rows.append([title, device.gates.one_qubit, device.gates.two_qubit, device.gates.depth])
    title = f"circuit of the second module: {cost.n_qubits} qubits"
    return _table([title, "one-qubit gates", "two-qubit gates", "depth"], rows)


def _training(cost: Cost, shots_given: bool) -> str:
    work = cost.workload
    rows = work.rows
    shots = "" if shots_given else " (assumed: the configuration is exact; set model.head.execution.shots)"
    return "\n".join(
        [
            f"a training run: {work.circuits:,} circuits of {work.shots:,} shots{shots}",
            f"  values      {work.forward:,} = {work.per_row} a row x ({rows.epochs} epochs x {rows.train:,} training "
            f"rows + {rows.evaluated:,} validation rows)",
            f"  gradients   {work.backward:,} = {work.per_row * work.repeats:,} a training row by {work.gradient}",
        ]
    )


def _energy(cost: Cost) -> str:
    rows: list[list[object]] = [
        [DEVICES[name].title, duration(d.shot_seconds), energy(d.row_joules), duration(d.training_seconds),
         energy(d.training_joules)]
        for name, d in cost.devices.items()
    ]  # fmt: skip
    simulated = [energy(cost.simulation_joules), "", energy(cost.simulation_training_joules)]
    rows.append(["exact simulation on GPUs", "", *simulated])
    return _table(["estimated", "a shot", "energy of a row", "device time of training", "its energy"], rows)


def _growth(cost: Cost) -> str:
    names = [*cost.devices, SIMULATION]
    rows = [[point.n_qubits, *(energy(point.joules[name]) for name in names)] for point in cost.points]
    return _table(["qubits: energy of a row", *(DEVICES[n].title for n in cost.devices), SIMULATION], rows)


def _break_even(cost: Cost) -> str:
    lines = []
    last = cost.points[-1].n_qubits
    for name, qubits in cost.break_even.items():
        found = (
            f"from about {qubits:.1f} qubits on" if qubits is not None else f"at no size up to {last} qubits looked at"
        )
        lines.append(f"{DEVICES[name].title}: less energy than simulated {found}")
    lines.append(
        "a factor of two in power, shots, gate times or energy per byte moves this by one qubit; assumptions and\n"
        "sources: hqlm cost --help"
    )
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a duration in a suitable unit."""
    for size, unit in _SECONDS:
        if seconds >= size:
            return f"{seconds / size:,.3g} {unit}" if seconds < 1e6 * size else f"{seconds / size:,.0f} {unit}"
    return _small(seconds, "s")


def energy(joules: float) -> str:
    """Return an energy in a suitable unit from fJ to MWh."""
    for size, unit in ((3.6e9, "MWh"), (3.6e6, "kWh")):
        if joules >= size:
            return f"{joules / size:,.3g} {unit}" if joules < 1e3 * size else f"{joules / size:,.0f} {unit}"
    return f"{joules:,.0f} J" if joules >= 1000.0 else _small(joules, "J")


def _small(value: float, unit: str) -> str:
    for size, prefix in _PARTS:
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
