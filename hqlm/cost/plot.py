"""A figure of energy and gates of a head against its number of qubits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hqlm.cost.devices import DEVICES
from hqlm.cost.estimate import SIMULATION, Cost
from hqlm.errors import ConfigError, MissingDependency

_FORMATS: Final = (".svg", ".png", ".pdf")
_STYLES: Final = {"trapped_ion": "o-", "superconducting": "s--", SIMULATION: "^:"}  # distinguishable in grey, too


def check(path: Path) -> None:
    """Reject a file that cannot be drawn, before anything is estimated.

    Raises:
        ConfigError: for an unsupported file type.
        MissingDependency: if matplotlib is not installed.
    """
    if path.suffix not in _FORMATS:
        raise ConfigError(f"--plot={path}: the file must end in {', '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise MissingDependency("--plot needs matplotlib: pip install 'hqlm[study]'")


def draw(cost: Cost, path: Path) -> None:
    """Write a figure with two panels: energy of the values of one row, and native two-qubit gates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    energy, gates = figure.subplots(1, 2)
    qubits = [point.n_qubits for point in cost.points]
    for name in (*cost.devices, SIMULATION):
        title = DEVICES[name].title if name in DEVICES else "exact simulation"
        energy.plot(qubits, [p.joules[name] for p in cost.points], _STYLES[name], markersize=4, label=title)
        if name in DEVICES:
            gates.plot(qubits, [p.two_qubit[name] for p in cost.points], _STYLES[name], markersize=4, label=title)
            even = cost.break_even[name]
            if even is not None:
                energy.axvline(even, color="grey", linewidth=0.8)
                energy.annotate(f"{even:.1f}", (even, 0.02), xycoords=("data", "axes fraction"), fontsize="small")
    energy.set(xlabel="qubits", ylabel=f"energy of one row, {cost.workload.shots} shots (J)", yscale="log")
    gates.set(xlabel="qubits", ylabel="native two-qubit gates")
    for axes in (energy, gates):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
