"""Ablation: what each variant loses or gains against the base, in pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.designs.ablation import KEYS
from hqlm.studies.factors import Factor
from hqlm.studies.statistics import (
    Estimate,
    PairedRuns,
    holm,
    over_runs,
    paired_over_examples,
    paired_over_runs,
)

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]
Correct = Callable[[str], Array | None]


@dataclass(frozen=True)
class Variant:
    """The base or a variant of it.

    Args:
        name: what is thrown, such as `without offset`.
        runs: how many are there.
        mean: of the response, with the interval over seeds.
        over_examples: variant minus base in accuracy, over test rows; None where predictions are missing.
        over_seeds: variant minus base in the response, over seeds that both have; None with none in common.
        p_holm: p-value over test rows (over seeds, where no predictions are there), adjusted for all variants.
    """

    name: str
    runs: int
    mean: Estimate
    over_examples: Estimate | None = None
    over_seeds: PairedRuns | None = None
    p_holm: float | None = None


def analyse_ablation(
    results: pandas.DataFrame, factors: Sequence[Factor], response: str, correct: Correct
) -> tuple[Variant, ...]:
    """Return the base first, then the variants, each in pairs with it on the same rows and seeds (blocks).

    Args:
        results: a row a trial; rows without a response must be left out.
        factors: of the study.
        response: column of the results.
        correct: of a trial, by its name in the results, which test rows it has right `(rows,)`, or None.
    """
    groups = _groups(results, factors)
    base = next((group for group in groups.values() if group["kind"].iloc[0] == "base"), None)
    found = []
    for name, group in groups.items():
        values = group.set_index("block")[response].astype(float)
        variant = Variant(name, len(group), over_runs(values.to_numpy()))
        if base is not None and group is not base:
            variant = _paired(variant, base, group, response, correct)
        found.append(variant)
    found.sort(key=lambda variant: (variant.name != "base", variant.name))
    return _adjusted(found)


def _paired(
    variant: Variant, base: pandas.DataFrame, group: pandas.DataFrame, response: str, correct: Correct
) -> Variant:
    both = sorted(set(base["block"]) & set(group["block"]))
    if not both:
        return variant
    one, other = (part.set_index("block").loc[both] for part in (base, group))
    runs = paired_over_runs(one[response].to_numpy(dtype=float), other[response].to_numpy(dtype=float))
    rows = [[correct(str(name)) for name in part["trial"]] for part in (one, other)]
    if any(found is None for part in rows for found in part):
        return replace(variant, over_seeds=runs)
    shares = [np.mean([found for found in part if found is not None], axis=0) for part in rows]
    return replace(variant, over_seeds=runs, over_examples=paired_over_examples(shares[0], shares[1]))


def _adjusted(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    p_values = {place: p for place, variant in enumerate(variants) if (p := _primary(variant)) is not None}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(replace(variant, p_holm=adjusted.get(place)) for place, variant in enumerate(variants))


def _primary(variant: Variant) -> float | None:
    if variant.over_examples is not None:
        return variant.over_examples.p
    return variant.over_seeds.estimate.p if variant.over_seeds else None


def _groups(results: pandas.DataFrame, factors: Sequence[Factor]) -> dict[str, pandas.DataFrame]:
    keys = [factor.key for factor in factors] + [key for key in KEYS if key in results]
    cells = [json.dumps([_plain(row[key]) for key in keys]) for _, row in results.iterrows()]
    names = short_names(keys)
    found = {}
    for cell in dict.fromkeys(cells):
        group = results[[own == cell for own in cells]]
        found[_name(group.iloc[0], factors, names)] = group
    return found


def _name(row: Any, factors: Sequence[Factor], names: dict[str, str]) -> str:
    if row["kind"] == "base":
        return "base"
    removed = [word for key in KEYS for word in row.get(key, [])]
    parts = [f"without {' and '.join(removed)}"] if removed else []
    changed = [factor for factor in factors if row[factor.key] != factor.levels[0]]
    return ", ".join(parts + [f"{names[factor.key]} = {show(_plain(row[factor.key]))}" for factor in changed])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
