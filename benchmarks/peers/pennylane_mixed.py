"""PennyLane's default.mixed with the errors of `native_noisy` after every gate, backprop through torch."""

from __future__ import annotations

from functools import partial

from benchmarks.head import Head
from benchmarks.peers.our_backends import NOISE
from benchmarks.peers.pennylane_node import node
from benchmarks.steps import Step, torch_step


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    noisy = partial(node, device="default.mixed", diff_method="backprop", noise=NOISE)
    return torch_step(noisy, head, step)
