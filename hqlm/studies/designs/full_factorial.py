"""Full factorial designs: every combination."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.designs.two_level import center, check_keys
from hqlm.studies.factors import Factor


@dataclass(frozen=True)
class FullFactorial(Design):
    """Every combination of the levels of all factors; of a range both ends.

    Args:
        center_point: one more run in every block, all factors half-way; for factors with two levels.
    """

    center_point: bool = False

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return the combinations, the last factor changing fastest."""
        check_keys(self, factors, 1)
        keys = [factor.key for factor in factors]
        settings = tuple(
            Setting(dict(zip(keys, values, strict=True))) for values in product(*(factor.values for factor in factors))
        )
        return (*settings, center(factors)) if self.center_point else settings

    def n_settings(self, factors: Sequence[Factor]) -> int:
        """Return the product of the numbers of levels."""
        check_keys(self, factors, 1)
        return math.prod(len(factor.values) for factor in factors) + self.center_point

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Nothing is aliased."""
        count = self.n_settings(factors)
        return f"Full factorial design, {count} runs a block: no effect is aliased with another."

    def interactions(self, factors: Sequence[Factor]) -> tuple[tuple[str, str], ...]:
        """Return all pairs of factors with two levels; interactions of more levels are left to the lack-of-fit test."""
        return tuple(combinations([factor.key for factor in factors if len(factor.values) == 2], 2))
