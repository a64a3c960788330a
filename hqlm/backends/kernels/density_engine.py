"""Density matrices of noisy circuits as a torch function, differentiable in angles and initial states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hqlm.backends.kernels.density import density_backward, density_forward
from hqlm.backends.kernels.job import DTYPES, Job, parts
from hqlm.backends.kernels.noise_program import NoiseProgram, noise_program
from hqlm.backends.kernels.threads import share_out
from hqlm.circuits import Circuit
from hqlm.execution import Noise


def final_density_matrices(circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
    """Density matrices `(rows, 2**n, 2**n)` after all gates and the noise that follows them."""
    is_complex = not circuit.is_real or (states is not None and states.is_complex())
    noisy = noise_program(circuit, noise, DTYPES[angles.dtype])
    job = Job(noisy.program, len(angles), angles.dtype, is_complex)
    rows = None if states is None else parts((states[:, :, None] * states[:, None, :].conj()).flatten(1))
    finals: Tensor = _Density.apply(angles, rows, job, noisy)  # type: ignore[no-untyped-call]
    rho = torch.view_as_complex(finals) if is_complex else finals[:, :, 0]
    return rho.view(-1, 2**circuit.n_qubits, 2**circuit.n_qubits)


class _Density(torch.autograd.Function):
    """A noisy run, which is done again on the way back."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, rows: Tensor | None, job: Job, noisy: NoiseProgram) -> Tensor:
        ctx.job, ctx.noisy, ctx.half_angles = job, noisy, job.half_angles(angles)
        ctx.save_for_backward(rows)
        finals = torch.empty(job.batch, 2**job.program.n_qubits, 2 if job.is_complex else 1, dtype=job.dtype)
        initial = job.no_rows() if rows is None else rows.detach().contiguous()

        def share(first: int, last: int) -> None:
            density_forward(
                first, last, *_constants(job, noisy, ctx.half_angles), initial.numpy(), finals.numpy(),
                job.room().numpy(),
            )  # fmt: skip

        share_out(share, job.chunks)
        return finals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        job, noisy = ctx.job, ctx.noisy
        (rows,) = ctx.saved_tensors
        columns = job.program.n_columns + 1
        gradient = np.zeros((job.chunks * columns, job.lanes), dtype=ctx.half_angles.dtype)
        of_rows = torch.empty_like(rows).contiguous() if ctx.needs_input_grad[1] else job.no_rows()
        initial = job.no_rows() if rows is None else rows.detach().contiguous()
        cotangents = (slopes / 2).contiguous()
        length = max(1, math.isqrt(len(noisy.schedule)))
        n_blocks = -(-len(noisy.schedule) // length)

        def share(first: int, last: int) -> None:
            density_backward(
                first, last, *_constants(job, noisy, ctx.half_angles), initial.numpy(), cotangents.numpy(),
                job.room(2).numpy(), job.room(n_blocks).numpy(), job.room(length).numpy(), gradient, of_rows.numpy(),
            )  # fmt: skip

        share_out(share, job.chunks)
        angles = torch.from_numpy(job.rows(gradient, columns)[:, :-1])
        return angles, of_rows if ctx.needs_input_grad[1] else None, None, None


def _constants(job: Job, noisy: NoiseProgram, half_angles: Any) -> tuple[Any, ...]:
    program = job.program
    columns = program.n_columns + 1
    return columns, program.table, program.patterns, half_angles, noisy.schedule, noisy.channels, noisy.strengths
