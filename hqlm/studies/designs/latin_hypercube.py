"""Latin hypercubes: ranges covered evenly by few runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.designs.random import check_runs, codes, largest_correlation
from hqlm.studies.designs.two_level import check_keys
from hqlm.studies.factors import Factor

_TRIES: Final = 500  # draws, of which the least correlated is kept


@dataclass(frozen=True)
class LatinHypercube(Design):
    """One value in each of as many equal parts of every range as there are runs; the same in every block.

    Of many draws the one is kept whose factors are least correlated.

    Source: McKay, Beckman and Conover (1979), Technometrics 21, 239.

    Args:
        runs: how many in every block.
    """

    requires: ClassVar[tuple[str, ...]] = ("pydoe",)
    install: ClassVar[str] = "hqlm[study]"
    runs: int = 16

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return as many settings as runs."""
        from pydoe import lhs

        check_keys(self, factors, 1)
        check_runs(self, self.runs, factors)
        levels = [factor.key for factor in factors if not factor.is_range]
        if levels:
            raise ConfigError(
                f"LatinHypercube needs ranges; {levels[0]} has levels. Give {{low: ..., high: ...}}, or take "
                "RandomDesign"
            )
        # rounding to whole numbers may bring two values together
        drawn = lhs(len(factors), self.runs, criterion="correlation", iterations=_TRIES, seed=self.order_seed)
        return tuple(
            Setting({factor.key: factor.at(2.0 * float(u) - 1.0) for factor, u in zip(factors, row, strict=True)})
            for row in np.asarray(drawn)
        )

    def n_settings(self, factors: Sequence[Factor]) -> int:
        """Return `runs`."""
        return self.runs

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Return the largest correlation that was drawn."""
        drawn = codes(self.settings(factors), factors)
        return (
            f"Latin hypercube, {self.runs} runs a block. Nothing is fully aliased; the largest correlation between two "
            f"factors is {largest_correlation(drawn):.2f}, so that their effects are told apart less sharply."
        )
