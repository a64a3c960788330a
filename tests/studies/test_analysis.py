"""Analyses of studies against statsmodels, SciPy and known effects."""

import numpy as np
import pandas as pd
import pytest

from hqlm.studies.analysis.ablation import analyse_ablation
from hqlm.studies.analysis.effects import analyse_effects, infer, prepare
from hqlm.studies.analysis.terms import short_names
from hqlm.studies.analysis.trend import analyse_trends
from hqlm.studies.designs import (
    Ablation,
    DefinitiveScreening,
    FractionalFactorial,
    FullFactorial,
    LatinHypercube,
    OrthogonalArray,
    PlackettBurman,
    RandomDesign,
    Scaling,
)
from hqlm.studies.factors import Factor
from hqlm.studies.statistics import holm

TWO = [Factor(f"model.f{i}", (1, 3)) for i in range(8)]
RANGES = [Factor(f"model.r{i}", low=1.0, high=3.0) for i in range(5)]
MIXED = [*TWO[:3], Factor("data.a", ("x", "y", "z")), Factor("data.b", (1, 2, 3))]
DESIGNS = {
    "PlackettBurman": (PlackettBurman(center_point=True), TWO),
    "FractionalFactorial": (FractionalFactorial(), TWO),
    "FractionalFactorial V": (FractionalFactorial(resolution=5), TWO[:5]),
    "FullFactorial": (FullFactorial(), TWO[:3]),
    "DefinitiveScreening": (DefinitiveScreening(), RANGES),
    "OrthogonalArray": (OrthogonalArray(), MIXED),
    "RandomDesign": (RandomDesign(), [*RANGES[:3], MIXED[3]]),
    "LatinHypercube": (LatinHypercube(), RANGES),
}
STUDIES = 1_000


def table(design, factors, seeds=(0, 1, 2)):
    """Trials as `read_results` yields them, without results."""
    rows = [
        {"order": i, "trial": f"t{i}", "kind": t.kind, "block": t.block, "seed": t.seed, **dict(t.overrides)}
        for i, t in enumerate(design.trials(factors, list(seeds)))
    ]
    return pd.DataFrame(rows)


def responses(results, signal, rng, sigma=0.01):
    """`signal` with noise, and seeds that shift all their trials."""
    blocks = results["block"].to_numpy()
    return signal + 0.05 * rng.normal(size=blocks.max() + 1)[blocks] + sigma * rng.normal(size=len(results))


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_cover_known_effects_and_false_positives_stay_rare(name):
    """95 % intervals hold the truth in 93 to 97 % of 1,000 studies; one in 20 studies of nothing finds something."""
    design, factors = DESIGNS[name]
    results = table(design, factors)
    terms, regression = prepare(results, design, factors)
    rng = np.random.default_rng(6)
    truth = 0.02 * rng.normal(size=len(terms))
    signal = regression.columns @ truth
    covered, alarms = np.zeros(len(terms)), 0
    for _ in range(STUDIES):
        found, _ = infer(terms, regression, regression.fit(responses(results, signal, rng)))
        ends = np.array([(effect.estimate.low, effect.estimate.high) for effect in found])
        covered += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
        nothing, whole = infer(terms, regression, regression.fit(responses(results, 0.0, rng)))
        alarms += min(test.p_holm for test in (*nothing, *whole)) < 0.05
    print(f"{name}: coverage {covered.mean() / STUDIES:.4f}, family-wise false positives {alarms / STUDIES:.4f}")
    assert 0.93 <= covered.mean() / STUDIES <= 0.97
    assert alarms <= 0.071 * STUDIES


@pytest.mark.slow
def test_trends_cover_a_known_slope_and_false_positives_stay_rare(monkeypatch):
    monkeypatch.setattr("hqlm.studies.analysis.trend.page_p", lambda *given: None)  # slow, and not what is tried here
    factor = Factor("q", (4, 6, 8, 10))
    results = table(Scaling(), [factor])
    rng = np.random.default_rng(7)
    covered, alarms = 0, 0
    for _ in range(STUDIES):
        results["one"] = responses(results, 0.003 * results["q"].to_numpy(), rng)
        results["two"] = responses(results, 0.0, rng)
        results["three"] = responses(results, 0.0, rng)
        slope = analyse_trends(results, factor, False, ["one"])[0].slope
        covered += slope.low <= 0.003 <= slope.high
        alarms += min(trend.p_holm for trend in analyse_trends(results, factor, False, ["two", "three"])) < 0.05
    print(f"Scaling: coverage {covered / STUDIES:.4f}, family-wise false positives {alarms / STUDIES:.4f}")
    assert 0.93 * STUDIES <= covered <= 0.97 * STUDIES
    assert alarms <= 0.071 * STUDIES


