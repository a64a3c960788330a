"""How much faster a second thread makes the native engine on the paper's head.

    python benchmarks/threads.py

Steps on one and on two threads alternate; the ratio is that of their medians.
"""

from __future__ import annotations

import time
from statistics import median

import torch

from benchmarks.head import Size, paper_head
from benchmarks.steps import Step
from benchmarks.timing import build

ROUNDS = 12
SIZES = [("train", 32), ("inference", 256)]


def middle(step: Step, seconds: float = 0.1) -> float:
    """Median of the seconds of a step."""
    step()
    spent: list[float] = []
    while sum(spent) < seconds:
        start = time.perf_counter()
        step()
        spent.append(time.perf_counter() - start)
    return median(spent)


def main() -> None:
    """Print a line for each size."""
    for n_qubits in (10, 12, 14):
        for kind, rows in SIZES:
            step = build("native", paper_head(Size(n_qubits, rows)), kind)
            spent: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(ROUNDS):
                for threads, seconds in spent.items():
                    torch.set_num_threads(threads)
                    seconds.append(middle(step))
            one, two = (median(seconds) for seconds in spent.values())
            print(
                f"{n_qubits} qubits, {kind:9s} {rows:3d} rows  {1e3 * one:6.2f} ms, {one / two:.2f}x with two threads"
            )


if __name__ == "__main__":
    main()
