"""Orthogonal (Taguchi) arrays: main effects of factors with two to six levels, mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hqlm.errors import ConfigError
from hqlm.studies.designs.base import Design, Setting
from hqlm.studies.designs.two_level import check_keys
from hqlm.studies.factors import Factor


@dataclass(frozen=True)
class OrthogonalArray(Design):
    """Main effects of factors whose numbers of levels differ, in the smallest Taguchi array that has room for them.

    Every pair of levels of two factors occurs equally often. Source: Taguchi, Chowdhury and Wu (2005), Taguchi's
    Quality Engineering Handbook.
    """

    requires: ClassVar[tuple[str, ...]] = ("pydoe",)
    install: ClassVar[str] = "hqlm[study]"

    def array(self, factors: Sequence[Factor]) -> tuple[str, NDArray[np.int64]]:
        """Name of the array and its columns for these factors, levels numbered from 0 `(runs, factors)`.

        Raises:
            ConfigError: when no array has room.
        """
        from pydoe import get_orthogonal_array, list_orthogonal_arrays

        check_keys(self, factors, 2)
        counts = [len(factor.values) for factor in factors]
        arrays = {name: np.asarray(get_orthogonal_array(name)) for name in list_orthogonal_arrays()}
        for name, array in sorted(arrays.items(), key=lambda item: len(item[1])):
            columns = _columns(array, counts)
            if columns is not None and is_orthogonal(array[:, columns]):
                return name, array[:, columns]
        raise ConfigError(
            f"no orthogonal array has room for {len(counts)} factors with {counts} levels: there are arrays of 2, 3, "
            f"4, 5 and 6 levels, few of them mixed ({', '.join(arrays)}). Change numbers of levels, or take "
            "FullFactorial or RandomDesign"
        )

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return the rows of the array."""
        _, array = self.array(factors)
        return tuple(
            Setting({factor.key: factor.values[level] for factor, level in zip(factors, row, strict=True)})
            for row in array
        )

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Name of the array, and that interactions go into main effects."""
        name, array = self.array(factors)
        return (
            f"Orthogonal array {name}, {len(array)} runs a block. Main effects are orthogonal to each other and, fully "
            "or in part, aliased with interactions of other factors: they can be trusted where interactions are small "
            "beside them. The lack-of-fit test of the report tells of those that are not fully aliased."
        )


def is_orthogonal(array: NDArray[np.int64]) -> bool:
    """Return whether all pairs of levels of any two columns occur equally often (strength 2)."""
    return all(_balanced(array[:, pair]) for pair in combinations(range(array.shape[1]), 2))


def _balanced(pair: NDArray[np.int64]) -> bool:
    cells = Counter(map(tuple, pair.tolist()))
    levels = len(set(pair[:, 0].tolist())) * len(set(pair[:, 1].tolist()))
    return len(cells) == levels and len(set(cells.values())) == 1


def _columns(array: NDArray[np.int64], counts: Sequence[int]) -> list[int] | None:
    """For each factor a column of its own with as many levels."""
    free = {column: len(set(array[:, column].tolist())) for column in range(array.shape[1])}
    chosen = []
    for count in counts:
        column = next((column for column, levels in free.items() if levels == count), None)
        if column is None:
            return None
        free.pop(column)
        chosen.append(column)
    return chosen