@pytest.mark.slow
def test_ablation_covers_known_differences_and_false_positives_stay_rare(monkeypatch):
    """Over test rows: three variants, 100 rows, of which each model is right with its own probability."""
    monkeypatch.setattr("hqlm.studies.statistics.RESAMPLES", 399)
    monkeypatch.setattr("hqlm.studies.statistics.sign_flip_p.__defaults__", (399, 0))
    results = table(Ablation(words=("offset", "quantum")), [], seeds=(0,))
    rng = np.random.default_rng(8)
    covered, alarms, n_rows = 0, 0, 100
    for _ in range(STUDIES):
        right = {name: (rng.random(n_rows) < 0.8).astype(float) for name in results["trial"]}
        results["test/acc"] = [right[name].mean() for name in results["trial"]]
        _, *variants = analyse_ablation(results, [], "test/acc", right.__getitem__)
        covered += sum(v.over_examples.low <= 0.0 <= v.over_examples.high for v in variants) / len(variants)
        alarms += min(v.p_holm for v in variants) < 0.05
    print(f"Ablation: coverage {covered / STUDIES:.4f}, family-wise false positives {alarms / STUDIES:.4f}")
    assert 0.93 * STUDIES <= covered <= 0.97 * STUDIES
    assert alarms <= 0.071 * STUDIES


@pytest.mark.parametrize("name", ["DefinitiveScreening", "PlackettBurman", "FractionalFactorial"])
def test_interactions_left_out_of_the_model_are_told_and_do_not_widen_intervals(name):
    design, factors = DESIGNS[name]
    results = table(design, factors)
    one, other = (results[factor.key].to_numpy(dtype=float) - 2.0 for factor in factors[:2])
    rng = np.random.default_rng(1)
    results["y"] = responses(results, 0.02 * one + 0.04 * one * other, rng)
    found = analyse_effects(results, design, factors, "y")
    assert found.pure_error
    assert found.lack_of_fit < 1e-6
    assert found.sigma == pytest.approx(0.01, rel=0.4)
    if name != "PlackettBurman":  # main effects are clear of interactions
        assert found.effects[0].estimate.mean == pytest.approx(0.04, abs=0.01)
        assert all(effect.p_holm > 0.05 for effect in found.effects[1:])
    plain = responses(results, 0.02 * one, rng)
    assert analyse_effects(results.assign(y=plain), design, factors, "y").lack_of_fit > 0.01


def test_effects_and_p_values_are_those_of_a_block_design_by_formula():
    from statsmodels.formula.api import ols

    factors = TWO[:3]
    results = table(FullFactorial(), factors, seeds=(0, 1, 2, 3))
    results["y"] = responses(results, 0.01 * results["model.f0"].to_numpy(), np.random.default_rng(0))
    found = analyse_effects(results, FullFactorial(), factors, "y")
    coded = results.rename(columns={f.key: f.key[-2:] for f in factors}).copy()
    coded[["f0", "f1", "f2"]] = (coded[["f0", "f1", "f2"]] - 2.0) / 2.0
    direct = ols("y ~ C(block) + (f0 + f1 + f2)**2 + f0:f1:f2", coded).fit()
    for effect, name, scale in zip(found.effects, ("f0", "f1", "f2", "f0:f1"), (1, 1, 1, 0.5), strict=False):
        assert effect.estimate.mean == pytest.approx(scale * direct.params[name])
        assert effect.estimate.p == pytest.approx(direct.pvalues[name])
        low, high = scale * direct.conf_int().loc[name]
        assert (effect.estimate.low, effect.estimate.high) == (pytest.approx(low), pytest.approx(high))
    assert found.lack_of_fit == pytest.approx(direct.pvalues["f0:f1:f2"])
    assert found.degrees_of_freedom == direct.df_resid == 21


