"""Scaling: one factor, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Analysis, Design, Setting
from hqlm.studies.designs.two_level import check_keys
from hqlm.studies.factors import Factor


@dataclass(frozen=True)
class Scaling(Design):
    """Every level of one numeric factor, to see whether results rise or fall with it.

    Args:
        log: whether the trend is one by doubling, not by unit.
    """

    analysis: ClassVar[Analysis] = "trend"
    log: bool = False

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return one setting a level."""
        check_keys(self, factors, 1)
        factor = factors[0]
        if len(factors) > 1 or factor.is_range or not factor.is_numeric or len(factor.levels) < 3:
            raise ConfigError(
                "Scaling takes one factor with three or more levels that are numbers; given "
                f"{', '.join(f'{f.key} {list(f.values)}' for f in factors)}. For several factors take FullFactorial, "
                "for words Ablation"
            )
        if self.log and min(factor.levels) <= 0:
            raise ConfigError(f"Scaling: log takes levels above 0, given {list(factor.levels)}")
        return tuple(Setting({factor.key: level}) for level in factor.levels)

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Nothing but what changes along with the factor."""
        count = len(self.settings(factors))
        return (
            f"Scaling, {count} runs a block. What changes along with {factors[0].key} (parameters, features, depth) "
            "cannot be told from it."
        )
