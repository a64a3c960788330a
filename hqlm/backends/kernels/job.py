"""The parameters of a run for its batch, and the conversion of tensor rows to chunks of lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.kernels.program import Program
from hqlm.backends.kernels.simd import LANES

DTYPES: Final = {torch.float32: np.float32, torch.float64: np.float64}
_SMALL: Final = 120_000  # pairs of vectors; about a fifth of a millisecond

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # weights, inputs and parts of initial states


@dataclass(frozen=True)
class Job:
    """A program on `batch` rows in one precision, with or without imaginary parts."""

    program: Program
    batch: int
    dtype: torch.dtype
    is_complex: bool

    @cached_property
    def lanes(self) -> int:
        """Number of rows in a chunk."""
        return LANES >> self.program.table.lane_qubits

    @cached_property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.batch // self.lanes)

    @property
    def is_small(self) -> bool:
        """Whether all passes together take about as long as waking a thread."""
        return self.chunks * self.program.pairs < _SMALL

    def room(self, *leading: int) -> Tensor:
        """Allocate chunks `(*leading, vectors, [2,] 16)`, not initialised."""
        vectors = 2 ** (self.program.n_qubits - self.program.table.lane_qubits)
        parts = (2,) if self.is_complex else ()
        return torch.empty(*leading, vectors, *parts, LANES, dtype=self.dtype)


def arrays(weights: Tensor, inputs: Tensor | None, rows: Tensor | None) -> Arrays:
    """Return weights, inputs and the parts of initial states as the arrays that the kernels take."""
    of_weights = np.ascontiguousarray(weights.numpy(force=True))
    nothing = no_rows(of_weights.dtype)
    return (
        of_weights,
        nothing[:, :, 0] if inputs is None else np.ascontiguousarray(inputs.numpy(force=True)),
        nothing if rows is None else np.ascontiguousarray(rows.numpy(force=True)),
    )


def no_gradient(given: Arrays, chunks: int, wanted: Sequence[bool]) -> Arrays:
    """Allocate the derivatives, those by weights in one row per chunk; others have no rows unless wanted."""
    weights, inputs, rows = given
    nothing = no_rows(weights.dtype)
    return (
        np.zeros((chunks, len(weights) + 1), dtype=weights.dtype),
        np.zeros_like(inputs) if wanted[1] else nothing[:, :, 0],
        np.empty_like(rows) if wanted[2] else nothing,
    )


@lru_cache(maxsize=2)
def no_rows(dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a placeholder for absent rows of states."""
    return np.empty((0, 0, 1), dtype=dtype)


def parts(states: Tensor) -> Tensor:
    """Return `(batch, 2**n)` as `(batch, 2**n, 1 or 2)` real and imaginary parts."""
    return torch.view_as_real(states.resolve_conj()) if states.is_complex() else states[:, :, None]


def totals(gradient: Arrays, wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Return the gradients by weights, inputs and states, as the backward of a torch function must return them."""
    of_weights, of_inputs, of_rows = gradient
    found = of_weights.sum(0)[:-1], of_inputs, of_rows
    return tuple(torch.from_numpy(each) if needed else None for each, needed in zip(found, wanted, strict=False))
