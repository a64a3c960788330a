"""Plots of effects: Pareto chart, half-normal plot, main effects, interactions, residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hqlm.studies.analysis.effects import Effect, Effects
from hqlm.studies.analysis.measures import Measure
from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.factors import Factor
from hqlm.studies.reporting.contents import Figure
from hqlm.studies.reporting.drawing import DARK, LIGHT, LINES, MARKERS, MIDDLE, canvas, shortened, wrapped
from hqlm.studies.statistics import ALPHA

if TYPE_CHECKING:
    import pandas

_MOST: Final = 20  # bars of the Pareto chart
_PAIRS: Final = 4  # interactions drawn
_VALUES: Final = 6  # values of a factor whose interactions are drawn
_ROW: Final = 24  # letters that stand side by side below a panel


def figures(found: Effects, results: pandas.DataFrame, factors: Sequence[Factor], measure: Measure) -> list[Figure]:
    """Return all plots of an analysis."""
    known = [effect for effect in found.effects if effect.estimate.mean == effect.estimate.mean]
    known.sort(key=lambda effect: abs(effect.estimate.mean), reverse=True)
    made = [pareto(known, measure), half_normal(known, measure), main_effects(results, factors, measure)]
    pairs = _largest_pairs(known, results, factors)
    if pairs:
        made.append(interactions(results, pairs, measure))
    return [*made, residuals(found, results, measure)]


def pareto(effects: Sequence[Effect], measure: Measure) -> Figure:
    """Sizes of effects in order, with intervals."""
    shown = list(effects[:_MOST])[::-1]
    with canvas(1.1 + 0.32 * len(shown)) as drawn:
        axes = drawn.figure.subplots()
        for place, effect in enumerate(shown):
            clear = effect.p_holm is not None and effect.p_holm < ALPHA
            size = measure.scale * abs(effect.estimate.mean)
            look = {"color": DARK} if clear else {"facecolor": "white", "edgecolor": MIDDLE, "hatch": "////"}
            axes.barh(place, size, height=0.6, **look)
            if effect.estimate.high is not None:
                half = measure.scale * (effect.estimate.high - effect.estimate.mean)
                axes.errorbar(size, place, xerr=half, color=MIDDLE, capsize=3, linewidth=1.2)
        axes.set_yticks(range(len(shown)), [wrapped(effect.name, " → ", " × ") for effect in shown], fontsize=8.5)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(
            f"size of the effect on {measure.title} ({measure.difference_unit or 'as measured'})", loc="right"
        )
    caption = "Filled: significant after Holm's correction; hatched: not. Whiskers: 95 % intervals."
    return Figure("Pareto chart of effects", drawn.svg, caption)


def half_normal(effects: Sequence[Effect], measure: Measure) -> Figure:
    """Daniel's plot: effects that are noise lie on a line through 0; Daniel (1959), Technometrics 1, 311."""
    from scipy.stats import halfnorm

    ordered = list(effects)[::-1]
    count = len(ordered)
    places = halfnorm.ppf((np.arange(count) + 0.5) / max(count, 1))
    sizes = [measure.scale * abs(effect.estimate.mean) for effect in ordered]
    with canvas(3.4) as drawn:
        axes = drawn.figure.subplots()
        for place, size, effect in zip(places, sizes, ordered, strict=True):
            clear = effect.p_holm is not None and effect.p_holm < ALPHA
            axes.plot(size, place, "o", color=DARK, markerfacecolor=DARK if clear else "white", markersize=6)
            if clear or effect is ordered[-1]:
                near_end = size > 0.5 * max(sizes)
                axes.annotate(
                    wrapped(effect.name, " → ", " × "), (size, place), (-8 if near_end else 8, 0),
                    textcoords="offset points", ha="right" if near_end else "left", va="center", fontsize=8,
                )  # fmt: skip
        middle = float(np.median(sizes)) / float(halfnorm.ppf(0.5)) if count else 1.0
        axes.plot(
            [0.0, middle * max(places, default=1.0)], [0.0, max(places, default=1.0)], color=MIDDLE, linestyle="--"
        )
        axes.set_xlim(0.0, 1.08 * max(sizes, default=1.0) or 1.0)
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel(f"size of the effect ({measure.difference_unit or 'as measured'})")
        axes.set_ylabel("half-normal quantile")
    caption = (
        "Effects that are noise lie along the dashed line (through 0 and the median); real ones lie to the right of "
        "it. Filled: significant."
    )
    return Figure("Half-normal plot of effects", drawn.svg, caption)


def main_effects(results: pandas.DataFrame, factors: Sequence[Factor], measure: Measure) -> Figure:
    """Draw the mean response at each value of each factor."""
    names = short_names([factor.key for factor in factors])
    rows = math.ceil(len(factors) / 2)
    with canvas(0.5 + 1.75 * rows) as drawn:
        panels = drawn.figure.subplots(rows, 2, sharey=True, squeeze=False).ravel()
        for axes, factor in zip(panels, factors, strict=False):
            _panel(axes, results, factor, measure)
            axes.set_xlabel(names[factor.key], fontsize=9)
        for axes in panels[len(factors) :]:
            axes.axis("off")
        drawn.figure.supylabel(measure.label, fontsize=10)
    caption = "Mean over all trials with a value (dots and line); grey: single trials."
    return Figure("Main effects", drawn.svg, caption)


