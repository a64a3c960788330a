"""Effects of factors in words, a table and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from hqlm.studies.analysis.effects import Checks, Effect, Effects
from hqlm.studies.analysis.measures import Measure
from hqlm.studies.analysis.overall import Overall
from hqlm.studies.designs import Design
from hqlm.studies.factors import Factor
from hqlm.studies.formatting import show_p
from hqlm.studies.reporting import effect_plots
from hqlm.studies.reporting.contents import Findings, Table
from hqlm.studies.statistics import ALPHA

if TYPE_CHECKING:
    import pandas

_NAMED: Final = 6  # effects that the summary tells one by one


def describe(
    found: Effects, results: pandas.DataFrame, design: Design, factors: Sequence[Factor], measure: Measure
) -> Findings:
    """Words, table and plots of an analysis."""
    return Findings(
        [_level(results, measure), *summary(found, design, measure, results["block"].nunique())],
        [table(found, measure), *overall_table(found, measure), checks_table(found.checks, results)],
        effect_plots.figures(found, results, factors, measure),
        [*map(raw, found.effects), *map(raw_overall, found.overall)],
    )


def _level(results: pandas.DataFrame, measure: Measure) -> str:
    values = results[measure.key]
    mean, low, high = (measure.show(float(value)) for value in (values.mean(), values.min(), values.max()))
    unit = f" {measure.unit}" if measure.unit else ""
    return f"The {measure.title} is {mean}{unit} on average over {len(values)} trials, {low} to {high}."


def summary(found: Effects, design: Design, measure: Measure, n_blocks: int) -> list[str]:
    """Return what the data supports and what it does not, a sentence an item."""
    if found.effects and all(effect.p_holm is None for effect in found.effects):
        return [
            "These trials leave no degrees of freedom to measure the error by, or do not scatter at all: effects are "
            "estimated but no interval or test can be had. Give two or more seeds."
        ]
    clear = sorted((effect for effect in found.effects if _is_clear(effect)), key=_size, reverse=True)
    others = [effect for effect in found.effects if effect.p_holm is not None and not _is_clear(effect)]
    sentences = [_supported(effect, measure) for effect in clear[:_NAMED]]
    if len(clear) > _NAMED:
        names = ", ".join(effect.name for effect in clear[_NAMED:])
        sentences.append(f"Smaller, yet significant as well: {names}.")
    whole = [_as_a_whole(test, measure) for test in found.overall if _is_clear(test)]
    sentences += whole
    if not clear and not whole:
        sentences.append(
            f"No effect on {measure.title} is significant once the number of tests is allowed for: the data does not "
            "show that any of these factors matters in the ranges tried."
        )
    if others:
        sentences.append(_not_supported(others, measure))
    unknown = [effect.name for effect in found.effects if effect.estimate.mean != effect.estimate.mean]
    if unknown:
        sentences.append(f"Not determined by the trials that are there: {', '.join(unknown)}.")
    return [*sentences, *_cautions(found, design, n_blocks)]


def _supported(effect: Effect, measure: Measure) -> str:
    mean, low, high = effect.estimate.mean, effect.estimate.low, effect.estimate.high
    word = "raises" if mean > 0 else "lowers"
    figures = f"95 % interval {measure.interval(low, high)}, adjusted p {show_p(effect.p_holm)}"
    if effect.kind == "interaction":
        return f"{effect.name} interact in {measure.title} ({measure.show_difference(mean)}, {figures})."
    if effect.kind == "curvature":
        return (
            f"The response is curved: half-way between the levels {measure.title} differs from their mean by "
            f"{measure.show_difference(mean)} {measure.difference_unit} ({figures})."
        )
    size = f"{measure.show(abs(mean))} {measure.difference_unit}".strip()
    return f"{effect.name} {word} {measure.title} by {size} ({figures})."


def _as_a_whole(test: Overall, measure: Measure) -> str:
    return (
        f"The {test.n_levels} levels of {test.name} differ in {measure.title} ({_f_test(test)}, adjusted p "
        f"{show_p(test.p_holm)}); which of them, this test does not say."
    )


def _f_test(test: Overall) -> str:
    return f"F({test.degrees[0]}, {test.degrees[1]}) = {test.f:.3g}"


def _not_supported(others: Sequence[Effect], measure: Measure) -> str:
    bound = max(max(abs(effect.estimate.low or 0.0), abs(effect.estimate.high or 0.0)) for effect in others)
    names = ", ".join(effect.name for effect in others)
    return (
        f"The data does not tell these from no effect: {names}. That is no proof that they do nothing: their 95 % "
        f"intervals leave room for effects of up to {measure.show(bound)} {measure.difference_unit}.".replace(" .", ".")
    )


def _cautions(found: Effects, design: Design, n_blocks: int) -> list[str]:
    sentences = []
    if found.lack_of_fit is not None and found.lack_of_fit < ALPHA:
        sentences.append(
            f"Settings differ by more than these effects explain (lack of fit, p {show_p(found.lack_of_fit)}): there "
            "are interactions or curvature that are not in the table, and where the design aliases them with main "
            "effects, those are sums of both."
        )
    elif found.lack_of_fit is not None:
        sentences.append(
            f"The effects of the table explain the settings well enough (lack of fit, p {show_p(found.lack_of_fit)})."
        )
    if not found.pure_error:
        sentences.append(
            "With too few repeats of equal settings the error is what the effects leave unexplained; this takes "
            "effects that are not in the table to be small."
        )
    troubles = _troubles(found.checks)
    if troubles:
        sentences.append(
            f"The residuals are not as the tests assume ({', '.join(troubles)}): read p-values near the limit with "
            "care."
        )
    varies = "seeds vary in the intervals, test rows do not" if n_blocks > 1 else "other seeds may give other effects"
    sentences.append(
        "All this holds for the ranges tried, other things as in the base experiment, and for these test rows"
        f"{'' if n_blocks > 1 else ' and the one seed'}: {varies} ({type(design).__name__}, error from "
        f"{'repeats with other seeds' if found.pure_error else 'the residual'}, {found.degrees_of_freedom} degrees of "
        "freedom)."
    )
    return sentences


def _troubles(checks: Checks) -> list[str]:
    named = {
        "not normal": checks.normality,
        "scatter changes with the size of the response": checks.equal_variance,
        "drift with the run order": checks.drift,
        "an outlier": checks.outlier,
    }
    return [f"{name}, p {show_p(p)}" for name, p in named.items() if p is not None and p < ALPHA]


def table(found: Effects, measure: Measure) -> Table:
    """Return all effects, the largest first."""
    unit = f" ({measure.difference_unit})" if measure.difference_unit else ""
    header = ["effect", f"size{unit}", "95 % interval", "p", "p, Holm", ""]
    rows = [
        [
            effect.name, measure.show_difference(effect.estimate.mean),
            measure.interval(effect.estimate.low, effect.estimate.high), show_p(effect.estimate.p),
            show_p(effect.p_holm), "significant" if _is_clear(effect) else "",
        ]
        for effect in sorted(found.effects, key=_size, reverse=True)
    ]  # fmt: skip
    tested = sum(effect.p_holm is not None for effect in found.effects) + len(found.overall)
    note = (
        f"Change in {measure.title} when one factor goes from its first value to the other, the rest balanced. "
        "Intervals and p by Student's t in a linear model with blocks (seeds), intervals not adjusted; p, Holm: "
        f"adjusted for {tested} tests. Significant: below {ALPHA}."
    )
    return Table(f"Effects on {measure.title}", header, rows, note)


def overall_table(found: Effects, measure: Measure) -> list[Table]:
    """Factors of three or more levels; no table without any."""
    rows = [
        [
            test.name, str(test.n_levels), _f_test(test), show_p(test.p), show_p(test.p_holm),
            "significant" if _is_clear(test) else "",
        ]
        for test in found.overall
    ]  # fmt: skip
    note = (
        "F test that all levels of a factor have the same mean; it also sees differences between levels other than "
        "the first. p, Holm: adjusted together with the effects."
    )
    header = ["factor", "levels", "F (degrees of freedom)", "p", "p, Holm", ""]
    return [Table(f"Tests of whole factors on {measure.title}", header, rows, note)] if rows else []


def checks_table(checks: Checks, results: pandas.DataFrame) -> Table:
    """Tests of the residuals."""
    suspect = "" if checks.suspect is None else f" (trial {results['order'].iloc[checks.suspect]})"
    rows = [
        ["normal distribution", "Shapiro-Wilk", show_p(checks.normality)],
        ["equal variance", "Breusch-Pagan against fitted values", show_p(checks.equal_variance)],
        ["no drift with run order", "Spearman's rank correlation", show_p(checks.drift)],
        [f"no outlier{suspect}", "largest studentised residual, Bonferroni", show_p(checks.outlier)],
    ]
    return Table("Checks of the residuals", ["assumption", "test", "p"], rows, "A small p speaks against it.")


def raw(effect: Effect) -> dict[str, object]:
    """Return an effect as numbers, in the unit of the results."""
    found = effect.estimate
    return {
        "effect": effect.name, "kind": effect.kind, "estimate": found.mean, "low": found.low, "high": found.high,
        "p": found.p, "p_holm": effect.p_holm,
    }  # fmt: skip


def raw_overall(test: Overall) -> dict[str, object]:
    """Return a test of a whole factor as numbers; it has no size."""
    return {
        "effect": f"{test.name}: {_f_test(test)}", "kind": "factor", "estimate": None, "low": None, "high": None,
        "p": test.p, "p_holm": test.p_holm,
    }  # fmt: skip


def _is_clear(found: Effect | Overall) -> bool:
    return found.p_holm is not None and found.p_holm < ALPHA


def _size(effect: Effect) -> float:
    return float(np.nan_to_num(abs(effect.estimate.mean), nan=-1.0))
