"""The effects that a design can estimate, each as a column of the regression."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hqlm.studies.designs import Design
from hqlm.studies.factors import Factor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """One effect.

    Args:
        name: what changes, such as `lr: 0.01 → 0.03`.
        factors: keys of the factors.
        kind: main effect, interaction of two factors, or curvature: the centre point against the mean of all others.
        column: of which the coefficient is the effect `(trials,)`.
    """

    name: str
    factors: tuple[str, ...]
    kind: Literal["main", "interaction", "curvature"]
    column: Array


def make_terms(
    design: Design, factors: Sequence[Factor], values: Sequence[Sequence[Any]], centers: Sequence[bool]
) -> list[Term]:
    """Return the terms of a design.

    The effect of a level is the mean response there minus that at the first level; of a range that of going from low
    to high; an interaction is half of how much the effect of one factor differs between the levels of the other.

    Args:
        design: of the study.
        factors: of the study.
        values: of each trial those of the factors, in their order.
        centers: of each trial whether it is a centre point.
    """
    names = short_names([factor.key for factor in factors])
    center = np.array(centers, dtype=bool)
    terms: list[Term] = []
    for place, factor in enumerate(factors):
        terms += _main(factor, names[factor.key], [row[place] for row in values], center)
    mains = {term.factors[0]: term for term in terms if term.kind == "main"}
    for one, other in design.interactions(factors):
        column = 2.0 * mains[one].column * mains[other].column
        terms.append(Term(f"{names[one]} × {names[other]}", (one, other), "interaction", column))
    if center.any() and not center.all():
        terms.append(Term("curvature (centre point)", (), "curvature", center.astype(np.float64)))
    return terms


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the fewest last words of each dotted key that tell it from the others."""
    found = {}
    for key in keys:
        words = key.split(".")
        tails = (".".join(words[-count:]) for count in range(1, len(words) + 1))
        found[key] = next(
            (tail for tail in tails if sum(("." + other).endswith("." + tail) for other in keys) == 1), key
        )
    return found


def show(value: Any) -> str:
    """Return a value of a factor, short: a class by its name with the options that are given."""
    if isinstance(value, dict) and "class_path" in value:
        name = str(value["class_path"]).rpartition(".")[2]
        options = ", ".join(f"{option}={show(given)}" for option, given in (value.get("init_args") or {}).items())
        return f"{name}({options})" if options else name
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _main(factor: Factor, name: str, values: Sequence[Any], center: NDArray[np.bool_]) -> list[Term]:
    if factor.is_range:
        column = np.array([factor.code(value) / 2.0 for value in values])
        return [Term(f"{name}: {show(factor.low)} → {show(factor.high)}", (factor.key,), "main", column)]
    first, *others = factor.levels
    share = 1.0 / len(factor.levels)
    return [
        Term(
            f"{name}: {show(first)} → {show(level)}",
            (factor.key,),
            "main",
            # centred, so that a centre point, which has no level, stands at 0
            np.where(center, 0.0, np.array([float(value == level) for value in values]) - share),
        )
        for level in others
    ]
