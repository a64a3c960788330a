"""Comparing models that predicted the same rows: tests, intervals, and correction for several comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL: Final = 0.95
ALPHA: Final = 0.05  # a smaller p-value is called significant
RESAMPLES: Final = 9_999
_ROUNDING: Final = 4.0 * np.finfo(float).eps
_BATCH: Final = 500  # resamples that are in memory at a time
_FEWEST_FOR_WILCOXON: Final = 8  # with 5 pairs its p-value cannot fall below 0.06


@dataclass(frozen=True)
class Estimate:
    """A mean, an interval of 95 % around it, and what a test says of its being 0.

    Args:
        mean: the mean.
        low: lower end of the interval; None where nothing varies that could tell.
        high: upper end, likewise.
        p: two-sided p-value; None where none was asked for or none can be had.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class PairedRuns:
    """Differences of runs in pairs.

    Args:
        estimate: mean difference with Student's interval and the p-value of the paired t test.
        wilcoxon: p-value of Wilcoxon's signed-rank test, from 8 pairs up.
    """

    estimate: Estimate
    wilcoxon: float | None


def over_examples(correct: Array, seed: int = 0) -> Estimate:
    """Return the mean of `correct` `(rows,)` with its percentile bootstrap interval over rows.

    Args:
        correct: of each row the share of runs that had it right, or a difference of two such shares.
        seed: of the resampling.
    """
    from scipy.stats import bootstrap

    mean = float(correct.mean())
    if np.ptp(correct) == 0.0:
        return Estimate(mean, mean, mean)
    interval = bootstrap(
        (correct,), np.mean, n_resamples=RESAMPLES, batch=_BATCH, confidence_level=LEVEL, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Estimate(mean, float(interval.low), float(interval.high))


def sign_flip_p(differences: Array, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Return the two-sided p-value of the permutation test that the models of each row could change places.

    Under the null hypothesis the sign of each row's difference is a coin toss. Exact where all tosses are fewer than
    `resamples`, else as many seeded ones, the observed one among them: Phipson and Smyth (2010), arXiv:1603.05766.

    Args:
        differences: `(rows,)`; rows without one say nothing and are left out.
        resamples: how many tosses of all coins at most.
        seed: of the tosses.
    """
    from scipy.stats import permutation_test

    telling = differences[differences != 0.0]
    if len(telling) == 0:
        return 1.0
    result = permutation_test(
        (telling,), _total, permutation_type="samples", vectorized=True, n_resamples=resamples, batch=_BATCH,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(min(1.0, result.pvalue))


def paired_over_examples(one: Array, other: Array, seed: int = 0) -> Estimate:
    """Return `other - one` on the same rows: mean, bootstrap interval over rows, p-value of the permutation test.

    Args:
        one: of each row the share of runs that had it right `(rows,)`.
        other: likewise of the other model.
        seed: of the resampling.
    """
    interval = over_examples(other - one, seed)
    return Estimate(interval.mean, interval.low, interval.high, sign_flip_p(other - one, seed=seed))


def over_runs(values: Array, size: float | None = None) -> Estimate:
    """Return the mean of `values` `(runs,)` with Student's interval; none for a single run, or where none differs.

    Args:
        values: of each run.
        size: largest of the numbers that the values were computed from, whose rounding is no difference; by default
            the largest value.
    """
    from scipy.stats import t

    mean = float(values.mean())
    if np.ptp(values) <= _ROUNDING * (np.abs(values).max() if size is None else size):
        return Estimate(mean)
    half = float(t.ppf((1.0 + LEVEL) / 2.0, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half)


def paired_over_runs(one: Array, other: Array) -> PairedRuns:
    """Return `other - one` of runs in pairs: the paired t test, and Wilcoxon's from 8 pairs up.

    Args:
        one: accuracies `(runs,)`.
        other: those of the other model, in the same order of seeds or draws.
    """
    from scipy.stats import ttest_rel, wilcoxon

    interval = over_runs(other - one, float(np.abs((one, other)).max()))
    if interval.low is None:
        return PairedRuns(interval, None)
    p = float(ttest_rel(other, one).pvalue)
    ranks = float(wilcoxon(other, one).pvalue) if len(one) >= _FEWEST_FOR_WILCOXON else None
    return PairedRuns(Estimate(interval.mean, interval.low, interval.high, p), ranks)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in order: Holm (1979), Scandinavian Journal of Statistics 6, 65."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _total(values: Array, axis: int = -1) -> Array:
    total: Array = values.sum(axis=axis)
    return total
