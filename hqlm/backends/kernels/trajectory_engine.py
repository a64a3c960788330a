"""The mean of trajectories as a torch function, differentiable in weights, inputs and initial states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from hqlm.backends.gradients import differentiable_once
from hqlm.backends.kernels.branches import Branches, branches_backward, branches_forward
from hqlm.backends.kernels.engine import job_of
from hqlm.backends.kernels.job import DTYPES, Job, arrays, no_gradient, parts, totals
from hqlm.backends.kernels.noisy import NoisyProgram, noisy_program
from hqlm.backends.kernels.threads import share_out
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit

_TASKS: Final = 8  # minimum number of tasks, so that more cores than chunks can share the work


def expectations(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, errors: dict[Errors, float]
) -> Tensor:
    """Return the weighted mean of the expectation values of trajectories, `(rows, n_observables)`."""
    job = job_of(circuit, weights, inputs, states)
    noisy = noisy_program(circuit, job.program.table.lane_qubits, DTYPES[job.dtype])
    job = replace(job, program=noisy.program)
    rows = None if states is None else parts(states)
    return _Trajectories.apply(weights, inputs, rows, job, _branches(noisy, errors, job))  # type: ignore[no-any-return, no-untyped-call]


def _branches(noisy: NoisyProgram, errors: dict[Errors, float], job: Job) -> Branches:
    found = [(*noisy.branch(each), share) for each, share in errors.items()]
    found.sort(key=lambda branch: branch[0])
    starts, rows, shares = zip(*found, strict=True)
    return Branches(
        min(-(-_TASKS // job.chunks), len(found)),
        np.array(starts, dtype=np.int64),
        np.cumsum([len(each) for each in rows], dtype=np.int64),
        np.concatenate(rows),
        np.array(shares, dtype=DTYPES[job.dtype]),
    )


class _Trajectories(torch.autograd.Function):
    """A run of all trajectories, recomputed in the backward pass so that few states are kept."""

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, inputs: Tensor | None, rows: Tensor | None, job: Job, branches: Branches
    ) -> Tensor:
        ctx.job, ctx.branches = job, branches
        ctx.save_for_backward(weights, inputs, rows)
        given, stem = arrays(weights, inputs, rows), job.program.table
        values = np.zeros((branches.groups, job.batch, len(stem.observables)), dtype=given[0].dtype)

        def share(first: int, last: int) -> None:
            branches_forward(first, last, stem, branches, given, job.room(2).numpy(), values)

        share_out(share, job.chunks * branches.groups)
        return torch.from_numpy(values.sum(0))

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        job, branches = ctx.job, ctx.branches
        given = arrays(*ctx.saved_tensors)
        one = no_gradient(given, job.chunks, ctx.needs_input_grad)
        of_weights = np.repeat(one[0], branches.groups, axis=0)
        of_inputs, of_rows = (np.repeat(each[None], branches.groups, axis=0) for each in one[1:])
        of_values = np.ascontiguousarray(slopes.numpy(force=True))

        def share(first: int, last: int) -> None:
            gradient = of_weights, of_inputs, of_rows
            branches_backward(first, last, job.program.table, branches, given, job.room(4).numpy(), of_values, gradient)

        share_out(share, job.chunks * branches.groups)
        return *totals((of_weights, of_inputs.sum(0), of_rows.sum(0)), ctx.needs_input_grad), None, None
