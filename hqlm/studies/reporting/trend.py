"""Scaling in words, a table and plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from hqlm.studies.analysis.measures import Measure, measure
from hqlm.studies.analysis.trend import Trend
from hqlm.studies.formatting import show_p
from hqlm.studies.reporting.contents import Figure, Findings, Table
from hqlm.studies.reporting.drawing import DARK, LIGHT, MIDDLE, canvas
from hqlm.studies.statistics import ALPHA, Estimate


def describe(trends: Sequence[Trend], name: str, log: bool) -> Findings:
    """Words, tables and plots of an analysis.

    Args:
        trends: one a measure, that of the study first.
        name: of the factor.
        log: whether slopes are by doubling.
    """
    step = 1.0 if log else _step(trends)
    by = "doubling" if log else "unit" if step == 1.0 else f"{step:g}"
    shown = [replace(trend, slope=_times(trend.slope, step)) for trend in trends]
    return Findings(
        summary(shown, name, by),
        [table(shown, name, by), levels_table(trends, name)],
        [plot(trend, name, log) for trend in trends],
        [_raw(trend) for trend in trends],
    )


def _step(trends: Sequence[Trend]) -> float:
    """Return the power of ten below the range of levels, a step that changes enough to be seen."""
    levels = [level for trend in trends for level in trend.levels]
    return float(10.0 ** math.floor(math.log10(max(levels) - min(levels)))) if len(set(levels)) > 1 else 1.0


def _times(slope: Estimate, step: float) -> Estimate:
    low, high = (None if end is None else step * end for end in (slope.low, slope.high))
    return Estimate(step * slope.mean, low, high, slope.p)


def summary(trends: Sequence[Trend], name: str, by: str) -> list[str]:
    """Return which measures rise or fall, and how sure that is."""
    sentences = []
    for trend in trends:
        own, found = measure(trend.measure), trend.slope
        if trend.p_holm is None:
            sentences.append(_fixed(trend, own, name))
            continue
        figures = f"95 % interval {own.interval(found.low, found.high)}, adjusted p {show_p(trend.p_holm)}"
        size = f"{own.show_difference(found.mean)} {own.difference_unit}".strip()
        if trend.p_holm < ALPHA:
            word = "rises" if found.mean > 0 else "falls"
            sentences.append(f"{own.title} {word} with {name}: {size} per {by} ({figures}).")
        else:
            sentences.append(f"No trend of {own.title} with {name} is shown: {size} per {by} ({figures}).")
        if trend.lack_of_fit is not None and trend.lack_of_fit < ALPHA:
            sentences.append(
                f"The course of {own.title} is not straight (p {show_p(trend.lack_of_fit)}): read the single levels, "
                "not the slope alone."
            )
    sentences.append(
        "this holds for the levels tried and these test rows; what changes along with the factor, such as the number "
        "of parameters, cannot be told from it."
    )
    return [sentence[0].upper() + sentence[1:] for sentence in sentences]


def _fixed(trend: Trend, own: Measure, name: str) -> str:
    if any(mean.mean != trend.means[0].mean for mean in trend.means):
        first, last = own.show(trend.means[0].mean), own.show(trend.means[-1].mean)
        return (
            f"{own.title}: {first} to {last} {own.unit}".strip()
            + f" from the lowest to the highest {name}, without scatter."
        )
    return f"{own.title}: the same at all levels of {name}."


def table(trends: Sequence[Trend], name: str, by: str) -> Table:
    """Return one row a measure."""
    header = ["measure", f"change per {by} of {name}", "95 % interval", "p", "p, Holm", "p, Page", "p, straight"]
    rows = []
    for trend in trends:
        own, found = measure(trend.measure), trend.slope
        size = f"{own.show_difference(found.mean)} {own.difference_unit}".strip()
        rows.append([
            own.title, size, own.interval(found.low, found.high), show_p(found.p), show_p(trend.p_holm),
            show_p(trend.page), show_p(trend.lack_of_fit),
        ])  # fmt: skip
    note = (
        "Linear contrast within blocks (seeds), error from how differently seeds respond to the same levels; "
        "adjusted for the number of measures that vary by chance. Page: test of ranks within seeds, two-sided. "
        "Straight: a small p speaks against a straight line."
    )
    return Table("Trends", header, rows, note)


def levels_table(trends: Sequence[Trend], name: str) -> Table:
    """Means at each level."""
    levels = sorted({level for trend in trends for level in trend.levels})
    rows = []
    for level in levels:
        cells = []
        for trend in trends:
            means = dict(zip(trend.levels, trend.means, strict=True))
            cells.append(_mean(means.get(level), measure(trend.measure)))
        rows.append([f"{level:g}", *cells])
    header = [name, *(measure(trend.measure).label for trend in trends)]
    return Table("Means", header, rows, "95 % interval over seeds by Student's t.")


def plot(trend: Trend, name: str, log: bool) -> Figure:
    """Means with intervals, line and band."""
    own = measure(trend.measure)
    with canvas(3.3) as drawn:
        axes = drawn.figure.subplots()
        if trend.line is not None:
            places, line, low, high = trend.line
            axes.fill_between(places, own.scale * low, own.scale * high, color=LIGHT, linewidth=0.0)
            axes.plot(places, own.scale * line, color=MIDDLE, linestyle="--")
        means = [own.scale * mean.mean for mean in trend.means]
        half = [0.0 if mean.high is None else own.scale * (mean.high - mean.mean) for mean in trend.means]
        axes.errorbar(trend.levels, means, yerr=half, fmt="o", color=DARK, capsize=3, markersize=5)
        if log:
            axes.set_xscale("log", base=2)
        axes.set_xticks(trend.levels, [f"{level:g}" for level in trend.levels])
        axes.minorticks_off()
        axes.set_xlabel(name)
        axes.set_ylabel(own.label)
    caption = "Dots: means with 95 % intervals over seeds. Dashed: fitted line with its pointwise 95 % band."
    return Figure(f"{own.title} against {name}", drawn.svg, caption)


def _mean(found: Estimate | None, own: Measure) -> str:
    if found is None:
        return "-"
    interval = "" if found.low is None else f" [{own.show(found.low)}, {own.show(found.high)}]"
    return own.show(found.mean) + interval


def _raw(trend: Trend) -> dict[str, object]:
    found = trend.slope
    return {
        "measure": trend.measure, "slope": found.mean, "low": found.low, "high": found.high, "p": found.p,
        "p_holm": trend.p_holm, "p_page": trend.page, "p_straight": trend.lack_of_fit,
    }  # fmt: skip
