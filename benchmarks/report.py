"""What a run of the benchmark says: the machine, and a table for each part."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.suite import NATIVE, PEERS, Part
from benchmarks.timing import Timing

_PACKAGES: Final = (
    "hqlm", "torch", "numba", "pennylane", "pennylane_lightning", "cirq-core", "tensorcircuit-ng", "jax",
    "qiskit", "qiskit-aer", "qiskit-machine-learning",
)  # fmt: skip


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, load, threads and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "threads": threads,
        "python": platform.python_version(),
        "versions": {package: found for package in _PACKAGES if (found := _version(package))},
    }


def describe(about: dict[str, Any]) -> str:
    """One line of what `machine` found."""
    threads = f"{about['threads']} thread{'s' * (about['threads'] > 1)}"
    versions = ", ".join(f"{package} {found}" for package, found in about["versions"].items())
    return (
        f"{about['processor']}, {about['cores']} cores (load {about['load']} at the start), {threads}; "
        f"Python {about['python']}, {versions}"
    )


def table(part: Part, timings: Sequence[Timing]) -> str:
    """Markdown: milliseconds of the first simulator, and how many times that each other one takes."""
    peers = list(dict.fromkeys(timing.peer for timing in timings))
    cells = {(timing.size, timing.peer): _cell(timing, peers[0]) for timing in timings}
    gates = {timing.size: timing.n_gates for timing in timings}
    rows = [["qubits", "rows", "gates", *((NATIVE | PEERS)[peer].title for peer in peers)]]
    rows += [
        [str(size.n_qubits), str(size.batch), str(count), *(cells[size, peer] for peer in peers)]
        for size, count in gates.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([part.title, "", *(f"| {line} |" for line in lines)])


def _cell(timing: Timing, first: str) -> str:
    if timing.milliseconds is None or timing.ratio is None:
        return timing.note
    if timing.peer == first:
        return f"{timing.milliseconds:.3g} ms"
    return f"{timing.ratio:,.0f}x" if timing.ratio >= 10.0 else f"{timing.ratio:.1f}x"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """Its name, which Python tells on some systems only."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    vector = ", AVX-512" if any(line.startswith("flags") and "avx512f" in line for line in lines) else ""
    return (names[0] if names else platform.processor() or platform.machine()) + vector
