"""`python -m benchmarks`: the native engine beside every installed simulator, as ratios."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import torch
from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from benchmarks import encoding, plot, report
from benchmarks.suite import PARTS, PEERS, SWEEPS, Part, choose, run
from hqlm.errors import ConfigError, HqlmError
from hqlm.registry import suggestion

_DESCRIPTION: Final = """Time the paper's head on the native engine and on every installed simulator.

Each table shows the median time of its first column and how many times that the others take, on the same circuits,
steps in turn, on as many cores as there are threads. What differs in values or gradients by more than 1e-4 gets no
time; what takes more than 1 s a step is spared the larger sizes.

  python -m benchmarks
  python -m benchmarks --parts=[train] --qubits=[10,12] --peers=[pennylane_default]
  python -m benchmarks --plot cost.pdf
  python -m benchmarks --parts=[encoding] --repeats=3

The part `encoding` is not about circuits: it times the text encoder from an empty cache beside the bare library.
"""
_NAMES: Final = [*PARTS, encoding.NAME]


def main(args: list[str] | None = None) -> int:
    """Time the parts that the command line asks for, and print tables or JSON."""
    options = _parser().parse_args(args)
    wanted = choose(options.peers)
    if options.plot is not None:
        plot.check(options.plot)
    parts = _parts(options)
    about, timings = report.machine(options.threads), []
    if not options.json:
        print(report.describe(about), flush=True)
    with _cores(options.threads):
        for name, part in parts.items():
            found = list(run(name, part, wanted, options.repeats))
            timings += found
            if found and not options.json:
                print(f"\n{report.table(part, found)}", flush=True)
        encodings = encoding.run(options.repeats, options.batch) if encoding.NAME in options.parts else []
    if encodings and not options.json:
        print(f"\n{encoding.table(encodings)}", flush=True)
    if options.json:
        rows = {"timings": [asdict(each) for each in timings], "encodings": [asdict(each) for each in encodings]}
        print(json.dumps({"machine": about, **rows}, indent=2))
    if options.plot is not None:
        plot.draw(timings, options.plot)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m benchmarks", description=_DESCRIPTION)
    parts = [name for name in PARTS if name not in SWEEPS]
    parser.add_argument("--parts", type=list[str], default=parts, help=f"tables, of {', '.join(_NAMES)}")
    parser.add_argument("--qubits", type=list[PositiveInt] | None, default=None, help="instead of those of a part")
    parser.add_argument("--batch", type=PositiveInt | None, default=None, help="rows, likewise")
    parser.add_argument("--peers", type=list[str], default=[], help=f"of {', '.join(PEERS)}; by default all installed")
    parser.add_argument("--repeats", type=PositiveInt, default=5, help="bursts of each simulator; medians are shown")
    parser.add_argument("--threads", type=PositiveInt, default=1, help="threads, and cores of the machine")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--plot", type=Path | None, default=None, help="draw cost against qubits, depth and rows")
    return parser


def _parts(options: Any) -> dict[str, Part]:
    """The parts asked for, in the sizes asked for; sweeps keep theirs."""
    for name in options.parts:
        if name not in _NAMES:
            raise ConfigError(f"--parts: there is no '{name}'. {suggestion(name, _NAMES)}")
    parts = {name: PARTS[name] for name in options.parts if name in PARTS}
    for name, part in parts.items():
        if name not in SWEEPS:
            sizes = [replace(part.sizes[0], n_qubits=number) for number in options.qubits or ()] or part.sizes
            parts[name] = replace(part, sizes=tuple(replace(s, batch=options.batch or s.batch) for s in sizes))
    return parts | {name: PARTS[name] for name in SWEEPS if options.plot is not None}


@contextmanager
def _cores(threads: int) -> Iterator[None]:
    """Keep torch's threads and, where the system allows it, every simulator's to as many cores."""
    before, allowed = torch.get_num_threads(), None
    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(allowed)[:threads])
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HqlmError as error:
        sys.exit(f"benchmarks: {error}")
