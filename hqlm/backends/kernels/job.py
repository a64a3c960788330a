"""What a run needs to know of its batch, and how rows of tensors become chunks of lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.kernels.program import Program
from hqlm.backends.kernels.simd import LANES

DTYPES: Final = {torch.float32: np.float32, torch.float64: np.float64}
_SMALL: Final = 60_000  # pairs of vectors; about a tenth of a millisecond

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # weights, inputs and parts of initial states
Gradient = tuple[Tensor, Tensor, Tensor]  # by weights, a row for each chunk, by inputs and by parts of initial states


@dataclass(frozen=True)
class Job:
    """A program on `batch` rows of a precision, with or without imaginary parts."""

    program: Program
    batch: int
    dtype: torch.dtype
    is_complex: bool

    @cached_property
    def lanes(self) -> int:
        """Rows in a chunk."""
        return LANES >> self.program.lane_qubits

    @cached_property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.batch // self.lanes)

    @property
    def is_small(self) -> bool:
        """Whether all passes together take about as long as waking a thread."""
        return self.chunks * self.program.pairs < _SMALL

    def room(self, *leading: int) -> Tensor:
        """Chunks `(*leading, vectors, [2,] 16)`, not initialised."""
        vectors = 2 ** (self.program.n_qubits - self.program.lane_qubits)
        parts = (2,) if self.is_complex else ()
        return torch.empty(*leading, vectors, *parts, LANES, dtype=self.dtype)

    def entries(self, table: NDArray[Any]) -> NDArray[Any]:
        """`(batch, columns)` as `(chunks, columns, lanes)`, padded with zeros."""
        padded = np.zeros((self.chunks * self.lanes, table.shape[1]), dtype=table.dtype)
        padded[: self.batch] = table
        return padded.reshape(self.chunks, self.lanes, table.shape[1]).transpose(0, 2, 1)

    def rows(self, entries: NDArray[Any]) -> NDArray[Any]:
        """`(chunks, columns, lanes)` back as `(batch, columns)`."""
        return entries.transpose(0, 2, 1).reshape(self.chunks * self.lanes, entries.shape[1])[: self.batch]

    def arrays(self, weights: Tensor, inputs: Tensor | None, rows: Tensor | None) -> Arrays:
        """Weights, inputs and the parts of initial states as the kernels take them."""
        inputs = self.no_rows()[:, :, 0] if inputs is None else inputs.detach().contiguous()
        rows = self.no_rows() if rows is None else rows.detach().contiguous()
        return weights.detach().contiguous().numpy(), inputs.numpy(), rows.numpy()

    def no_gradient(self, inputs: Tensor | None, rows: Tensor | None, wanted: Sequence[bool]) -> Gradient:
        """Room for the derivatives by weights, inputs and states; inputs and states have no rows where not wanted."""
        of_weights = torch.zeros(self.chunks, self.program.n_weights + 1, dtype=self.dtype)
        of_inputs, of_rows = self.no_rows()[:, :, 0], self.no_rows()
        if inputs is not None and wanted[1]:
            of_inputs = torch.zeros(inputs.shape, dtype=self.dtype)
        if rows is not None and wanted[2]:
            of_rows = torch.empty(rows.shape, dtype=self.dtype)
        return of_weights, of_inputs, of_rows

    def no_rows(self) -> Tensor:
        """A stand-in for rows of states that are not there."""
        return torch.empty(0, 0, 1, dtype=self.dtype)


def parts(states: Tensor) -> Tensor:
    """`(batch, 2**n)` as `(batch, 2**n, 1 or 2)` real and imaginary parts."""
    return torch.view_as_real(states.resolve_conj()) if states.is_complex() else states[:, :, None]


def totals(gradient: Gradient, wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """What the backward of a torch function of weights, inputs and states returns for them."""
    of_weights, of_inputs, of_rows = gradient
    found = of_weights.sum(0)[:-1] if wanted[0] else None, of_inputs, of_rows
    return tuple(tensor if needed else None for tensor, needed in zip(found, wanted, strict=False))
