"""Least squares on the terms of a design, blocks taken out, tested against how much trials of one setting scatter."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TINY: Final = 1e-9  # relative; what is smaller is rounding


@dataclass(frozen=True)
class Regression:
    """A linear model of the response: mean, blocks (sum coded), terms, and lack of fit; full rank.

    Lack of fit are columns that are orthogonal to all others and together with them give every setting a mean of its
    own. They change no estimate; they take out of the residual what settings differ in beyond the terms, such as
    interactions. What remains is how differently blocks respond to the same settings (pure error), the right yardstick
    for effects: it is not inflated by what the terms leave out, and not deflated by seeds that are alike. Without
    enough repeats for that, the residual of the terms is the yardstick, and interactions are assumed to be small.
    Box, Hunter and Hunter (2005), Statistics for Experimenters, chapters 4 and 10.

    Args:
        columns: of the terms `(trials, terms)`.
        blocks: of each trial the number of its block.
        settings: of each trial something that equals for equal settings.
    """

    columns: Array
    blocks: Sequence[int]
    settings: Sequence[Hashable]

    @cached_property
    def _first(self) -> Array:
        """Mean and blocks `(trials, blocks)`."""
        known = sorted(set(self.blocks))
        members = np.array([[float(block == other) for other in known] for block in self.blocks])
        return np.hstack([np.ones((len(members), 1)), members[:, :-1] - members[:, -1:]])

    @cached_property
    def kept(self) -> dict[int, int]:
        """Column index in `base` of each term that is linearly independent of the earlier ones."""
        chosen, places = self._first, {}
        for term, column in enumerate(self.columns.T):
            left = column - chosen @ np.linalg.lstsq(chosen, column, rcond=None)[0]
            if np.linalg.norm(left) > np.sqrt(_TINY) * max(1.0, float(np.linalg.norm(column))):
                places[term] = chosen.shape[1]
                chosen = np.hstack([chosen, column[:, None]])
        return places

    @cached_property
    def base(self) -> Array:
        """Mean, blocks and the terms that are kept."""
        return np.hstack([self._first, self.columns[:, list(self.kept)]])

    @cached_property
    def estimable(self) -> dict[int, int]:
        """Column index of each estimable term; aliased terms are omitted."""
        whole = np.hstack([self._first, self.columns])
        _, sizes, rows = np.linalg.svd(whole, full_matrices=True)
        rank = int((sizes > _TINY * sizes[0]).sum())
        mixed = np.abs(rows[rank:]).max(axis=0, initial=0.0) > np.sqrt(_TINY)
        return {term: place for term, place in self.kept.items() if not mixed[self._first.shape[1] + term]}

    @cached_property
    def _beyond(self) -> Array:
        """Orthonormal columns of what settings can differ in beyond the terms."""
        known = list(dict.fromkeys(self.settings))
        members = np.array([[float(setting == other) for other in known] for setting in self.settings])
        left = members - self.base @ np.linalg.lstsq(self.base, members, rcond=None)[0]
        vectors, sizes, _ = np.linalg.svd(left, full_matrices=False)
        found: Array = vectors[:, sizes > np.sqrt(_TINY)]
        return found

    @cached_property
    def pure_error(self) -> bool:
        """Whether settings are repeated often enough for an error that nothing missing among the terms inflates."""
        beyond = self._beyond.shape[1]
        repeats = len(self.settings) - int(np.linalg.matrix_rank(self.base)) - beyond
        return bool(repeats >= max(1, beyond))

    @property
    def lack_of_fit(self) -> Array:
        """Orthonormal columns `(trials, q)`; q is 0 where the residual of the terms is the yardstick."""
        return self._beyond if self.pure_error else self._beyond[:, :0]

    @cached_property
    def exog(self) -> Array:
        """All columns."""
        return np.hstack([self.base, self.lack_of_fit])

    def fit(self, response: Array) -> Any:
        """Ordinary least squares by statsmodels; all its columns are independent.

        Args:
            response: of each trial `(trials,)`.
        """
        from statsmodels.api import OLS

        return OLS(response, self.exog).fit()

    def lack_of_fit_p(self, fitted: Any) -> float | None:
        """p-value of the F test that the terms leave nothing out; None where that cannot be tested."""
        count = self.lack_of_fit.shape[1]
        if not count or not has_error(fitted):
            return None
        return float(fitted.f_test(np.eye(self.exog.shape[1])[-count:]).pvalue)


def has_error(fitted: Any) -> bool:
    """Return whether a residual is left to measure the error by: degrees of freedom, and more than rounding."""
    spread = float(np.abs(fitted.model.endog).max(initial=0.0))
    return bool(fitted.df_resid > 0 and np.sqrt(max(fitted.ssr, 0.0)) > _TINY * spread)
