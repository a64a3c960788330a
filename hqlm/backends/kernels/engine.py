"""The kernels as torch functions, differentiable in angles and initial states."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from hqlm.backends.kernels.chunks import backward, forward
from hqlm.backends.kernels.job import DTYPES, Job, parts
from hqlm.backends.kernels.noisy import noisy_program
from hqlm.backends.kernels.program import LANE_QUBITS, Program, compile_circuit
from hqlm.backends.kernels.simd import LANES
from hqlm.backends.kernels.threads import share_out
from hqlm.backends.kernels.wide import backward_wide, empty_state, fill_state, forward_wide, is_wide
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit


def expectations(circuit: Circuit, angles: Tensor, states: Tensor | None) -> Tensor:
    """Expectation values `(rows, n_observables)` for angles `(rows, n_angles)` in radians."""
    return _run(circuit, angles, states, wants_states=False)


def final_states(circuit: Circuit, angles: Tensor, states: Tensor | None) -> Tensor:
    """States `(rows, 2**n)` after all gates; real when circuit and initial states are."""
    finals = _run(circuit, angles, states, wants_states=True)
    if finals.shape[2] == 1:
        return finals[:, :, 0]
    return torch.view_as_complex(finals) * complex(np.exp(1j * _compiled(circuit, angles).phase))


def trajectory_expectations(
    circuit: Circuit, angles: Tensor, states: Tensor | None, errors: dict[Errors, float]
) -> Tensor:
    """Mean of the expectation values of trajectories, given the errors of each and its share."""
    noisy = noisy_program(circuit, _lane_qubits(circuit.n_qubits, len(angles)), DTYPES[angles.dtype])
    jobs = [(_job(noisy.with_errors(each), circuit, angles, states), share) for each, share in errors.items()]
    rows = None if states is None else parts(states)
    if _needs_gradient(angles, rows):
        return _Trajectories.apply(angles, rows, jobs)  # type: ignore[no-any-return, no-untyped-call]
    return _mean_values(jobs, jobs[0][0].half_angles(angles), rows)


def trajectory_states(circuit: Circuit, angles: Tensor, states: Tensor | None, errors: Errors) -> Tensor:
    """Final states of one trajectory but for a global phase, without gradient."""
    noisy = noisy_program(circuit, _lane_qubits(circuit.n_qubits, len(angles)), DTYPES[angles.dtype])
    job = _job(noisy.with_errors(errors), circuit, angles, states)
    finals = _forward(job, job.half_angles(angles), None if states is None else parts(states), None, True)
    return torch.view_as_complex(finals) if job.is_complex else finals[:, :, 0]


def _mean_values(jobs: list[tuple[Job, float]], half_angles: NDArray[Any], rows: Tensor | None) -> Tensor:
    return torch.stack([share * _forward(job, half_angles, rows, None, False) for job, share in jobs]).sum(0)


def _needs_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _run(circuit: Circuit, angles: Tensor, states: Tensor | None, wants_states: bool) -> Tensor:
    program = _compiled(circuit, angles)
    job = _job(program, circuit, angles, states)
    rows = None if states is None else parts(states)
    if _needs_gradient(angles, rows):
        return _Adjoint.apply(angles, rows, job, wants_states)  # type: ignore[no-any-return, no-untyped-call]
    return _forward(job, job.half_angles(angles), rows, None, wants_states)


def _compiled(circuit: Circuit, angles: Tensor) -> Program:
    return compile_circuit(circuit, _lane_qubits(circuit.n_qubits, len(angles)), DTYPES[angles.dtype])


def _job(program: Program, circuit: Circuit, angles: Tensor, states: Tensor | None) -> Job:
    is_complex = not circuit.is_real or (states is not None and states.is_complex())
    return Job(program, len(angles), angles.dtype, is_complex)


def _lane_qubits(n_qubits: int, batch: int) -> int:
    """Lanes are rows of the batch while a chunk of them stays in cache and is full enough."""
    if n_qubits <= LANE_QUBITS:
        return 0
    return LANE_QUBITS if n_qubits > 12 or batch < LANES // 2 else 0


def _forward(
    job: Job, half_angles: NDArray[Any], rows: Tensor | None, kets: Tensor | None, wants_states: bool
) -> Tensor:
    """Expectation values or final states; the final chunks stay in `kets` when there is room for them."""
    program = job.program
    n_observables = 0 if wants_states else len(program.observables)
    values = np.zeros((job.chunks * n_observables, job.lanes), dtype=half_angles.dtype)
    finals = job.no_rows()
    if wants_states:
        finals = torch.empty(job.batch, 2**program.n_qubits, 2 if job.is_complex else 1, dtype=job.dtype)
    initial = job.no_rows() if rows is None else rows.detach().contiguous()
    if is_wide(job):
        for chunk in range(job.chunks):
            ket = (job.room() if kets is None else kets[chunk]).numpy()
            found = forward_wide(job, chunk, half_angles, initial.numpy(), ket, n_observables)
            values[chunk * n_observables : (chunk + 1) * n_observables, 0] = found
            if wants_states:
                empty_state(chunk, program.lane_qubits, ket, 1.0, finals.numpy())
        return finals if wants_states else torch.from_numpy(job.rows(values, n_observables))

    def share(first: int, last: int) -> None:
        forward(
            first,
            last,
            program.lane_qubits,
            program.n_columns + 1,
            program.table,
            program.patterns,
            half_angles,
            initial.numpy(),
            (job.room(1) if kets is None else kets).numpy(),
            finals.numpy(),
            program.observables[:n_observables],
            program.signs,
            values,
        )

    share_out(share, job.chunks, job.is_small)
    return finals if wants_states else torch.from_numpy(job.rows(values, n_observables))


class _Adjoint(torch.autograd.Function):
    """A run that keeps its final states, and the way back from them."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, rows: Tensor | None, job: Job, wants_states: bool) -> Tensor:
        kets = job.room(job.chunks)
        ctx.job, ctx.half_angles = job, job.half_angles(angles)
        ctx.parts = None if rows is None else rows.shape[2]
        ctx.save_for_backward(kets)
        return _forward(job, ctx.half_angles, rows, kets, wants_states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        job: Job = ctx.job
        (kets,) = ctx.saved_tensors
        states_gradient = job.no_rows()
        if ctx.needs_input_grad[1]:
            states_gradient = torch.empty(job.batch, 2**job.program.n_qubits, ctx.parts, dtype=job.dtype)
        gradient = _backward(job, ctx.half_angles, kets, slopes, states_gradient)
        return gradient, states_gradient if ctx.needs_input_grad[1] else None, None, None


def _backward(job: Job, half_angles: NDArray[Any], kets: Tensor, slopes: Tensor, states_gradient: Tensor) -> Tensor:
    """Gradient of the angles, for slopes of values `(batch, n_observables)` or of states `(batch, 2**n, parts)`."""
    program, columns = job.program, job.program.n_columns + 1
    gradient = np.zeros((job.chunks * columns, job.lanes), dtype=half_angles.dtype)
    cotangents, weights, n_observables = job.no_rows().numpy(), gradient[:0], 0
    if slopes.ndim == 3:
        cotangents = (slopes / 2).contiguous().numpy()
    else:
        weights = np.ascontiguousarray(job.entries(slopes.numpy())).reshape(-1, job.lanes)
        n_observables = slopes.shape[1]
    if is_wide(job):
        ket, bra = job.room(2).numpy()
        for chunk in range(job.chunks):
            ket[:], bra[:] = kets[chunk].numpy(), 0
            if len(cotangents):
                fill_state(chunk, program.lane_qubits, cotangents, bra)
            mine = weights[chunk * n_observables : (chunk + 1) * n_observables]
            gradient[chunk * columns : (chunk + 1) * columns, 0] = backward_wide(
                job, chunk, half_angles, ket, bra, mine
            )
            if len(states_gradient):
                empty_state(chunk, program.lane_qubits, bra, 2.0, states_gradient.numpy())
        return torch.from_numpy(job.rows(gradient, columns)[:, :-1])

    def share(first: int, last: int) -> None:
        ket, bra = job.room(2).numpy()
        backward(
            first,
            last,
            program.lane_qubits,
            columns,
            program.table,
            program.patterns,
            half_angles,
            kets.numpy(),
            ket,
            bra,
            program.observables[:n_observables],
            program.signs,
            weights,
            cotangents,
            gradient,
            states_gradient.numpy(),
        )

    share_out(share, job.chunks, job.is_small)
    return torch.from_numpy(job.rows(gradient, columns)[:, :-1])


class _Trajectories(torch.autograd.Function):
    """The mean of trajectories; each is run again on the way back, so that one at a time is kept."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, rows: Tensor | None, jobs: list[tuple[Job, float]]) -> Tensor:
        ctx.jobs, ctx.half_angles = jobs, jobs[0][0].half_angles(angles)
        ctx.save_for_backward(rows)
        return _mean_values(jobs, ctx.half_angles, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        (rows,) = ctx.saved_tensors
        first: Job = ctx.jobs[0][0]
        kets = first.room(first.chunks)
        of_rows = torch.zeros_like(rows) if ctx.needs_input_grad[1] else None
        of_row = first.no_rows() if of_rows is None else torch.empty_like(of_rows)
        gradient = torch.zeros(first.batch, first.program.n_columns, dtype=first.dtype)
        for job, share in ctx.jobs:
            _forward(job, ctx.half_angles, rows, kets, False)
            gradient += _backward(job, ctx.half_angles, kets, slopes * share, of_row)
            if of_rows is not None:
                of_rows += of_row
        return gradient, of_rows, None
