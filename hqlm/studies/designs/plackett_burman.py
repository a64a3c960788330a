"""Plackett-Burman designs: many main effects in few runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from hqlm.errors import ConfigError
from hqlm.studies.designs.aliases import describe
from hqlm.studies.designs.fractional_factorial import GENERATORS, FractionalFactorial
from hqlm.studies.designs.two_level import Array, TwoLevelDesign, check_factors
from hqlm.studies.factors import Factor

# multiples of 4 up to 48 that the package builds: 2, 12 or 20 times a power of 2
_RUNS: Final = (4, 8, 12, 16, 20, 24, 32, 40, 48)


@dataclass(frozen=True)
class PlackettBurman(TwoLevelDesign):
    """Main effects of up to N-1 two-level factors in N runs, N a multiple of 4.

    Main effects are orthogonal to each other, and partially aliased with interactions of two other factors. Source:
    Plackett and Burman (1946), Biometrika 33, 305.
    """

    def matrix(self, n_factors: int) -> Array:
        """Return the first columns of the smallest of these designs that has room.

        Raises:
            ConfigError: for more factors than fit into 48 runs.
        """
        from pydoe import pbdesign

        runs = next((runs for runs in _RUNS if runs > n_factors), None)
        if runs is None:
            raise ConfigError(f"PlackettBurman has room for up to {_RUNS[-1] - 1} factors; given {n_factors}")
        return np.asarray(pbdesign(runs - 1), dtype=np.float64)[:, :n_factors]

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Legend, how much of an interaction goes into a main effect, and which design of no more runs has none."""
        check_factors(self, factors)
        matrix = self.matrix(len(factors))
        better = _cleaner_fraction(len(factors), len(matrix))
        hint = (
            f"\n{better} has resolution IV in as many runs: main effects free of interactions of two." if better else ""
        )
        title = f"Plackett-Burman design, {len(matrix)} runs a block."
        return f"{title}\n{describe(matrix, [factor.key for factor in factors])}{hint}"


def _cleaner_fraction(n_factors: int, runs: int) -> FractionalFactorial | None:
    """Return the fractional factorial of resolution IV that takes no more runs; None where there is none."""
    fractions = (FractionalFactorial(resolution=4, runs=size) for count, size in GENERATORS if count == n_factors)
    for fraction in fractions:
        with suppress(ConfigError):  # of a lower resolution
            if fraction.runs is not None and fraction.runs <= runs and len(fraction.matrix(n_factors)):
                return fraction
    return None
