"""Density matrices of noisy circuits as a torch function, differentiable in weights, inputs and initial states."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.angles import row_count
from hqlm.backends.gradients import differentiable_once
from hqlm.backends.kernels.density import density_backward, density_forward
from hqlm.backends.kernels.job import DTYPES, arrays, no_gradient, totals
from hqlm.backends.kernels.pauli_program import PauliProgram, pauli_program, place_of
from hqlm.backends.kernels.simd import LANES
from hqlm.backends.kernels.threads import share_out
from hqlm.circuits import Circuit
from hqlm.execution import Noise
from hqlm.memory import check_fits

_SPLIT: Final = 2**24  # coefficients of initial states computed at a time


def expectations(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, noise: Noise
) -> Tensor:
    """Return expectation values `(rows, n_observables)` after all gates and their noise."""
    places = np.array([place_of(observable) for observable in circuit.observables], dtype=np.int64)
    return _run(circuit, weights, inputs, states, noise, places)


def probabilities(
    circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, noise: Noise
) -> Tensor:
    """Return the probability of each basis state, `(rows, 2**n)`."""
    size = 2**circuit.n_qubits
    diagonal = _run(circuit, weights, inputs, states, noise, np.arange(size))  # the strings of I and Z come first
    found: Tensor = diagonal @ _signs(circuit.n_qubits, weights.dtype) / size
    return found


def _run(
    circuit: Circuit,
    weights: Tensor,
    inputs: Tensor | None,
    states: Tensor | None,
    noise: Noise,
    places: NDArray[np.int64],
) -> Tensor:
    program = pauli_program(circuit, noise, DTYPES[weights.dtype])
    trained = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (weights, inputs, states)
    )
    copies = 2 + sum(_stretches(program)) if trained else 1
    check_fits(
        copies * LANES * weights.dtype.itemsize << 2 * program.n_qubits,
        f"{copies} density matrices of {program.n_qubits} qubits",
        "Lower backend.density_matrix_qubits, so that trajectories are taken, or use fewer qubits or layers",
    )
    if states is None:
        return _Density.apply(weights, inputs, None, row_count(inputs, states), program, places)  # type: ignore[no-any-return, no-untyped-call]
    step = max(LANES, _SPLIT >> 2 * circuit.n_qubits)
    parts = []
    for first in range(0, len(states), step):
        rows = _coefficients(states[first : first + step])
        of_rows = None if inputs is None else inputs[first : first + step]
        parts.append(_Density.apply(weights, of_rows, rows[:, :, None], len(rows), program, places))  # type: ignore[no-untyped-call]
    return torch.cat(parts)


def _coefficients(states: Tensor) -> Tensor:
    """Return <psi| Q |psi> of each Pauli string Q for states `(rows, 2**n)`; `(rows, 4**n)`, real."""
    n_qubits = states.shape[1].bit_length() - 1
    basis = torch.arange(2**n_qubits)
    # Q = i^y X^x Z^z for y letters Y, so <Q> = i^y sum_l (-1)^(z.l) psi_l conj(psi_(l ^ x))
    products = states[:, None, :] * states[:, basis[:, None] ^ basis].conj()  # (rows, x, l)
    sums = products @ _signs(n_qubits, states.dtype)
    phases = torch.tensor([1, 1j, -1, -1j], dtype=torch.complex128)[_ones(basis[:, None] & basis, n_qubits) % 4]
    if states.is_complex():
        return (sums * phases.to(states.dtype)).real.flatten(1)
    return (sums * phases.real.to(states.dtype)).flatten(1)


def _ones(numbers: Tensor, n_bits: int) -> Tensor:
    """Count the set bits."""
    return sum(((numbers >> bit) & 1 for bit in range(n_bits)), torch.zeros_like(numbers))


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # cached for training too
def _signs(n_qubits: int, dtype: torch.dtype) -> Tensor:
    """Return (-1)^(z.l) for numbers z and l of n bits."""
    basis = torch.arange(2**n_qubits)
    return (1 - 2 * (_ones(basis[:, None] & basis, n_qubits) % 2)).to(dtype)


class _Density(torch.autograd.Function):
    """A noisy run, which is recomputed in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        inputs: Tensor | None,
        rows: Tensor | None,
        batch: int,
        program: PauliProgram,
        places: NDArray[np.int64],
    ) -> Tensor:
        ctx.batch, ctx.program, ctx.places = batch, program, places
        ctx.save_for_backward(weights, inputs, rows)
        given = arrays(weights, inputs, rows)
        values = np.zeros((batch, len(places)), dtype=given[0].dtype)

        def share(first: int, last: int) -> None:
            room = np.empty((4**program.n_qubits, LANES), dtype=values.dtype)
            density_forward(
                first, last, program.n_qubits, program.table, program.parameters, given, places, room, values
            )

        share_out(share, _chunks(batch))
        return torch.from_numpy(values)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        program, wanted = ctx.program, ctx.needs_input_grad
        given = arrays(*ctx.saved_tensors)
        gradient = no_gradient(given, _chunks(ctx.batch), wanted)
        of_values = np.ascontiguousarray(slopes.numpy(force=True))
        length, n_blocks = _stretches(program)

        def share(first: int, last: int) -> None:
            size = 4**program.n_qubits, LANES
            room = tuple(np.empty((count, *size), dtype=of_values.dtype) for count in (1, n_blocks, length + 1))
            density_backward(
                first, last, program.n_qubits, program.table, program.parameters, given, ctx.places, room, of_values,
                gradient,
            )  # fmt: skip

        share_out(share, _chunks(ctx.batch))
        return *totals(gradient, wanted), None, None, None


def _stretches(program: PauliProgram) -> tuple[int, int]:
    """Return the number of steps per block that the backward pass stores whole, and the number of blocks."""
    length = max(1, math.isqrt(len(program.table.fields)))
    return length, -(-len(program.table.fields) // length)


def _chunks(batch: int) -> int:
    return -(-batch // LANES)
