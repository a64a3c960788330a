"""PennyLane's lightning.qubit with adjoint gradients, as its documentation recommends; it loops over the batch."""

from __future__ import annotations

from functools import partial

from hqlm.bench.head import Head
from hqlm.bench.peers.pennylane_node import node
from hqlm.bench.steps import Step, torch_step


def build(head: Head, step: str) -> Step:
    """A step of a head."""
    return torch_step(partial(node, device="lightning.qubit", diff_method="adjoint"), head, step)
