"""Random designs: values drawn anew for every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.designs.two_level import Array, check_keys
from hqlm.studies.factors import Factor


@dataclass(frozen=True)
class RandomDesign(Design):
    """Values drawn at random, the same in every block: of a range evenly (or its logarithm), of levels any.

    Source: Bergstra and Bengio (2012), Journal of Machine Learning Research 13, 281.

    Args:
        runs: how many in every block.
    """

    runs: int = 16

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return as many settings as runs."""
        check_keys(self, factors, 1)
        check_runs(self, self.runs, factors)
        rng = np.random.default_rng(self.order_seed)
        return tuple(Setting({factor.key: _draw(factor, rng) for factor in factors}) for _ in range(self.runs))

    def n_settings(self, factors: Sequence[Factor]) -> int:
        """Return `runs`."""
        return self.runs

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Return the largest correlation that was drawn."""
        drawn = codes(self.settings(factors), factors)
        return (
            f"Random design, {self.runs} runs a block. Nothing is fully aliased; the largest correlation between two "
            f"factors is {largest_correlation(drawn):.2f}, so that their effects are told apart less sharply."
        )


def codes(settings: Sequence[Setting], factors: Sequence[Factor]) -> Array:
    """Return the places of values, in their range or among the levels `(settings, factors)`."""
    return np.array(
        [
            [
                factor.code(setting.overrides[factor.key])
                if factor.is_range
                else factor.levels.index(setting.overrides[factor.key])
                for factor in factors
            ]
            for setting in settings
        ],
        dtype=np.float64,
    )


def largest_correlation(table: Array) -> float:
    """Return the largest absolute correlation between two columns; columns that do not vary are left out."""
    varying = table[:, np.ptp(table, axis=0) > 0]
    if varying.shape[1] < 2:
        return 0.0
    shared = np.abs(np.corrcoef(varying, rowvar=False))
    return float(shared[np.triu_indices(len(shared), 1)].max())


def check_runs(design: Design, runs: int, factors: Sequence[Factor]) -> None:
    """Refuse fewer runs than an estimate of all main effects takes.

    Raises:
        ConfigError: with the fewest.
    """
    fewest = 2 + sum(len(factor.values) - 1 for factor in factors)
    if runs < fewest:
        raise ConfigError(f"{type(design).__name__}: runs={runs} are too few for these factors; give {fewest} or more")


def _draw(factor: Factor, rng: np.random.Generator) -> object:
    if factor.is_range:
        return factor.at(rng.uniform(-1.0, 1.0))
    return factor.levels[int(rng.integers(len(factor.levels)))]
