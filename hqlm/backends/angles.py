"""Computes the angle of every rotation from weights and inputs, in torch, so that autograd applies the chain rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqlm.circuits import Circuit, Input, Weight
from hqlm.errors import CircuitError, UnsupportedExecution

_REAL = (torch.float32, torch.float64)
_NORM_TOLERANCE = 1e-3


def angle_columns(circuit: Circuit, weights: Tensor, inputs: Tensor | None, batch: int) -> Tensor:
    """Return angles `(batch, n_angles)` in radians, one column for each gate of `circuit.rotations`, in order."""
    layout = _layout(circuit, weights.dtype, weights.device)
    return _Columns.apply(weights, inputs, batch, layout)  # type: ignore[no-any-return, no-untyped-call]


class _Columns(torch.autograd.Function):
    """`scale * parameter` of each rotation; a custom function, because autograd is slow at this indexing."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, inputs: Tensor | None, batch: int, layout: _Layout) -> Tensor:
        ctx.layout, ctx.n_weights = layout, len(weights)
        ctx.n_inputs = None if inputs is None else inputs.shape[1]
        row = layout.constants.index_copy(0, layout.weight_columns, weights.index_select(0, layout.weight_places))
        angles = row.mul_(layout.scales).expand(batch, -1)
        if inputs is None or not ctx.n_inputs:
            return angles
        columns = inputs.index_select(1, layout.input_places) * layout.input_scales
        return angles.index_copy(1, layout.input_columns, columns)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        layout, of_weights, of_inputs = ctx.layout, None, None
        if ctx.needs_input_grad[0]:
            slopes = gradient.sum(0).mul_(layout.scales).index_select(0, layout.weight_columns)
            of_weights = slopes.new_zeros(ctx.n_weights).index_add_(0, layout.weight_places, slopes)
        if ctx.needs_input_grad[1]:
            slopes = gradient.index_select(1, layout.input_columns) * layout.input_scales
            of_inputs = slopes.new_zeros(len(slopes), ctx.n_inputs).index_add_(1, layout.input_places, slopes)
        return of_weights, of_inputs, None, None


def as_inputs(circuit: Circuit, angles: Tensor) -> tuple[Circuit, Tensor, Tensor]:
    """Return circuit, weights and inputs with the same values, from the angle of every rotation `(rows, n_angles)`."""
    return _with_inputs(circuit), angles.new_empty(0), angles


@lru_cache(maxsize=256)
def _with_inputs(circuit: Circuit) -> Circuit:
    columns = iter(range(len(circuit.rotations)))
    gates = [gate if gate.angle is None else replace(gate, angle=Input(next(columns))) for gate in circuit.gates]
    return replace(circuit, gates=tuple(gates))


@dataclass(frozen=True)
class _Layout:
    """Mapping from weights and inputs to the columns of `angles`."""

    weight_columns: Tensor
    weight_places: Tensor
    input_columns: Tensor
    input_places: Tensor
    constants: Tensor  # (n_angles,), columns that neither weights nor inputs feed
    scales: Tensor  # (n_angles,)
    input_scales: Tensor  # of the columns that inputs feed


@lru_cache(maxsize=256)
def _layout(circuit: Circuit, dtype: torch.dtype, device: torch.device) -> _Layout:
    angles = [gate.angle for gate in circuit.rotations]
    found = {
        kind: [(column, angle.index) for column, angle in enumerate(angles) if isinstance(angle, kind)]
        for kind in (Weight, Input)
    }
    weight_columns, weight_places, input_columns, input_places = (
        torch.tensor([pair[side] for pair in found[kind]], dtype=torch.long, device=device)
        for kind in (Weight, Input)
        for side in (0, 1)
    )
    numbers = [angle if isinstance(angle, float | int) else 0.0 for angle in angles]
    factors = [angle.scale if isinstance(angle, Weight | Input) else 1.0 for angle in angles]
    constants, scales = (torch.tensor(row, dtype=dtype, device=device) for row in (numbers, factors))
    return _Layout(weight_columns, weight_places, input_columns, input_places, constants, scales, scales[input_columns])


