"""What is timed of a head: a training step, an inference, and a training step of the second module alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor

from benchmarks.head import Head
from hqlm.circuits import Circuit

Values = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]  # of weights, inputs and states
Step = Callable[[], list[Tensor]]  # runs once; values first, then gradients


def torch_step(values: Callable[[Circuit], Values], head: Head, step: str) -> Step:
    """A step of a simulator that torch differentiates, given the values of each circuit."""
    return partial(_STEPS[step], head, values(head.first), values(head.second))


def _train(head: Head, first: Values, second: Values) -> list[Tensor]:
    result = second(head.weights[1], first(head.weights[0], None, head.states), None)
    return [result.detach(), *torch.autograd.grad(result.sum(), head.weights)]


def _inference(head: Head, first: Values, second: Values) -> list[Tensor]:
    with torch.no_grad():
        return [second(head.weights[1], first(head.weights[0], None, head.states), None)]


def _second(head: Head, first: Values, second: Values) -> list[Tensor]:
    result = second(head.weights[1], head.features, None)
    return [result.detach(), *torch.autograd.grad(result.sum(), (head.weights[1], head.features))]


_STEPS: Final = {"train": _train, "inference": _inference, "second": _second}
