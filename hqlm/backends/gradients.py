"""Gradients of measured or simulated values, computed only from values at other angles.

Each rule takes `evaluate(angles, states, seed) -> (rows, n_observables)` and works on `angles (rows, n_angles)`, one
column for each rotation of the circuit, in radians; autograd handles shared weights, scales and the chain rule. The
number of rows may be a multiple of the number of states; row i starts from state `i mod len(states)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqlm.circuits import Gate
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution
from hqlm.memory import check_fits

Evaluate = Callable[[Tensor, Tensor | None, int], Tensor]
Vjp = Callable[[Tensor, Tensor, Tensor | None, int], Tensor]

# (coefficient, shift) pairs of df/dt = sum c f(t + s); Schuld et al. (2019), arXiv:1811.11184
_TWO_TERMS = ((0.5, math.pi / 2), (-0.5, -math.pi / 2))
# controlled rotations have generator eigenvalues 0 and +-1/2; Anselmetti et al. (2021), arXiv:2104.05695
_NEAR, _FAR = (math.sqrt(2) + 1) / (4 * math.sqrt(2)), (math.sqrt(2) - 1) / (4 * math.sqrt(2))
_FOUR_TERMS = ((_NEAR, math.pi / 2), (-_NEAR, -math.pi / 2), (-_FAR, 3 * math.pi / 2), (_FAR, -3 * math.pi / 2))


Backward = Callable[..., tuple[Tensor | None, ...]]


def differentiable_once(backward: Backward) -> Backward:
    """Reject second derivatives of the torch function whose `backward` this is.

    Torch's `once_differentiable` treats the gradient as a constant if the slopes are constants, so the second
    derivative of a sum that contains the values would silently lack their part.
    """

    @wraps(backward)
    def once(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():  # as in every backward without create_graph
            return backward(ctx, *slopes)
        with torch.no_grad():
            gradient = backward(ctx, *(slope.detach() for slope in slopes))
        saved = [tensor for tensor in ctx.saved_tensors if tensor is not None]
        return tuple(each if each is None else _Final.apply(each, *saved) for each in gradient)  # type: ignore[no-untyped-call]

    return once


class _Final(torch.autograd.Function):
    """Marks a gradient as not differentiable again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *tensors: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        raise UnsupportedExecution(
            "values of circuits are differentiable only once, but a second derivative was requested through a gradient "
            "taken with create_graph=True"
        )


def shift_terms(gate: Gate) -> tuple[tuple[float, float], ...]:
    """Return coefficients and shifts (radians) of the parameter-shift rule of a rotation."""
    return _FOUR_TERMS if gate.kind.controlled else _TWO_TERMS


def seeds(seed: int) -> tuple[int, int]:
    """Return independent seeds of the forward and the backward measurements."""
    forward, backward = np.random.SeedSequence(seed).generate_state(2)
    return int(forward), int(backward)


def parameter_shift(
    evaluate: Evaluate,
    rotations: tuple[Gate, ...],
    columns: tuple[int, ...],
    angles: Tensor,
    states: Tensor | None,
    execution: Execution,
) -> Tensor:
    """Return values whose gradient is measured at shifted angles, all shifts of all rows in one call.

    Only `columns`, those that depend on something trainable, are shifted, with two or four evaluations each per row.
    """
    n_shifted = sum(len(shift_terms(rotations[column])) for column in columns) * angles.numel()
    check_fits(
        2 * n_shifted * angles.dtype.itemsize,
        f"the shifted angles of {len(columns):,} rotations",
        "Set execution.gradient=adjoint or spsa, or use fewer layers or rows",
    )

    def vjp(gradient: Tensor, angles: Tensor, states: Tensor | None, seed: int) -> Tensor:
        result = torch.zeros_like(angles)
        if not columns:  # an empty tensor of weights may require a gradient
            return result
        terms = [(column, c, s) for column in columns for c, s in shift_terms(rotations[column])]
        shifted = angles.repeat(len(terms), 1, 1)  # (terms, rows, n_angles)
        for place, (column, _, shift) in enumerate(terms):
            shifted[place, :, column] += shift
        values = evaluate(shifted.flatten(0, 1), states, seed).reshape(len(terms), len(angles), -1)
        slopes = (values * gradient).sum(-1)  # (terms, rows)
        for (column, coefficient, _), slope in zip(terms, slopes, strict=True):
            result[:, column] += coefficient * slope
        return result

    return _Measured.apply(angles, states, evaluate, vjp, execution)  # type: ignore[no-any-return, no-untyped-call]


def spsa(
    evaluate: Evaluate,
    rotations: tuple[Gate, ...],
    columns: tuple[int, ...],
    angles: Tensor,
    states: Tensor | None,
    execution: Execution,
) -> Tensor:
    """Return values whose gradient is estimated by perturbing all `columns` at once, `execution.spsa_samples` times.

    Angles that depend on nothing trainable stay fixed: perturbing them would only add variance and bias.
    Source: Spall (1992), Multivariate stochastic approximation using a simultaneous perturbation gradient
    approximation, IEEE Trans. Automatic Control 37.
    """
    step, samples = execution.spsa_step, execution.spsa_samples
    check_fits(
        6 * samples * angles.numel() * angles.dtype.itemsize,
        f"the angles of {samples:,} SPSA samples",
        "Lower execution.spsa_samples",
    )

    def vjp(gradient: Tensor, angles: Tensor, states: Tensor | None, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        signs = 2.0 * torch.randint(0, 2, (samples, *angles.shape), generator=generator) - 1.0
        moving = [float(column in columns) for column in range(len(rotations))]
        signs = signs.to(angles) * angles.new_tensor(moving)  # (samples, rows, n_angles)
        moved = torch.stack((angles + step * signs, angles - step * signs))
        up, down = evaluate(moved.flatten(0, 2), states, seed).reshape(2, samples, len(angles), -1)
        slopes = ((up - down) * gradient).sum(-1, keepdim=True) / (2.0 * step)
        estimate: Tensor = (slopes * signs).mean(0)
        return estimate

    return _Measured.apply(angles, states, evaluate, vjp, execution)  # type: ignore[no-any-return, no-untyped-call]


class _Measured(torch.autograd.Function):
    """Values of a black box, with a rule for the gradient by its angles."""

    @staticmethod
    def forward(
        ctx: Any, angles: Tensor, states: Tensor | None, evaluate: Evaluate, vjp: Vjp, execution: Execution
    ) -> Tensor:
        forward_seed, ctx.seed = seeds(execution.seed or 0)
        ctx.vjp = vjp
        ctx.save_for_backward(angles, states)
        return evaluate(angles, states, forward_seed)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        angles, states = ctx.saved_tensors
        return ctx.vjp(gradient, angles, states, ctx.seed), None, None, None, None
