"""PennyLane's default.mixed with the errors of `native_noisy` after every gate, backprop through torch."""

from __future__ import annotations

from functools import partial

from hqlm.bench.head import Head
from hqlm.bench.peers.native_noisy import NOISE
from hqlm.bench.peers.pennylane_node import node
from hqlm.bench.steps import Step, torch_step


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    noisy = partial(node, device="default.mixed", diff_method="backprop", noise=NOISE)
    return torch_step(noisy, head, step)
