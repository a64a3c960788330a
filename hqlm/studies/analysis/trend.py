"""Scaling: whether a measure rises or falls with a factor, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hqlm.studies.analysis.regression import Regression, has_error
from hqlm.studies.factors import Factor
from hqlm.studies.statistics import Estimate, holm, over_runs

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]

_GRID: Final = 60  # places at which the band is drawn


@dataclass(frozen=True)
class Trend:
    """One measure against one factor.

    Args:
        measure: column of the results.
        levels: of the factor that are there.
        means: of the measure at each level, with its interval over seeds.
        slope: change by a unit of the factor, or by doubling it; p-value of the t test of the linear contrast within
            blocks.
        p_holm: of the slope, adjusted for the number of measures.
        page: two-sided p-value of Page's test that ranks within seeds rise or fall (Page, 1963, Journal of the
            American Statistical Association 58, 216); None where a seed lacks a level.
        lack_of_fit: p-value that the course is straight.
        line: places, line, and lower and upper end of its 95 % band `(4, places)`; None where nothing scatters.
    """

    measure: str
    levels: tuple[float, ...]
    means: tuple[Estimate, ...]
    slope: Estimate
    p_holm: float | None
    page: float | None
    lack_of_fit: float | None
    line: Array | None


def analyse_trends(results: pandas.DataFrame, factor: Factor, log: bool, measures: Sequence[str]) -> tuple[Trend, ...]:
    """Return the trends of several measures, their p-values adjusted for how many vary at random.

    Args:
        results: a row a trial; rows that failed must be left out.
        factor: the one of the study.
        log: whether slopes are by doubling.
        measures: columns of the results.
    """
    trends = [_trend(results, factor, log, measure) for measure in measures]
    tested = [place for place, trend in enumerate(trends) if trend.slope.p is not None]
    adjusted = dict(zip(tested, holm([trends[place].slope.p or 0.0 for place in tested]), strict=True))
    return tuple(replace(trend, p_holm=adjusted.get(place)) for place, trend in enumerate(trends))


def _trend(results: pandas.DataFrame, factor: Factor, log: bool, measure: str) -> Trend:
    values = results[factor.key].to_numpy(dtype=np.float64)
    response = results[measure].to_numpy(dtype=np.float64)
    levels = sorted(set(values.tolist()))
    means = tuple(over_runs(response[values == level]) for level in levels)
    scale = np.log2 if log else np.asarray
    places = scale(values)
    center = float(places.mean())
    regression = Regression((places - center)[:, None], results["block"].tolist(), values.tolist())
    if len(levels) < 2:
        return Trend(measure, tuple(levels), means, Estimate(float("nan")), None, None, None, None)
    fitted = regression.fit(response)
    at = regression.estimable[0]
    slope = Estimate(float(fitted.params[at]))
    if not has_error(fitted):
        return Trend(measure, tuple(levels), means, slope, None, None, None, None)
    low, high = fitted.conf_int(0.05)[at]
    slope = Estimate(slope.mean, float(low), float(high), float(fitted.pvalues[at]))
    drawn = np.linspace(min(levels), max(levels), _GRID)
    exog = np.zeros((_GRID, regression.exog.shape[1]))
    exog[:, 0], exog[:, at] = 1.0, scale(drawn) - center
    predicted = fitted.get_prediction(exog)
    line = np.vstack([drawn, predicted.predicted_mean, predicted.conf_int(alpha=0.05).T])
    page, lack = page_p(results, factor.key, measure), regression.lack_of_fit_p(fitted)
    return Trend(measure, tuple(levels), means, slope, None, page, lack, line)


def page_p(results: pandas.DataFrame, key: str, measure: str) -> float | None:
    """Return the two-sided p-value of Page's test over blocks; None for incomplete blocks or fewer than 3 levels."""
    from scipy.stats import page_trend_test

    table = results.pivot_table(index="block", columns=key, values=measure).to_numpy(dtype=np.float64)
    if np.isnan(table).any() or table.shape[0] < 2 or table.shape[1] < 3:
        return None
    rising, falling = (float(page_trend_test(values).pvalue) for values in (table, -table))
    return min(1.0, 2.0 * min(rising, falling))