def trainable_columns(circuit: Circuit, weights: Tensor, inputs: Tensor | None) -> tuple[int, ...]:
    """Return the columns of the angles that depend on a tensor with `requires_grad`."""
    wanted = [
        kind for kind, tensor in ((Weight, weights), (Input, inputs)) if tensor is not None and tensor.requires_grad
    ]
    return tuple(
        column for column, gate in enumerate(circuit.rotations) if any(isinstance(gate.angle, kind) for kind in wanted)
    )


def check_parameters(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> int:
    """Return the number of rows, after rejecting tensors that do not fit the circuit.

    Raises:
        CircuitError: with the tensor, its shape or dtype and what is expected.
        UnsupportedExecution: within a transform of torch.func, which cannot trace a circuit.
    """
    if torch._C._are_functorch_transforms_active():  # as torch.autograd.Function.apply asks
        raise UnsupportedExecution(
            "circuits cannot run within torch.func.vmap, jvp, grad, jacrev, jacfwd or hessian. Give all rows in one "
            "call instead of vmap; take gradients by backward() or torch.autograd.grad, and Jacobians by "
            "torch.autograd.functional.jacobian"
        )
    if weights.dtype not in _REAL:
        raise CircuitError(f"weights must be float32 or float64, given {weights.dtype}")
    if tuple(weights.shape) != (circuit.n_weights,):
        raise CircuitError(f"the circuit has {circuit.n_weights} weights, given a tensor of {tuple(weights.shape)}")
    _check_inputs(circuit, weights, inputs)
    _check_states(circuit, weights, states)
    if inputs is not None and states is not None and len(inputs) != len(states):
        raise CircuitError(f"inputs and states must have equal numbers of rows, given {len(inputs)} and {len(states)}")
    return row_count(inputs, states)


def row_count(inputs: Tensor | None, states: Tensor | None) -> int:
    """Return the number of rows: 1 if there are neither inputs nor states."""
    return next((len(rows) for rows in (inputs, states) if rows is not None), 1)


def _check_inputs(circuit: Circuit, weights: Tensor, inputs: Tensor | None) -> None:
    if inputs is None:
        if circuit.n_inputs:
            raise CircuitError(f"the circuit reads {circuit.n_inputs} inputs, given none")
        return
    if inputs.ndim != 2 or inputs.shape[1] != circuit.n_inputs or len(inputs) < 1:
        raise CircuitError(
            f"inputs must have the shape (batch, {circuit.n_inputs}) with a batch of 1 or more, "
            f"given {tuple(inputs.shape)}"
        )
    if inputs.dtype != weights.dtype or inputs.device != weights.device:
        raise CircuitError(
            f"inputs are {inputs.dtype} on {inputs.device}, weights {weights.dtype} on {weights.device}; "
            "they must agree: pass inputs.to(weights), or trainer.precision=32-true where mixed precision made them so"
        )


def _check_states(circuit: Circuit, weights: Tensor, states: Tensor | None) -> None:
    if states is None:
        return
    if states.ndim != 2 or states.shape[1] != 2**circuit.n_qubits or len(states) < 1:
        raise CircuitError(
            f"states of {circuit.n_qubits} qubits must have the shape (batch, {2**circuit.n_qubits}), "
            f"given {tuple(states.shape)}"
        )
    if states.dtype not in (weights.dtype, weights.dtype.to_complex()) or states.device != weights.device:
        raise CircuitError(
            f"states are {states.dtype} on {states.device}; with weights of {weights.dtype} on {weights.device} they "
            f"must be {weights.dtype} or {weights.dtype.to_complex()} there"
        )
    worst = _worst_norm(states.detach())
    if not worst <= _NORM_TOLERANCE:  # also true of NaN
        raise CircuitError(f"states must be normalised; the worst norm is off by {worst:.2g}")


def _worst_norm(states: Tensor) -> float:
    """Return the largest deviation of a norm from 1."""
    if states.device.type != "cpu":
        return float((torch.linalg.vector_norm(states, dim=1) - 1.0).abs().max())
    # not torch's own sum: its threads keep spinning for a while afterwards and take the cores from the kernels
    parts = (torch.view_as_real(states.resolve_conj()).flatten(1) if states.is_complex() else states).numpy(force=True)
    squares = np.einsum("rk,rk->r", parts, parts)
    return max(abs(math.sqrt(extreme) - 1.0) for extreme in (squares.min(), squares.max()))
