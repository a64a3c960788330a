"""Effects of factors: estimates, intervals, tests, and whether the residuals allow them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from hqlm.studies.analysis.overall import Overall, overall_tests
from hqlm.studies.analysis.regression import Regression, has_error
from hqlm.studies.analysis.terms import Term, make_terms
from hqlm.studies.designs import Design
from hqlm.studies.factors import Factor
from hqlm.studies.statistics import Estimate, holm

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]

_FEWEST: Final = 3  # residuals for a test of normality


@dataclass(frozen=True)
class Effect:
    """Effect of a term on the response.

    Args:
        name: what changes, such as `lr: 0.01 → 0.03`.
        factors: keys of the factors.
        kind: of the term.
        estimate: with interval and p-value; all None but the mean where there is no error to measure it by. NaN where
            the trials that are there do not determine it.
        p_holm: p-value adjusted for the number of all effects and overall tests.
    """

    name: str
    factors: tuple[str, ...]
    kind: Literal["main", "interaction", "curvature"]
    estimate: Estimate
    p_holm: float | None = None


@dataclass(frozen=True)
class Checks:
    """Whether residuals look as the tests assume; p-values, None where there is too little to tell.

    Args:
        normality: Shapiro and Wilk's test.
        equal_variance: Breusch and Pagan's test against the fitted values.
        drift: Spearman's rank correlation with the run order.
        outlier: Bonferroni p-value of the largest studentised residual.
        suspect: place of the trial it belongs to.
    """

    normality: float | None
    equal_variance: float | None
    drift: float | None
    outlier: float | None
    suspect: int | None


@dataclass(frozen=True)
class Effects:
    """The effects of a study on one response.

    Args:
        effects: one a term.
        overall: one for each factor of three or more levels.
        pure_error: whether the error is the scatter of blocks at equal settings, or the residual of the terms.
        degrees_of_freedom: of the error.
        sigma: its standard deviation.
        lack_of_fit: p-value that the terms leave nothing out.
        fitted: of each trial.
        residuals: of each trial.
        checks: of the residuals.
    """

    effects: tuple[Effect, ...]
    overall: tuple[Overall, ...]
    pure_error: bool
    degrees_of_freedom: int
    sigma: float
    lack_of_fit: float | None
    fitted: Array
    residuals: Array
    checks: Checks


def analyse_effects(results: pandas.DataFrame, design: Design, factors: Sequence[Factor], response: str) -> Effects:
    """Effects of all factors on a response.

    Args:
        results: a row a trial, as `read_results` yields them; rows without a response must be left out.
        design: of the study.
        factors: of the study.
        response: column of the results.
    """
    terms, regression = prepare(results, design, factors)
    return estimate(terms, regression, results[response].to_numpy(dtype=np.float64), results["order"].to_numpy())


def prepare(results: pandas.DataFrame, design: Design, factors: Sequence[Factor]) -> tuple[Sequence[Term], Regression]:
    """Return the terms of a design and the regression on them."""
    keys = [factor.key for factor in factors]
    values = [list(row) for row in zip(*(results[key] for key in keys), strict=True)]
    terms = make_terms(design, factors, values, [kind == "center" for kind in results["kind"]])
    settings = [json.dumps(row) for row in _plain(values)]
    columns = np.array([term.column for term in terms]).T
    return terms, Regression(columns, results["block"].tolist(), settings)


def estimate(terms: Sequence[Term], regression: Regression, response: Array, order: Array) -> Effects:
    """Effects on a response `(trials,)`, with what the error is and whether residuals allow the tests."""
    fitted = regression.fit(response)
    error = has_error(fitted)
    return Effects(
        *infer(terms, regression, fitted), regression.pure_error, int(fitted.df_resid),
        float(np.sqrt(fitted.scale)) if error else 0.0, regression.lack_of_fit_p(fitted),
        np.asarray(fitted.fittedvalues), np.asarray(fitted.resid),
        _checks(fitted, regression, order) if error else Checks(None, None, None, None, None),
    )  # fmt: skip


def infer(terms: Sequence[Term], regression: Regression, fitted: Any) -> tuple[tuple[Effect, ...], tuple[Overall, ...]]:
    """Estimates, intervals and tests of all terms and of whole factors, adjusted for their number by Holm's method."""
    known = regression.estimable
    estimates = {term: Estimate(float(fitted.params[place])) for term, place in known.items()}
    adjusted: dict[int, float] = {}
    overall: tuple[Overall, ...] = ()
    if has_error(fitted):
        ends, p_values = fitted.conf_int(0.05), fitted.pvalues
        for term, place in known.items():
            low, high = map(float, ends[place])
            estimates[term] = Estimate(estimates[term].mean, low, high, float(p_values[place]))
        tests = list(overall_tests(terms, regression, fitted))
        family = holm([float(p_values[place]) for place in known.values()] + [test.p for test in tests])
        adjusted = dict(zip(known, family, strict=False))
        overall = tuple(replace(test, p_holm=p) for test, p in zip(tests, family[len(known) :], strict=True))
    effects = tuple(
        Effect(term.name, term.factors, term.kind, estimates.get(place, Estimate(math.nan)), adjusted.get(place))
        for place, term in enumerate(terms)
    )
    return effects, overall


def _checks(fitted: Any, regression: Regression, order: Array) -> Checks:
    from scipy.stats import shapiro, spearmanr, t
    from statsmodels.stats.diagnostic import het_breuschpagan

    residuals, means = np.asarray(fitted.resid), np.asarray(fitted.fittedvalues)
    if len(residuals) <= _FEWEST or np.ptp(means) == 0.0:
        return Checks(None, None, None, None, None)
    vectors = np.linalg.qr(regression.exog)[0]
    free = np.maximum(1.0 - (vectors**2).sum(axis=1), 0.0)  # share of each trial that the fit leaves to its residual
    count, degrees = len(residuals), fitted.df_resid - 1
    outlier = suspect = None
    if degrees > 0 and free.min() > 1e-6:
        others = np.maximum((fitted.ssr - residuals**2 / free) / degrees, np.finfo(float).tiny)
        studentised = np.abs(residuals) / np.sqrt(others * free)
        suspect = int(studentised.argmax())
        outlier = float(min(1.0, 2.0 * count * t.sf(studentised[suspect], degrees)))
    design, squares = np.column_stack([np.ones(count), means]), residuals**2
    varies = np.ptp(squares) > 1e-9 * squares.max()  # where all are equal, as in two blocks of two, there is no test
    return Checks(
        float(shapiro(residuals).pvalue), float(het_breuschpagan(residuals, design)[1]) if varies else None,
        float(spearmanr(order, residuals).pvalue), outlier, suspect,
    )  # fmt: skip


def _plain(values: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return values that JSON takes: pandas makes NumPy numbers of columns."""
    return [[value.item() if isinstance(value, np.generic) else value for value in row] for row in values]