def test_levels_are_told_against_the_first():
    results = table(OrthogonalArray(), MIXED)
    results["y"] = np.where(results["data.a"] == "z", 0.3, np.where(results["data.a"] == "y", 0.1, 0.0))
    results["y"] += np.random.default_rng(0).normal(size=len(results)) * 1e-3
    found = {e.name: e.estimate.mean for e in analyse_effects(results, OrthogonalArray(), MIXED, "y").effects}
    assert found["a: x → y"] == pytest.approx(0.1, abs=1e-3)
    assert found["a: x → z"] == pytest.approx(0.3, abs=1e-3)
    assert found["b: 1 → 3"] == pytest.approx(0.0, abs=1e-3)


def test_factors_of_three_levels_are_tested_as_a_whole():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    factors = [Factor("model.a", ("x", "y", "z")), Factor("model.b", (1, 2, 3, 4)), Factor("model.c", (0, 1))]
    results = table(FullFactorial(), factors)
    signal = np.where(results["model.a"] == "y", 0.01, np.where(results["model.a"] == "z", -0.01, 0.0))
    results["y"] = responses(results, signal, np.random.default_rng(0))
    found = analyse_effects(results, FullFactorial(), factors, "y")
    plain = results.rename(columns=lambda name: name.rpartition(".")[2])
    direct = anova_lm(ols("y ~ C(block) + C(a) * C(b) * C(c)", plain).fit(), typ=2)
    assert [(test.name, test.n_levels) for test in found.overall] == [("a", 3), ("b", 4)]
    for test, name in zip(found.overall, ("C(a)", "C(b)"), strict=True):
        assert test.f == pytest.approx(direct.loc[name, "F"])
        assert test.p == pytest.approx(direct.loc[name, "PR(>F)"])
        assert test.degrees == (direct.loc[name, "df"], direct.loc["Residual", "df"])
    family = holm([effect.estimate.p for effect in found.effects] + [test.p for test in found.overall])
    assert [test.p_holm for test in (*found.effects, *found.overall)] == family
    assert found.overall[0].p_holm < 0.05 < found.overall[1].p_holm


def test_a_level_that_never_ran_leaves_no_test_of_the_whole_factor():
    results = table(OrthogonalArray(), MIXED)
    results["y"] = responses(results, 0.0, np.random.default_rng(0))
    found = analyse_effects(results[results["data.a"] != "z"], OrthogonalArray(), MIXED, "y")
    assert [test.name for test in found.overall] == ["b"]


def test_a_centre_point_tells_curvature():
    design = PlackettBurman(center_point=True)
    results = table(design, TWO)
    signal = 1.0 + 0.2 * (results["model.f0"] - 1) / 2  # 1.1 on average, and so half-way
    results["y"] = np.where(results["kind"] == "center", 1.6, signal) + 1e-3 * np.random.default_rng(0).normal(size=39)
    first, *mains, curvature = analyse_effects(results, design, TWO, "y").effects
    assert curvature.kind == "curvature"
    assert curvature.estimate.mean == pytest.approx(0.5, abs=2e-3)
    assert first.estimate.mean == pytest.approx(0.2, abs=2e-3)
    assert all(abs(effect.estimate.mean) < 2e-3 for effect in mains)


def test_one_seed_uses_the_residual_and_a_saturated_design_has_no_test():
    results = table(PlackettBurman(), TWO, seeds=(0,))
    results["y"] = np.random.default_rng(0).normal(size=12)
    found = analyse_effects(results, PlackettBurman(), TWO, "y")
    assert not found.pure_error
    assert (found.degrees_of_freedom, found.lack_of_fit) == (3, None)
    factors = [*TWO, *(Factor(f"g{i}", (0, 1)) for i in range(3))]
    results = table(PlackettBurman(), factors, seeds=(0,))
    results["y"] = np.random.default_rng(0).normal(size=12)
    assert all(e.estimate.p is None for e in analyse_effects(results, PlackettBurman(), factors, "y").effects)
    results["y"] = 3.0  # nothing scatters
    assert all(e.estimate.p is None for e in analyse_effects(results, PlackettBurman(), factors, "y").effects)


