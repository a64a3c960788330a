"""Timing a step on several simulators: agreement first, then medians of interleaved steps."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import Final

import torch
from torch import Tensor

from benchmarks.head import Head, Size, paper_head
from benchmarks.peers import our_backends
from benchmarks.steps import Step

TOLERANCE: Final = 1e-4
_BURST: Final = 0.1  # seconds; a quick simulator is timed with warm caches too
_PATIENCE: Final = 10.0  # seconds that one simulator is timed for at one size, once it has been timed at all


@dataclass(frozen=True)
class Timing:
    """A step of a simulator.

    Args:
        part: what was timed, a name in `suite.PARTS`.
        peer: the simulator.
        size: of the head.
        n_gates: of the head.
        milliseconds: median; None where `note` says why not.
        ratio: how many times the median of the part's first simulator that is; None likewise.
        note: why there is no time.
    """

    part: str
    peer: str
    size: Size
    n_gates: int
    milliseconds: float | None
    ratio: float | None
    note: str = ""


def build(peer: str, head: Head, step: str) -> Step:
    """A step of a head on a simulator."""
    if peer in our_backends.BACKENDS:
        return our_backends.build(peer, head, step)
    made: Step = import_module(f"benchmarks.peers.{peer}").build(head, step)
    return made


def compare(part: str, step: str, size: Size, peers: list[str], repeats: int, agree: bool = True) -> list[Timing]:
    """Time a step on each simulator; the first is what the others are compared with.

    Where `agree` is set, those whose values or gradients differ from the first's by more than 1e-4 get no time.
    """
    head = paper_head(size)
    steps = {peer: build(peer, head, step) for peer in peers}
    results = {peer: run() for peer, run in steps.items()}  # compiles, too
    notes = {peer: difference(found, results[peers[0]]) if agree else "" for peer, found in results.items()}
    spent: dict[str, list[float]] = {peer: [] for peer in peers if not notes[peer]}
    for _ in range(repeats):
        for peer, seconds in spent.items():
            if sum(seconds) < _PATIENCE:
                seconds += _burst(steps[peer])
    middle = {peer: 1e3 * median(seconds) for peer, seconds in spent.items()}
    own = middle[peers[0]]
    return [
        Timing(part, peer, size, head.n_gates, middle.get(peer), middle[peer] / own if peer in middle else None, note)
        for peer, note in notes.items()
    ]


def difference(found: list[Tensor], expected: list[Tensor]) -> str:
    """What is wrong with values and gradients; empty when they agree to 1e-4."""
    # the largest of tensors is NaN where one of them is; Python's max would pass over it
    worst = float(torch.stack([(a - b).abs().max() for a, b in zip(found, expected, strict=True)]).max())
    return "" if worst <= TOLERANCE else f"values or gradients differ by {worst:.1e}"  # NaN differs


def _burst(step: Step) -> list[float]:
    """Seconds of each step for a tenth of a second, at least one."""
    spent: list[float] = []
    gc.disable()  # as timeit does: a collection would be charged to the simulator it happens to fall on
    try:
        while sum(spent) < _BURST:
            start = time.perf_counter()
            step()
            spent.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return spent
