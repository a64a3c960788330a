"""The kernels as torch functions, differentiable in weights, inputs and initial states."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from hqlm.backends.angles import row_count
from hqlm.backends.gradients import differentiable_once
from hqlm.backends.kernels.chunks import backward, forward
from hqlm.backends.kernels.job import DTYPES, Arrays, Job, arrays, no_gradient, no_rows, parts, totals
from hqlm.backends.kernels.noisy import noisy_program
from hqlm.backends.kernels.program import LANE_QUBITS, compile_circuit
from hqlm.backends.kernels.simd import LANES
from hqlm.backends.kernels.threads import share_out
from hqlm.backends.kernels.wide import backward_wide, empty_state, fill_state, forward_wide, is_wide
from hqlm.backends.memory import check_memory
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit


def expectations(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
    """Return expectation values `(rows, n_observables)`."""
    return _run(job_of(circuit, weights, inputs, states), weights, inputs, states, wants_states=False)


def final_states(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
    """Return states `(rows, 2**n)` after all gates; real if circuit and initial states are."""
    job = job_of(circuit, weights, inputs, states)
    finals = _run(job, weights, inputs, states, wants_states=True)
    if not job.is_complex:
        return finals[:, :, 0]
    return torch.view_as_complex(finals) * complex(np.exp(1j * job.program.phase))


def trajectory_states(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, errors: Errors
) -> Tensor:
    """Return the final states of one trajectory up to a global phase, without gradient."""
    job = job_of(circuit, weights, inputs, states)
    noisy = noisy_program(circuit, job.program.table.lane_qubits, DTYPES[job.dtype])
    job = replace(job, program=noisy.with_errors(errors))
    finals = _forward(job, arrays(weights, inputs, None if states is None else parts(states)), None, True)
    return torch.view_as_complex(finals) if job.is_complex else finals[:, :, 0]


def _needs_gradient(*tensors: Tensor | None) -> bool:
    given = [tensor for tensor in tensors if tensor is not None]
    if any(unpack_dual(each).tangent is not None for each in given):  # type: ignore[no-untyped-call]
        return True  # a forward-mode derivative, which torch then rejects instead of losing it
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)


def _run(job: Job, weights: Tensor, inputs: Tensor | None, states: Tensor | None, wants_states: bool) -> Tensor:
    rows = None if states is None else parts(states)
    if _needs_gradient(weights, inputs, rows):
        return _Adjoint.apply(weights, inputs, rows, job, wants_states)  # type: ignore[no-any-return, no-untyped-call]
    return _forward(job, arrays(weights, inputs, rows), None, wants_states)


def job_of(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Job:
    """Return the job of a run of a circuit: its program and batch size."""
    is_complex = not circuit.is_real or (states is not None and states.is_complex())
    return _made(circuit, row_count(inputs, states), weights.dtype, is_complex)


@lru_cache(maxsize=128)
def _made(circuit: Circuit, batch: int, dtype: torch.dtype, is_complex: bool) -> Job:
    program = compile_circuit(circuit, _lane_qubits(circuit.n_qubits, batch), DTYPES[dtype])
    return Job(program, batch, dtype, is_complex)


def _lane_qubits(n_qubits: int, batch: int) -> int:
    """Return the number of lane qubits: lanes are batch rows if a chunk of them fits the cache and is full enough."""
    if n_qubits <= LANE_QUBITS:
        return 0
    return LANE_QUBITS if n_qubits > 12 or batch < LANES // 2 else 0


def _forward(job: Job, given: Arrays, kets: Tensor | None, wants_states: bool) -> Tensor:
    """Compute expectation values or final states from weights, inputs and initial states.

    The final chunks are kept in `kets` if it has room for them.
    """
    table = job.program.table.first_observables(0) if wants_states else job.program.table
    values = np.zeros((job.batch, len(table.observables)), dtype=table.patterns.dtype)
    finals = no_rows(values.dtype)
    if wants_states:
        finals = np.empty((job.batch, 2**job.program.n_qubits, 2 if job.is_complex else 1), dtype=values.dtype)
    if is_wide(job):
        for chunk in range(job.chunks):
            ket = (job.room() if kets is None else kets[chunk]).numpy()
            values[chunk] = forward_wide(job.program.runs, table, chunk, given, ket)
            if wants_states:
                empty_state(chunk, table.lane_qubits, ket, 1.0, finals)
    else:

        def share(first: int, last: int) -> None:
            room = job.room(1) if kets is None else kets
            forward(first, last, table, given, room.numpy(), finals, values)

        share_out(share, job.chunks, job.is_small)
    return torch.from_numpy(finals if wants_states else values)


class _Adjoint(torch.autograd.Function):
    """A run that keeps its final states, and its backward pass."""

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, inputs: Tensor | None, rows: Tensor | None, job: Job, wants_states: bool
    ) -> Tensor:
        check_memory(job.program.n_qubits, job.chunks * job.lanes, job.dtype.itemsize << job.is_complex)
        kets = job.room(job.chunks)
        ctx.job = job
        ctx.save_for_backward(weights, inputs, rows, kets)
        return _forward(job, arrays(weights, inputs, rows), kets, wants_states)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        job: Job = ctx.job
        weights, inputs, rows, kets = ctx.saved_tensors
        given = arrays(weights, inputs, rows)
        gradient = no_gradient(given, job.chunks, ctx.needs_input_grad)
        _backward(job, given, kets, slopes, gradient)
        return *totals(gradient, ctx.needs_input_grad), None, None


def _backward(job: Job, given: Arrays, kets: Tensor, slopes: Tensor, gradient: Arrays) -> None:
    """Add to a gradient, for slopes of values `(batch, n_observables)` or of states `(batch, 2**n, parts)`."""
    of_values, of_finals = np.ascontiguousarray(slopes.numpy(force=True)), no_rows(given[0].dtype)
    if slopes.ndim == 3:
        of_values, of_finals = np.empty((job.batch, 0), of_values.dtype), 0.5 * of_values
    table = job.program.table.first_observables(of_values.shape[1])
    if is_wide(job):
        ket, bra = job.room(2).numpy()
        for chunk in range(job.chunks):
            ket[:], bra[:] = kets[chunk].numpy(), 0
            if len(of_finals):
                fill_state(chunk, table.lane_qubits, of_finals, bra)
            backward_wide(job.program.runs, table, chunk, given, ket, bra, of_values[chunk], gradient)
            if len(gradient[2]):
                empty_state(chunk, table.lane_qubits, bra, 2.0, gradient[2])
        return

    def share(first: int, last: int) -> None:
        room = job.room(2).numpy()
        backward(first, last, table, given, kets.numpy(), room, (of_values, of_finals), gradient)

    share_out(share, job.chunks, job.is_small)