def test_failed_trials_leave_what_can_be_known():
    results = table(FractionalFactorial(), TWO)
    truth = 0.02 * results["model.f3"].to_numpy()
    results["y"] = responses(results, truth, np.random.default_rng(2), sigma=0.001)
    some = analyse_effects(results.drop(index=[1, 5, 20]), FractionalFactorial(), TWO, "y")
    assert some.effects[3].estimate.mean == pytest.approx(0.04, abs=0.002)
    lost = analyse_effects(results[results["model.f3"] == 1], FractionalFactorial(), TWO, "y")
    assert np.isnan(lost.effects[3].estimate.mean)
    assert lost.effects[3].p_holm is None
    assert lost.effects[0].p_holm is not None


def test_effects_of_which_only_the_sum_is_known_are_not_told():
    results = table(FullFactorial(), TWO[:3])
    results["y"] = responses(results, 0.02 * results["model.f2"].to_numpy(), np.random.default_rng(2), sigma=0.001)
    alike = results[results["model.f0"] == results["model.f1"]]
    one, other, third, *_ = analyse_effects(alike, FullFactorial(), TWO[:3], "y").effects
    assert np.isnan([one.estimate.mean, other.estimate.mean]).all()
    assert third.estimate.mean == pytest.approx(0.04, abs=0.002)


def test_residuals_that_break_the_assumptions_are_told():
    from scipy import stats

    results = table(FractionalFactorial(), TWO)
    rng = np.random.default_rng(3)
    results["y"] = responses(results, 0.0, rng)
    results["order"] = rng.permutation(len(results))
    clean = analyse_effects(results, FractionalFactorial(), TWO, "y").checks
    assert min(clean.normality, clean.equal_variance, clean.drift, clean.outlier) > 0.05
    direct = prepare(results, FractionalFactorial(), TWO)[1].fit(results["y"].to_numpy()).outlier_test()
    assert clean.outlier == pytest.approx(direct[:, 2].min())  # by Bonferroni
    assert clean.outlier < 1.0
    results.loc[17, "y"] += 0.2
    spoilt = analyse_effects(results, FractionalFactorial(), TWO, "y").checks
    assert (spoilt.suspect, spoilt.outlier < 1e-3, spoilt.normality < 0.05) == (17, True, True)
    found = analyse_effects(results, FractionalFactorial(), TWO, "y")
    assert spoilt.normality == pytest.approx(stats.shapiro(found.residuals).pvalue)
    assert spoilt.drift == pytest.approx(stats.spearmanr(results["order"], found.residuals).pvalue)
    squares = np.corrcoef(found.residuals**2, found.fitted)[0, 1] ** 2  # Koenker's form of the test
    assert spoilt.equal_variance == pytest.approx(stats.chi2.sf(len(results) * squares, 1))


def test_trends_are_linear_contrasts_within_blocks():
    from scipy import stats
    from statsmodels.formula.api import ols

    factor = Factor("q", (4, 6, 8, 10))
    results = table(Scaling(), [factor])
    results["y"] = responses(results, 0.01 * results["q"].to_numpy(), np.random.default_rng(4))
    results["falling"] = responses(results, -0.001 * results["q"].to_numpy(), np.random.default_rng(5))
    results["parameters"] = 1e7 * results["q"]  # so large that rounding is no longer small beside 1
    trend, falling, fixed = analyse_trends(results, factor, False, ["y", "falling", "parameters"])
    direct = ols("y ~ C(block) + C(q)", results).fit()  # a mean for each level takes lack of fit out
    plain = ols("y ~ C(block) + q", results).fit()
    assert trend.slope.mean == pytest.approx(plain.params["q"])
    error = np.sqrt(direct.mse_resid / plain.mse_resid) * plain.bse["q"]
    assert trend.slope.p == pytest.approx(2 * stats.t.sf(trend.slope.mean / error, direct.df_resid))
    wide = results.pivot_table(index="block", columns="q", values="y").to_numpy()
    assert trend.page == pytest.approx(min(1.0, 2 * stats.page_trend_test(wide).pvalue))
    two = results[results["block"] < 2].assign(down=-results["y"])
    assert [each.page for each in analyse_trends(two, factor, False, ["y", "down"])] == pytest.approx(
        [2 * stats.page_trend_test(wide[:2]).pvalue] * 2
    )
    assert analyse_trends(results[results["q"] < 7], factor, False, ["y"])[0].page is None
    places, line, low, high = trend.line
    away = places - 7.0  # from the middle of the levels
    spread = 1 / len(results) + away**2 / ((results["q"] - 7.0) ** 2).sum()
    half = stats.t.ppf(0.975, direct.df_resid) * np.sqrt(direct.mse_resid * spread)
    assert np.allclose([low + half, high - half, line], results["y"].mean() + trend.slope.mean * away)
    assert (fixed.slope.mean, fixed.p_holm) == (pytest.approx(1e7), None)
    assert [trend.p_holm, falling.p_holm] == holm([trend.slope.p, falling.slope.p])
    assert [level.mean for level in trend.means] == pytest.approx(results.groupby("q")["y"].mean().tolist())
    doubled = analyse_trends(results.assign(y=np.log2(results["q"]) + results["y"] * 1e-6), factor, True, ["y"])[0]
    assert doubled.slope.mean == pytest.approx(1.0, abs=1e-4)


