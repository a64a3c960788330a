"""The mean of trajectories as a torch function, differentiable in weights, inputs and initial states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.gradients import differentiable_once
from hqlm.backends.kernels.branches import branches_backward, branches_forward
from hqlm.backends.kernels.engine import job_of
from hqlm.backends.kernels.job import DTYPES, Arrays, Job, arrays, no_gradient, parts, totals
from hqlm.backends.kernels.noisy import NoisyProgram, noisy_program
from hqlm.backends.kernels.threads import share_out
from hqlm.backends.trajectories import Errors
from hqlm.circuits import Circuit

_TASKS: Final = 8  # that work is cut into where there are fewer chunks, so that more cores than chunks can share it


def expectations(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, errors: dict[Errors, float]
) -> Tensor:
    """Mean of the expectation values of trajectories `(rows, n_observables)`, given the share of each."""
    job = job_of(circuit, weights, inputs, states)
    branches = _branches(noisy_program(circuit, job.program.lane_qubits, DTYPES[job.dtype]), errors, job)
    rows = None if states is None else parts(states)
    return _Trajectories.apply(weights, inputs, rows, branches)  # type: ignore[no-any-return, no-untyped-call]


@dataclass(frozen=True)
class _Branches:
    """Trajectories in the order of their first errors, see `branches.py`."""

    job: Job
    groups: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    table: NDArray[np.int64]
    shares: NDArray[Any]

    @property
    def tasks(self) -> int:
        return self.job.chunks * self.groups

    def constants(self, given: Arrays, chunks: int) -> tuple[Any, ...]:
        """Arguments of both kernels after the range of tasks, with room for some chunks."""
        job, program = self.job, self.job.program
        return (
            self.groups, program.lane_qubits, program.table, self.starts, self.ends, self.table, self.shares,
            program.patterns, program.parameters, *given, job.room(chunks).numpy(), program.observables, program.signs,
        )  # fmt: skip


def _branches(noisy: NoisyProgram, errors: dict[Errors, float], job: Job) -> _Branches:
    found = [(*noisy.branch(each), share) for each, share in errors.items()]
    found.sort(key=lambda branch: branch[0])
    starts, tables, shares = zip(*found, strict=True)
    return _Branches(
        Job(noisy.program, job.batch, job.dtype, job.is_complex),
        min(-(-_TASKS // job.chunks), len(found)),
        np.array(starts, dtype=np.int64),
        np.cumsum([len(table) for table in tables], dtype=np.int64),
        np.concatenate(tables),
        np.array(shares, dtype=DTYPES[job.dtype]),
    )


class _Trajectories(torch.autograd.Function):
    """A run of all trajectories, which is done again on the way back, so that few states are kept."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, inputs: Tensor | None, rows: Tensor | None, branches: _Branches) -> Tensor:
        ctx.branches = branches
        ctx.save_for_backward(weights, inputs, rows)
        job = branches.job
        given = arrays(weights, inputs, rows)
        values = np.zeros((branches.groups, job.batch, len(job.program.observables)), dtype=given[0].dtype)
        share_out(
            lambda first, last: branches_forward(first, last, *branches.constants(given, 2), values), branches.tasks
        )
        return torch.from_numpy(values.sum(0))

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        branches: _Branches = ctx.branches
        given = arrays(*ctx.saved_tensors)
        room = no_gradient(given, branches.job.chunks, ctx.needs_input_grad)
        of_weights = np.repeat(room[0], branches.groups, axis=0)
        of_inputs, of_rows = (np.repeat(each[None], branches.groups, axis=0) for each in room[1:])
        of_values = np.ascontiguousarray(slopes.numpy(force=True))

        def share(first: int, last: int) -> None:
            branches_backward(
                first, last, *branches.constants(given, 4), of_values, of_weights, of_inputs, of_rows
            )  # fmt: skip

        share_out(share, branches.tasks)
        return *totals((of_weights, of_inputs.sum(0), of_rows.sum(0)), ctx.needs_input_grad), None
