"""Factors of three or more levels as a whole: whether their levels differ at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hqlm.studies.analysis.regression import Regression
from hqlm.studies.analysis.terms import Term, short_names


@dataclass(frozen=True)
class Overall:
    """The F test that all levels of a factor have the same mean.

    It finds what no comparison with the first level finds, such as two other levels that differ from each other.

    Args:
        name: short one of the factor.
        n_levels: of the factor.
        f: ratio of mean squares.
        degrees: degrees of freedom of the factor and of the error.
        p: p-value.
        p_holm: adjusted for the number of all effects and overall tests.
    """

    name: str
    n_levels: int
    f: float
    degrees: tuple[int, int]
    p: float
    p_holm: float | None = None


def overall_tests(terms: Sequence[Term], regression: Regression, fitted: Any) -> Iterator[Overall]:
    """Return the tests, not yet adjusted, of factors of three or more levels whose effects the trials all determine."""
    places: dict[str, list[int | None]] = {}
    for place, term in enumerate(terms):
        if term.kind == "main":
            places.setdefault(term.factors[0], []).append(regression.estimable.get(place))
    names = short_names(list(places))
    for factor, columns in places.items():
        known = [column for column in columns if column is not None]
        if len(columns) > 1 and len(known) == len(columns):
            found = fitted.f_test(np.eye(regression.exog.shape[1])[known])
            degrees = len(known), int(fitted.df_resid)
            yield Overall(names[factor], len(known) + 1, float(found.fvalue), degrees, float(found.pvalue))
