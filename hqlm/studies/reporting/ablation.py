"""Ablation in words, a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence

from hqlm.studies.analysis.ablation import Variant
from hqlm.studies.analysis.measures import Measure, measure
from hqlm.studies.formatting import show_p
from hqlm.studies.reporting.contents import Figure, Findings, Table
from hqlm.studies.reporting.drawing import DARK, MIDDLE, canvas, wrapped
from hqlm.studies.statistics import ALPHA, Estimate


def describe(variants: Sequence[Variant], response: Measure) -> Findings:
    """Words, table and plot of an analysis."""
    rows = [_raw(variant) for variant in variants]
    return Findings(summary(variants, response), [table(variants, response)], [forest(variants, response)], rows)


def summary(variants: Sequence[Variant], response: Measure) -> list[str]:
    """Report on each variant: what it loses or gains, and how certain that is."""
    if variants[0].name != "base":
        return ["No trial of the base experiment is done, so nothing can be compared yet."]
    base = variants[0]
    sentences = [f"The base experiment reaches {response.show(base.mean.mean)} {response.unit} {response.title}."]
    alike = []
    for variant in variants[1:]:
        found, unit = _primary(variant), measure("test/acc") if variant.over_examples else response
        if found is None:
            continue
        size = unit.show_difference(found.mean)
        what = f"The {unit.title} {'' if variant.name.startswith('without') else 'with '}{variant.name}"
        figures = f"{unit.interval(found.low, found.high)}, p {show_p(variant.p_holm)}"
        if variant.p_holm is None:
            sentences.append(f"{what}: a difference of {size}, too few runs or too alike for a test.")
        elif variant.p_holm < ALPHA:
            word = "lower" if found.mean < 0 else "higher"
            by = f"{unit.show(abs(found.mean))} {unit.difference_unit}".strip()
            sentences.append(f"{what} is significantly {word}, by {by} ({figures}).")
        else:
            alike.append(f"{variant.name} {size} {unit.difference_unit}".rstrip() + f" ({figures})")
    if alike:
        sentences.append(
            f"Not significantly different from the base: {'; '.join(alike)}. That is no proof that these change "
            "nothing; the intervals say how much they may still do."
        )
    if variants[1:]:
        over = "test rows" if any(variant.over_examples for variant in variants) else "seeds"
        sentences.append(
            f"In brackets: 95 % interval over {over}, not adjusted, and p adjusted for {len(variants) - 1} variants."
        )
    return [*sentences, "All this holds for these training rows and these settings."]


def table(variants: Sequence[Variant], response: Measure) -> Table:
    """Return one row a variant."""
    accuracy = measure("test/acc")
    over_rows = any(variant.over_examples for variant in variants)  # an energy has none
    header = [
        "variant", "runs", response.label, *[f"{accuracy.title} minus base [test rows]"] * over_rows, "p, Holm",
        f"{response.title} minus base [seeds]", "p, paired t",
    ]  # fmt: skip
    rows = []
    for variant in variants:
        runs = variant.over_seeds.estimate if variant.over_seeds else None
        rows.append([
            variant.name, str(variant.runs), response.show(variant.mean.mean),
            *[_cell(variant.over_examples, accuracy)] * over_rows, show_p(variant.p_holm), _cell(runs, response),
            show_p(runs.p if runs else None),
        ])  # fmt: skip
    note = (
        "[test rows]: share of seeds that have a row right, in pairs with the base on the same rows; 95 % bootstrap "
        f"interval and permutation test over rows, adjusted for {len(variants) - 1} variants by Holm's method (over "
        "seeds, where predictions are missing). [seeds]: 95 % interval and paired t test over seeds, not adjusted."
    )
    return Table(f"Ablation: {response.title} against the base", header, rows, note)


def forest(variants: Sequence[Variant], response: Measure) -> Figure:
    """Differences with intervals over test rows and over seeds."""
    shown = [variant for variant in variants[1:] if _primary(variant) is not None][::-1]
    accuracy = measure("test/acc")
    with canvas(1.2 + 0.5 * len(shown)) as drawn:
        axes = drawn.figure.subplots()
        for place, variant in enumerate(shown):
            runs = variant.over_seeds.estimate if variant.over_seeds else None
            for found, unit, shift, look in (
                (variant.over_examples, accuracy, 0.12, {"fmt": "o", "color": DARK}),
                (runs, response, -0.12, {"fmt": "s", "color": MIDDLE, "markerfacecolor": "white"}),
            ):
                if found is not None:
                    low, high = (found.mean if end is None else end for end in (found.low, found.high))
                    error = [[unit.scale * (found.mean - low)], [unit.scale * (high - found.mean)]]
                    axes.errorbar(unit.scale * found.mean, place + shift, xerr=error, capsize=3, markersize=5, **look)
        axes.axvline(0.0, color=DARK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [wrapped(variant.name, ", ", " and ") for variant in shown], fontsize=9)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlabel(f"{response.title} minus base ({response.difference_unit or 'as measured'})")
    caption = "Filled circles: 95 % intervals over test rows; open squares: over seeds. Left of 0: lower than the base."
    return Figure("Differences to the base", drawn.svg, caption)


def _raw(variant: Variant) -> dict[str, object]:
    rows, runs = variant.over_examples, variant.over_seeds.estimate if variant.over_seeds else None
    return {
        "variant": variant.name, "runs": variant.runs, "mean": variant.mean.mean, "p_holm": variant.p_holm,
        **{f"rows_{name}": getattr(rows, name, None) for name in ("mean", "low", "high", "p")},
        **{f"seeds_{name}": getattr(runs, name, None) for name in ("mean", "low", "high", "p")},
    }  # fmt: skip


def _primary(variant: Variant) -> Estimate | None:
    return variant.over_examples or (variant.over_seeds.estimate if variant.over_seeds else None)


def _cell(found: Estimate | None, unit: Measure) -> str:
    return "-" if found is None else f"{unit.show_difference(found.mean)} {unit.interval(found.low, found.high)}"
