"""What a run needs to know of its batch, and how rows of tensors become chunks of lanes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.kernels.program import Program
from hqlm.backends.kernels.simd import LANES

DTYPES: Final = {torch.float32: np.float32, torch.float64: np.float64}
_SMALL: Final = 60_000  # pairs of vectors; about a tenth of a millisecond


@dataclass(frozen=True)
class Job:
    """A program on `batch` rows of a precision, with or without imaginary parts."""

    program: Program
    batch: int
    dtype: torch.dtype
    is_complex: bool

    @property
    def lanes(self) -> int:
        """Rows in a chunk."""
        return LANES >> self.program.lane_qubits

    @property
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

    def entries(self, table: NDArray[Any], spare: int = 0) -> NDArray[Any]:
        """`(batch, columns)` as `(chunks, columns + spare, lanes)`, padded with zeros."""
        batch, columns = table.shape
        padded = np.zeros((self.chunks * self.lanes, columns + spare), dtype=table.dtype)
        padded[:batch, :columns] = table
        return padded.reshape(self.chunks, self.lanes, columns + spare).transpose(0, 2, 1)

    def rows(self, entries: NDArray[Any], columns: int) -> NDArray[Any]:
        """`(chunks * columns, lanes)` back as `(batch, columns)`."""
        turned = entries.reshape(self.chunks, columns, self.lanes).transpose(0, 2, 1)
        return turned.reshape(self.chunks * self.lanes, columns)[: self.batch]

    def half_angles(self, angles: Tensor) -> NDArray[Any]:
        """Cosine and sine of half of each angle, and of a spare column that operations without an angle read."""
        half = self.entries(angles.detach().numpy(), spare=1)
        half *= 0.5
        both = np.empty((self.chunks, self.program.n_columns + 1, 2, self.lanes), dtype=half.dtype)
        np.cos(half, out=both[:, :, 0])
        np.sin(half, out=both[:, :, 1])
        return both.reshape(-1, self.lanes)

    def no_rows(self) -> Tensor:
        """A stand-in for rows of states that are not there."""
        return torch.empty(0, 0, 1, dtype=self.dtype)


def parts(states: Tensor) -> Tensor:
    """`(batch, 2**n)` as `(batch, 2**n, 1 or 2)` real and imaginary parts."""
    return torch.view_as_real(states.resolve_conj()) if states.is_complex() else states[:, :, None]
