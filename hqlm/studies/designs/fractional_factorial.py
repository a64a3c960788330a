"""Fractional factorial designs of a stated resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase
from typing import Final

import numpy as np

from hqlm.errors import ConfigError
from hqlm.studies.designs.aliases import alias_chains, describe, resolution
from hqlm.studies.designs.two_level import Array, TwoLevelDesign, check_factors
from hqlm.studies.factors import Factor

_MOST: Final = 20  # factors; beyond, the search for generators takes too long
_ROMAN: Final = {3: "III", 4: "IV", 5: "V"}
# (factors, runs): generators of what follows the basic factors, of least aberration; Montgomery (2012), Design and
# Analysis of Experiments, table 8.14
GENERATORS: Final = {
    (3, 4): "ab",
    (4, 8): "abc",
    (5, 8): "ab ac",
    (5, 16): "abcd",
    (6, 8): "ab ac bc",
    (6, 16): "abc bcd",
    (6, 32): "abcde",
    (7, 8): "ab ac bc abc",
    (7, 16): "abc bcd acd",
    (7, 32): "abcd abde",
    (7, 64): "abcdef",
    (8, 16): "bcd acd abc abd",
    (8, 32): "abc abd bcde",
    (8, 64): "abcd abef",
    (9, 16): "abc bcd acd abd abcd",
    (9, 32): "bcde acde abde abce",
    (9, 64): "abcd acef cdef",
    (10, 16): "abc bcd acd abd abcd ab",
    (10, 32): "abcd abce abde acde bcde",
    (10, 64): "bcdf acdf abde abce",
    (11, 16): "abc bcd acd abd abcd ab ac",
    (11, 32): "abc bcd cde acd ade bde",
    (11, 64): "cde abcd abf bdef adef",
}


@dataclass(frozen=True)
class FractionalFactorial(TwoLevelDesign):
    """A regular fraction 2^(k-p) of all combinations of k two-level factors.

    Resolution III: main effects are aliased with interactions of two factors. IV: these only with each other. V:
    neither main effects nor interactions of two factors with each other. Source: Box and Hunter (1961),
    Technometrics 3, 311.

    Args:
        resolution: 3, 4 or 5.
        runs: a power of 2, with the tabled generators of least aberration; None for the fewest runs that have the
            resolution.

    Raises:
        ConfigError: for another resolution.
    """

    resolution: int = 4
    runs: int | None = None

    def __post_init__(self) -> None:
        if self.resolution not in _ROMAN:
            raise ConfigError(f"FractionalFactorial: resolution is 3, 4 or 5, given {self.resolution}")

    def matrix(self, n_factors: int) -> Array:
        """Return the fraction, basic factors in standard order.

        Raises:
            ConfigError: for more factors, other runs or a higher resolution than there are.
        """
        from pydoe import fracfact, fracfact_by_res

        if n_factors > _MOST:
            raise ConfigError(f"FractionalFactorial takes up to {_MOST} factors, given {n_factors}; use PlackettBurman")
        if self.runs is None:
            return np.asarray(fracfact_by_res(n_factors, self.resolution), dtype=np.float64)
        known = {size: words for (count, size), words in GENERATORS.items() if count == n_factors}
        if self.runs not in known:
            sizes = ", ".join(map(str, known)) or "none"
            raise ConfigError(
                f"FractionalFactorial: for {n_factors} factors runs may be {sizes}, given {self.runs}. Leave it out "
                "for the fewest of a resolution, or take FullFactorial"
            )
        basic = " ".join(ascii_lowercase[: self.runs.bit_length() - 1])
        matrix = np.asarray(fracfact(f"{basic} {known[self.runs]}"), dtype=np.float64)
        found = resolution(matrix)
        if found is not None and found < self.resolution:
            raise ConfigError(
                f"FractionalFactorial: {self.runs} runs of {n_factors} factors have resolution {found}, not "
                f"{self.resolution}; give more runs, or resolution: {found}"
            )
        return matrix

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Resolution, generators, defining relation and alias chains."""
        check_factors(self, factors)
        matrix = self.matrix(len(factors))
        found = resolution(matrix)
        name = "higher than V" if found is None else _ROMAN[found]
        removed = len(factors) - (len(matrix).bit_length() - 1)
        title = (
            f"Fractional factorial design 2^({len(factors)}-{removed}), {len(matrix)} runs a block, resolution {name}."
        )
        return f"{title}\n" + describe(matrix, [factor.key for factor in factors])

    def interactions(self, factors: Sequence[Factor]) -> tuple[tuple[str, str], ...]:
        """Return all pairs, from resolution V on."""
        if alias_chains(self.matrix(len(factors))):
            return ()
        return tuple(combinations([factor.key for factor in factors], 2))
