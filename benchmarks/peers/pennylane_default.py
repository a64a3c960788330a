"""PennyLane's default.qubit, backprop through torch, with parameter broadcasting over the batch."""

from __future__ import annotations

from functools import partial

from benchmarks.head import Head
from benchmarks.peers.pennylane_node import node
from benchmarks.steps import Step, torch_step


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    return torch_step(partial(node, device="default.qubit", diff_method="backprop"), head, step)
