"""Definitive screening designs: three levels a factor, main effects clear of all second-order effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.designs.two_level import Array, check_keys
from hqlm.studies.factors import Factor

_FEWEST = 3


@dataclass(frozen=True)
class DefinitiveScreening(Design):
    """Main effects of k ranges in 2k+1 runs (2k+3 for odd k), each range at its low end, middle and high end.

    Main effects are orthogonal to each other, to all interactions of two factors and to all quadratic effects. Source:
    Jones and Nachtsheim (2011), Journal of Quality Technology 43, 1.
    """

    requires: ClassVar[tuple[str, ...]] = ("pydoe",)
    install: ClassVar[str] = "hqlm[study]"

    def matrix(self, n_factors: int) -> Array:
        """Runs of -1, 0 and 1 `(runs, n_factors)`."""
        from pydoe import definitive_screening_design

        return np.asarray(definitive_screening_design(n_factors), dtype=np.float64)

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Low, middle and high of each range."""
        check_keys(self, factors, _FEWEST)
        for factor in factors:
            if not factor.is_range:
                raise ConfigError(
                    f"DefinitiveScreening needs ranges; {factor.key} has levels. Give {{low: ..., high: ...}}, or take "
                    "PlackettBurman or FractionalFactorial for two levels, OrthogonalArray or FullFactorial for more"
                )
        middles = {factor.key: factor.middle() for factor in factors}
        return tuple(
            Setting({f.key: f.at(code) if code else middles[f.key] for f, code in zip(factors, row, strict=True)})
            for row in self.matrix(len(factors))
        )

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Main effects are clear; second-order effects are partly aliased with each other."""
        return (
            f"Definitive screening design, {len(self.settings(factors))} runs a block. Main effects are free of "
            "interactions of two factors and of quadratic effects. Interactions and quadratic effects are partly "
            "aliased with each other: the lack-of-fit test tells whether there are any, not which."
        )
