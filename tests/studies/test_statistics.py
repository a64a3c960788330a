"""Tests and intervals against SciPy, statsmodels, closed forms and a simulation of the null hypothesis."""

import itertools

import numpy as np
import pytest

from hqlm.studies.statistics import holm, over_examples, over_runs, paired_over_examples, paired_over_runs, sign_flip_p

stats = pytest.importorskip("scipy.stats")
multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests


def test_the_permutation_test_is_exact_where_it_can_be():
    differences = np.array([1.0, -1 / 3, 0.0, 2 / 3, 1.0, 0.0, 1 / 3, -2 / 3, 1.0])
    telling = differences[differences != 0]
    totals = [abs(np.dot(signs, telling)) for signs in itertools.product((-1, 1), repeat=len(telling))]
    expected = np.mean(np.array(totals) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_p(differences) == pytest.approx(expected, abs=1e-12)


def test_with_one_run_the_permutation_test_is_the_sign_test():
    differences = np.array([1.0] * 9 + [-1.0] * 3 + [0.0] * 40)  # McNemar's exact test of one named seed
    assert sign_flip_p(differences) == pytest.approx(stats.binomtest(3, 12).pvalue)


def test_many_tosses_come_near_the_exact_test():
    differences = np.array([1.0] * 35 + [-1.0] * 20)
    exact = stats.binomtest(20, 55).pvalue
    sigma = np.sqrt(exact * (1 - exact) / 9_999)
    assert abs(sign_flip_p(differences) - exact) < 4 * sigma
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(differences, seed=1) != sign_flip_p(differences, seed=2)


def test_equal_models_have_no_difference():
    same = np.array([0.0, 1.0, 2 / 3])
    found = paired_over_examples(same, same)
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_type_one_error_is_what_it_should_be():
    # rows differ in how hard they are, runs share the rows: pooling the runs would reject far more often
    generator, trials, alpha = np.random.default_rng(0), 400, 0.05
    rejected = 0
    for _ in range(trials):
        chance = generator.beta(4, 1.5, size=150)
        one, other = (
            (generator.normal(stats.norm.ppf(chance), 0.5, (1, 150)) + generator.normal(0, 0.3, (3, 150)) > 0).mean(0)
            for _ in range(2)
        )
        rejected += sign_flip_p(other - one, resamples=499) <= alpha
    sigma = np.sqrt(alpha * (1 - alpha) / trials)
    assert abs(rejected / trials - alpha) < 3 * sigma


def test_the_bootstrap_interval_of_a_share_is_that_of_the_binomial():
    correct = np.zeros(1000)
    correct[:810] = 1.0
    found = over_examples(correct)
    low, high = stats.binom.ppf([0.025, 0.975], 1000, 0.81) / 1000
    assert found.mean == 0.81
    assert found.low == pytest.approx(low, abs=0.0021)
    assert found.high == pytest.approx(high, abs=0.0021)
    shares = np.random.default_rng(0).random(40)
    assert over_examples(shares) == over_examples(shares) != over_examples(shares, seed=1)
    skewed = over_examples(np.array([1.0] * 29 + [0.0]))  # of a resample without the one mistake all are right
    assert (skewed.low, skewed.high) == pytest.approx((stats.binom.ppf(0.025, 30, 29 / 30) / 30, 1.0), abs=1e-12)


def test_paired_rows_narrow_the_interval():
    generator = np.random.default_rng(1)
    one = (generator.random(500) < 0.8).astype(float)
    other = np.where(generator.random(500) < 0.05, 1 - one, one)
    paired = paired_over_examples(one, other)
    width = over_examples(one).high - over_examples(one).low
    assert paired.high - paired.low < width
    assert paired.mean == pytest.approx(other.mean() - one.mean())


def test_runs_in_pairs_against_scipy():
    generator = np.random.default_rng(2)
    one, other = generator.normal(0.8, 0.01, 8), generator.normal(0.81, 0.01, 8)
    found = paired_over_runs(one, other)
    result = stats.ttest_rel(other, one)
    assert found.estimate.p == pytest.approx(result.pvalue)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(result.confidence_interval(0.95)))
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(other, one).pvalue)
    assert paired_over_runs(one[:7], other[:7]).wilcoxon is None


def test_runs_that_do_not_vary_tell_nothing():
    assert paired_over_runs(np.full(3, 0.8), np.full(3, 0.81)).estimate.p is None
    single = paired_over_runs(np.array([0.8]), np.array([0.9])).estimate
    assert single.mean == pytest.approx(0.1)
    assert (single.low, single.high, single.p) == (None, None, None)
    interval = over_runs(np.array([0.79, 0.80, 0.82]))
    expected = stats.t.interval(0.95, 2, loc=interval.mean, scale=stats.sem([0.79, 0.80, 0.82]))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_holm_against_statsmodels():
    generator = np.random.default_rng(3)
    for count in (1, 2, 5, 9):
        values = generator.random(count) ** 3
        assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert holm([]) == []
