"""Base of the two-level designs: every factor low or high, with a centre point where one is wanted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.factors import Factor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TwoLevelDesign(Design):
    """Base of designs whose factors have two levels, or a range of which the ends are taken.

    Args:
        center_point: one more run in every block, all factors half-way; it tells whether the response is curved.
    """

    requires: ClassVar[tuple[str, ...]] = ("pydoe",)
    install: ClassVar[str] = "hqlm[study]"
    center_point: bool = False

    @abstractmethod
    def matrix(self, n_factors: int) -> Array:
        """Runs of `n_factors` factors, each -1 or 1 `(runs, n_factors)`."""

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return the first level where the matrix has -1, the second where it has 1."""
        check_factors(self, factors)
        settings = two_level_settings(self.matrix(len(factors)), factors)
        return (*settings, center(factors)) if self.center_point else settings


def two_level_settings(matrix: Array, factors: Sequence[Factor]) -> tuple[Setting, ...]:
    """Return one setting a row of -1 and 1."""
    return tuple(
        Setting({factor.key: factor.values[int(code > 0)] for factor, code in zip(factors, row, strict=True)})
        for row in matrix
    )


def center(factors: Sequence[Factor]) -> Setting:
    """Return all factors half-way between their two levels."""
    return Setting({factor.key: factor.middle() for factor in factors}, "center")


def check_factors(design: Design, factors: Sequence[Factor], fewest: int = 2) -> None:
    """Refuse factors with more than two levels, and too few or repeated ones.

    Raises:
        ConfigError: saying which designs would work.
    """
    many = [factor for factor in factors if len(factor.values) > 2]
    if many:
        title = type(design).__name__
        raise ConfigError(
            f"{title} has two levels a factor; {many[0].key} has {len(many[0].values)}: {list(many[0].values)}. Leave "
            "two of them, or take OrthogonalArray, FullFactorial or RandomDesign, which take more"
        )
    check_keys(design, factors, fewest)


def check_keys(design: Design, factors: Sequence[Factor], fewest: int) -> None:
    """Refuse too few or repeated factors.

    Raises:
        ConfigError: naming them.
    """
    keys = [factor.key for factor in factors]
    if len(set(keys)) < len(keys) or len(keys) < fewest:
        known: Any = keys or "none"
        raise ConfigError(f"{type(design).__name__} needs {fewest} or more different factors; given {known}")