def _panel(axes: Any, results: pandas.DataFrame, factor: Factor, measure: Measure) -> None:
    places, labels = _places(results, factor)
    values = measure.scale * results[measure.key].to_numpy(dtype=float)
    axes.plot(places, values, ".", color=LIGHT, markersize=4)
    known = sorted(set(places.tolist()))
    if len(known) <= _VALUES:
        axes.plot(known, [values[places == place].mean() for place in known], "o-", color=DARK, markersize=5)
    else:
        slope, offset = np.polyfit(places, values, 1)
        ends = np.array([known[0], known[-1]])
        axes.plot(ends, offset + slope * ends, "-", color=DARK)
    _label(axes, labels)


def _label(axes: Any, labels: dict[float, str]) -> None:
    """Names of values below the axis, turned where they would overlap."""
    turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, labels.values())) > _ROW else {}
    axes.set_xticks(list(labels), list(labels.values()), fontsize=8, **turned)
    axes.margins(x=0.15)


def _places(results: pandas.DataFrame, factor: Factor) -> tuple[Any, dict[float, str]]:
    """Return where on the axis the values of a factor stand, and the labels there."""
    if factor.is_range:
        codes = np.array([factor.code(value) for value in results[factor.key]])
        return codes, {-1.0: show(factor.low), 1.0: show(factor.high)}
    levels = list(factor.levels)
    inside = [levels.index(v) if v in levels else (len(levels) - 1) / 2 for v in results[factor.key]]
    return np.array(inside, dtype=float), {float(place): shortened(show(v)) for place, v in enumerate(levels)}


def interactions(results: pandas.DataFrame, pairs: Sequence[tuple[Factor, Factor]], measure: Measure) -> Figure:
    """Draw the mean response at the values of one factor, a line for each value of another."""
    names = short_names(list(dict.fromkeys(factor.key for pair in pairs for factor in pair)))
    rows = math.ceil(len(pairs) / 2)
    with canvas(0.5 + 2.1 * rows) as drawn:
        panels = drawn.figure.subplots(rows, 2, sharey=True, squeeze=False).ravel()
        for axes, (one, other) in zip(panels, pairs, strict=False):
            places, labels = _places(results, one)
            lines, line_labels = _places(results, other)
            values = measure.scale * results[measure.key].to_numpy(dtype=float)
            for number, (line, label) in enumerate(line_labels.items()):
                means = [(p, values[(places == p) & (lines == line)]) for p in labels]
                known = [(p, v.mean()) for p, v in means if len(v)]
                look = {"linestyle": LINES[number % 6], "marker": MARKERS[number % 6]}
                if known:
                    axes.plot(*np.array(known).T, color=DARK, markersize=5, label=label, **look)
            _label(axes, labels)
            axes.set_xlabel(names[one.key], fontsize=9)
            axes.legend(title=names[other.key], fontsize=7.5, title_fontsize=7.5, frameon=False)
        for axes in panels[len(pairs) :]:
            axes.axis("off")
        drawn.figure.supylabel(measure.label, fontsize=10)
    caption = (
        "Parallel lines: no interaction. The pairs with the largest estimated interactions, or of the factors with the "
        "largest main effects where the design does not estimate interactions; it may then alias them with others."
    )
    return Figure("Interactions", drawn.svg, caption)


def residuals(found: Effects, results: pandas.DataFrame, measure: Measure) -> Figure:
    """Residuals against fitted values, run order and the normal distribution."""
    from scipy.stats import norm

    left = measure.scale * found.residuals
    ordered = np.sort(left)
    quantiles = norm.ppf((np.arange(len(left)) + 0.5) / len(left))
    panels = (
        (measure.scale * found.fitted, left, f"fitted {measure.label}", "residual"),
        (results["order"].to_numpy(), left, "run order", "residual"),
        (quantiles, ordered, "normal quantile", "residual, in order"),
    )
    with canvas(5.6) as drawn:
        for axes, (x, y, x_label, y_label) in zip(drawn.figure.subplots(3, 1), panels, strict=True):
            axes.plot(x, y, "o", color=MIDDLE, markersize=3.5)
            axes.axhline(0.0, color=DARK, linewidth=0.8)
            axes.set_xlabel(x_label, fontsize=9)
            axes.set_ylabel(y_label, fontsize=9)
    unit = measure.difference_unit or "as measured"
    caption = (
        f"Residuals ({unit}) should scatter evenly around 0, without a course, and lie on a line in the last panel."
    )
    return Figure("Residuals", drawn.svg, caption)


def _largest_pairs(
    effects: Sequence[Effect], results: pandas.DataFrame, factors: Sequence[Factor]
) -> list[tuple[Factor, Factor]]:
    drawable = {f.key: f for f in factors if len({show(value) for value in results[f.key]}) <= _VALUES}
    estimated = [effect.factors for effect in effects if effect.kind == "interaction"]
    mains = dict.fromkeys(effect.factors[0] for effect in effects if effect.kind == "main")
    pairs = estimated or list(combinations(list(mains)[:3], 2))
    known = [(drawable[one], drawable[other]) for one, other in pairs if one in drawable and other in drawable]
    return known[:_PAIRS]
