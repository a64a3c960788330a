"""Density matrices of noisy circuits as a torch function, differentiable in weights, inputs and initial states."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hqlm.backends.angles import row_count
from hqlm.backends.kernels.density import density_backward, density_forward
from hqlm.backends.kernels.job import DTYPES, Job, parts, totals
from hqlm.backends.kernels.noise_program import NoiseProgram, noise_program
from hqlm.backends.kernels.threads import share_out
from hqlm.circuits import Circuit
from hqlm.execution import Noise


def final_density_matrices(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, noise: Noise
) -> Tensor:
    """Density matrices `(rows, 2**n, 2**n)` after all gates and the noise that follows them."""
    is_complex = not circuit.is_real or (states is not None and states.is_complex())
    noisy = noise_program(circuit, noise, DTYPES[weights.dtype])
    batch = row_count(inputs, states)
    job = Job(noisy.program, batch, weights.dtype, is_complex)
    rows = None if states is None else parts((states[:, :, None] * states[:, None, :].conj()).flatten(1))
    finals: Tensor = _Density.apply(weights, inputs, rows, job, noisy)  # type: ignore[no-untyped-call]
    rho = torch.view_as_complex(finals) if is_complex else finals[:, :, 0]
    return rho.view(-1, 2**circuit.n_qubits, 2**circuit.n_qubits)


class _Density(torch.autograd.Function):
    """A noisy run, which is done again on the way back."""

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, inputs: Tensor | None, rows: Tensor | None, job: Job, noisy: NoiseProgram
    ) -> Tensor:
        ctx.job, ctx.noisy = job, noisy
        ctx.save_for_backward(weights, inputs, rows)
        finals = torch.empty(job.batch, 2**job.program.n_qubits, 2 if job.is_complex else 1, dtype=job.dtype)
        constants = *_constants(job, noisy), *job.arrays(weights, inputs, rows)

        def share(first: int, last: int) -> None:
            density_forward(first, last, *constants, finals.numpy(), job.room().numpy())

        share_out(share, job.chunks)
        return finals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        job, noisy = ctx.job, ctx.noisy
        weights, inputs, rows = ctx.saved_tensors
        given = job.arrays(weights, inputs, rows)
        gradient = job.no_gradient(given, ctx.needs_input_grad)
        constants = *_constants(job, noisy), *given, (slopes / 2).contiguous().numpy()
        length = max(1, math.isqrt(len(noisy.schedule)))
        n_blocks = -(-len(noisy.schedule) // length)

        def share(first: int, last: int) -> None:
            rooms = job.room(2).numpy(), job.room(n_blocks).numpy(), job.room(length).numpy()
            density_backward(first, last, *constants, *rooms, *gradient)

        share_out(share, job.chunks)
        return *totals(gradient, ctx.needs_input_grad), None, None


def _constants(job: Job, noisy: NoiseProgram) -> tuple[Any, ...]:
    program = job.program
    return program.table, program.patterns, program.parameters, noisy.schedule, noisy.channels, noisy.strengths
