"""Problems over spins, which QAOA minimises, and their exact solution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hqlm.algorithms.hamiltonian import LARGEST, check_size
from hqlm.circuits import PauliString
from hqlm.errors import ConfigError
from hqlm.plain import PlainFields

MOST_EXACT: Final = 20  # largest number of spins for which all 2^n energies are computed
_BLOCK: Final = 2**14

Bits = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Ising(PlainFields):
    """`E(s) = constant + sum_i h_i s_i + sum_{i<j} J_ij s_i s_j` of spins s = +1 (bit 0) and -1 (bit 1), to minimise.

    Args:
        n_spins: number of spins, one per qubit.
        fields: h by spin.
        couplings: J by pair `(i, j)`, i < j.
        constant: energy that does not depend on the spins.

    Raises:
        ConfigError: for spins that do not exist, a number that is not finite or above 1e100, nothing to minimise, or
            no coefficient of at least 1e-100.
        DataError: for more terms than a Hamiltonian may have.
    """

    n_spins: int
    fields: Mapping[int, float]
    couplings: Mapping[tuple[int, int], float]
    constant: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", {i: float(h) for i, h in self.fields.items() if h})
        object.__setattr__(self, "couplings", {pair: float(j) for pair, j in self.couplings.items() if j})
        if not self.fields and not self.couplings:
            raise ConfigError("the problem has no terms, so all choices are equally good")
        check_size(self.n_spins, len(self.fields) + len(self.couplings))
        for i, j in self.couplings:
            if not 0 <= i < j < self.n_spins:
                raise ConfigError(f"coupling ({i}, {j}) does not fit {self.n_spins} spins")
        for i in self.fields:
            if not 0 <= i < self.n_spins:
                raise ConfigError(f"field {i} does not fit {self.n_spins} spins")
        if not all(abs(value) <= LARGEST for value in (self.constant, *self.fields.values(), *self.couplings.values())):
            raise ConfigError("fields, couplings and their sum must be finite numbers between -1e100 and 1e100")
        if self.unit < 1.0 / LARGEST:
            raise ConfigError(
                f"the largest coefficient is {self.unit:g}, too small to compute with. Choose another unit"
            )

    @classmethod
    def from_qubo(cls, matrix: ArrayLike) -> Ising:
        """Create the problem of minimising `E = x^T Q x` over bits x.

        Args:
            matrix: Q `(n, n)`; entries above and below the diagonal are added.

        Raises:
            ConfigError: for a matrix that is not square, not finite or has entries above 1e100.
        """
        q = np.asarray(matrix, dtype=np.float64)
        if q.ndim != 2 or q.shape[0] != q.shape[1] or not (np.abs(q) <= LARGEST).all():
            raise ConfigError(f"a QUBO must be a square matrix of finite numbers up to 1e100, given shape {q.shape}")
        check_size(len(q), len(q) + int(np.count_nonzero(np.triu(q + q.T, 1))))
        pairs = np.triu(q + q.T, 1)  # x_i x_j = (1 - s_i - s_j + s_i s_j) / 4 and x_i = (1 - s_i) / 2
        linear = np.diag(q)
        fields = -linear / 2 - (pairs.sum(0) + pairs.sum(1)) / 4
        couplings = {(int(i), int(j)): pairs[i, j] / 4 for i, j in zip(*np.nonzero(pairs), strict=True)}
        return cls(len(q), dict(enumerate(fields)), couplings, float(linear.sum() / 2 + pairs.sum() / 4))

    @cached_property
    def unit(self) -> float:
        """Largest absolute field or coupling."""
        return max(map(abs, (*self.fields.values(), *self.couplings.values())))

    @cached_property
    def scaled(self) -> Ising:
        """The same problem in units of the largest coefficient and without its constant."""
        fields = {i: h / self.unit for i, h in self.fields.items()}
        return Ising(self.n_spins, fields, {pair: j / self.unit for pair, j in self.couplings.items()})

    @property
    def terms(self) -> dict[PauliString, float]:
        """Coefficient of each Pauli string of Z."""
        found = {PauliString.z(i, self.n_spins): h for i, h in self.fields.items()}
        for (i, j), value in self.couplings.items():
            letters = "".join("Z" if wire in (i, j) else "I" for wire in range(self.n_spins))
            found[PauliString(letters)] = value
        return found

    @cached_property
    def arrays(self) -> tuple[Values, Values]:
        """Fields h `(n,)` and couplings J `(n, n)`, symmetric."""
        fields, couplings = np.zeros(self.n_spins), np.zeros((self.n_spins, self.n_spins))
        for i, h in self.fields.items():
            fields[i] = h
        for (i, j), value in self.couplings.items():
            couplings[i, j] = couplings[j, i] = value
        return fields, couplings

    def energies(self, bits: ArrayLike) -> Values:
        """Return the energy of each row of bits `(rows, n_spins)`."""
        return self.constant + self.variable_part(bits)

    def variable_part(self, bits: ArrayLike) -> Values:
        """Return the energy of each row without the constant, which may be so large that differences lose precision."""
        spins = 1.0 - 2.0 * np.asarray(bits, dtype=np.float64)
        fields, couplings = self.arrays
        found: Values = spins @ fields + 0.5 * np.einsum("ri,ri->r", spins @ couplings, spins)
        return found

    @property
    def is_small(self) -> bool:
        """Whether all energies can be computed."""
        return self.n_spins <= MOST_EXACT

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Lowest and highest energy of all `2**n_spins` choices.

        Raises:
            ConfigError: for more than 20 spins.
        """
        least, most = self.variable_extremes
        return self.constant + least, self.constant + most

    @cached_property
    def variable_extremes(self) -> tuple[float, float]:
        """Lowest and highest energy without the constant."""
        if not self.is_small:
            raise ConfigError(f"all energies are computed for up to {MOST_EXACT} spins, given {self.n_spins}")
        least, most = math.inf, -math.inf
        for first in range(0, 2**self.n_spins, _BLOCK):
            energies = self.variable_part(all_bits(self.n_spins, first, _BLOCK))
            least, most = min(least, float(energies.min())), max(most, float(energies.max()))
        return least, most


def all_bits(n_bits: int, first: int = 0, count: int | None = None) -> Bits:
    """Return bits `(count, n_bits)` of the numbers from `first`, the most significant first."""
    last = 2**n_bits if count is None else min(2**n_bits, first + count)
    numbers = np.arange(first, last, dtype=np.int64)
    return ((numbers[:, None] >> np.arange(n_bits - 1, -1, -1)) & 1).astype(np.uint8)
