"""The cost of a training step against qubits, depth and rows, as vector graphics."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.suite import NATIVE, PEERS
from benchmarks.timing import Timing
from hqlm.errors import ConfigError, MissingDependency

_FORMATS: Final = (".pdf", ".svg")
_AXES: Final = {"train": "qubits", "layers": "gates", "batch": "rows"}


def check(path: Path) -> None:
    """Refuse, before anything is timed, what cannot be drawn.

    Raises:
        ConfigError: for a file that is no vector graphics.
        MissingDependency: without matplotlib.
    """
    if path.suffix not in _FORMATS:
        raise ConfigError(f"--plot={path}: give a file that ends in {' or '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise MissingDependency("--plot needs matplotlib: pip install 'hqlm[study]'")


def draw(timings: Sequence[Timing], path: Path) -> None:
    """Write a figure of three panels; timings of other parts are left out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    panels = figure.subplots(1, len(_AXES), sharey=True)
    for axes, (part, label) in zip(panels, _AXES.items(), strict=True):
        shown = [timing for timing in timings if timing.part == part and timing.milliseconds is not None]
        for peer in dict.fromkeys(timing.peer for timing in shown):
            points = [timing for timing in shown if timing.peer == peer]
            title = (NATIVE | PEERS)[peer].title
            axes.plot([_place(t) for t in points], [t.milliseconds for t in points], "o-", markersize=3, label=title)
        axes.set_xlabel(label)
        axes.set_yscale("log")
        axes.set_xscale("linear" if part == "train" else "log")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("training step (ms)")
    panels[0].legend(fontsize="x-small", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _place(timing: Timing) -> int:
    return {"train": timing.size.n_qubits, "layers": timing.n_gates, "batch": timing.size.batch}[timing.part]