def test_ablation_pairs_rows_and_seeds_with_the_base():
    from scipy import stats

    results = table(Ablation(words=("offset", "quantum")), [], seeds=(0, 1, 2))
    rng = np.random.default_rng(5)
    right = {
        row["trial"]: (rng.random(200) < (0.5 if row["model.head.ablate"] == ["quantum"] else 0.9)).astype(float)
        for _, row in results.iterrows()
    }
    results["test/acc"] = [right[name].mean() for name in results["trial"]]
    base, offset, quantum = analyse_ablation(results, [], "test/acc", right.__getitem__)
    assert [v.name for v in (base, offset, quantum)] == ["base", "without offset", "without quantum"]
    assert quantum.over_examples.mean == pytest.approx(quantum.mean.mean - base.mean.mean)
    assert quantum.p_holm == pytest.approx(2 * quantum.over_examples.p)
    one, other = (
        results[[words == removed for words in results["model.head.ablate"]]]
        .sort_values("block")["test/acc"]
        .to_numpy()
        for removed in ([], ["quantum"])
    )
    assert quantum.over_seeds.estimate.p == pytest.approx(stats.ttest_rel(other, one).pvalue)
    without = analyse_ablation(results, [], "test/acc", lambda name: None)
    assert without[2].over_examples is None
    assert without[2].p_holm == pytest.approx(2 * quantum.over_seeds.estimate.p)
    assert [v.over_seeds for v in analyse_ablation(results[results["kind"] == "run"], [], "test/acc", right.get)] == [
        None
    ] * 2


def test_ablation_compares_what_is_there_alone():
    from scipy import stats

    factors = [Factor("model.depth", (2, 1, 3))]
    results = table(Ablation(words=("offset",)), factors, seeds=(0, 1, 2, 3))
    rng = np.random.default_rng(5)
    results["test/acc"] = rng.random(len(results))
    right = {name: (rng.random(50) < 0.7).astype(float) for name in results["trial"]}
    shallow, lost = ((results["model.depth"] == 1) & (results["block"] == block) for block in (1, 2))
    some = {**right, results["trial"][shallow].iloc[0]: None}
    found = {v.name: v for v in analyse_ablation(results[~lost], factors, "test/acc", some.__getitem__)}
    assert list(found) == ["base", "depth = 1", "depth = 3", "without offset"]
    assert found["depth = 1"].over_examples is None  # one of its runs has no predictions
    assert found["depth = 3"].over_examples is not None
    one, other = (
        results[rows & (results["block"] != 2)].sort_values("block")["test/acc"].to_numpy()
        for rows in (results["kind"] == "base", results["model.depth"] == 1)
    )
    assert found["depth = 1"].over_seeds.estimate.p == pytest.approx(stats.ttest_rel(other, one).pvalue)
    assert found["depth = 1"].over_seeds.estimate.mean == pytest.approx((other - one).mean())


def test_names_are_as_short_as_they_can_be():
    assert short_names(["a.b.n", "a.c.n", "lr"]) == {"a.b.n": "b.n", "a.c.n": "c.n", "lr": "lr"}
    assert short_names(["a.n", "a.xn"]) == {"a.n": "n", "a.xn": "xn"}
