"""Labelled texts as they come from a source, and the seeded draws from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hqlm.errors import DataError
from hqlm.registry import join_names

_SHOWN = 5  # rows named in a message


@dataclass(frozen=True)
class Table:
    """Texts and their labels.

    Args:
        texts: one a row.
        labels: one a row, or None where the source has no label column.
        source: where it comes from, for messages, for example a file name.
        first_row: number of the first row in the source as a person counts, for messages.
        taken: places of the rows in the source where they were taken out of it, for messages; None for all rows.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    source: str
    first_row: int = 1
    taken: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: Sequence[int]) -> Table:
        """The rows at the given places, in that order."""
        labels = None if self.labels is None else tuple(self.labels[place] for place in places)
        texts, taken = tuple(self.texts[place] for place in places), tuple(map(self._place, places))
        return Table(texts, labels, self.source, self.first_row, taken)

    def checked(self, labelled: bool) -> Table:
        """This table, after refusing empty texts and, where they are needed, missing labels.

        Raises:
            DataError: naming the source and the rows.
        """
        if not self.texts:
            raise DataError(f"{self.source} has no rows")
        empty = [place for place, text in enumerate(self.texts) if not text.strip()]
        if empty:
            raise DataError(f"{self.source} has rows without text: {self._rows(empty)}. Remove or fill them")
        if labelled and self.labels is None:
            raise DataError(f"{self.source} has no label column, which fit, validate and test need")
        blank = [place for place, label in enumerate(self.labels or ()) if not label.strip()]
        if labelled and blank:
            raise DataError(f"{self.source} has rows without label: {self._rows(blank)}. Remove or fill them")
        return self

    def numbers(self, class_names: Sequence[str]) -> list[int]:
        """Class number of every row.

        Raises:
            DataError: for a label that is none of the classes.
        """
        assert self.labels is not None
        places = {name: number for number, name in enumerate(class_names)}
        unknown = [place for place, label in enumerate(self.labels) if label not in places]
        if unknown:
            given = ", ".join(sorted({f"'{self.labels[place]}'" for place in unknown})[:_SHOWN])
            raise DataError(
                f"{self.source} has labels that the training data has not: {given} ({self._rows(unknown)}). "
                f"Known classes: {join_names(class_names)}. Mend or remove those rows, or train on rows of that class"
            )
        return [places[label] for label in self.labels]

    def known_numbers(self, class_names: Sequence[str]) -> list[int]:
        """Class number of every row, -1 where the label is missing or none of the classes."""
        places = {name: number for number, name in enumerate(class_names)}
        return [-1] * len(self) if self.labels is None else [places.get(label, -1) for label in self.labels]

    def _place(self, place: int) -> int:
        return place if self.taken is None else self.taken[place]

    def _rows(self, places: Sequence[int]) -> str:
        shown = ", ".join(str(self.first_row + self._place(place)) for place in places[:_SHOWN])
        rest = len(places) - _SHOWN
        return f"row{'s' * (len(places) > 1)} {shown}" + (f" and {rest} more" if rest > 0 else "")


def classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Distinct labels, sorted as numbers where all of them are whole numbers, else as text."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() for label in distinct):
        return tuple(sorted(distinct, key=lambda label: (int(label), label)))
    return tuple(sorted(distinct))


def draw_per_class(table: Table, count: int, seed: int) -> Table:
    """`count` rows of every class, in the order of the source; a smaller draw is part of a larger one.

    Raises:
        DataError: when a class has fewer rows.
    """
    assert table.labels is not None
    chosen: list[int] = []
    groups = _shuffled_classes(table, seed)
    for name, places in groups.items():
        if len(places) < count:
            raise DataError(
                f"data.samples_per_class={count}, but class '{name}' of {table.source} has {len(places)} rows to "
                f"train on. Set it to {min(map(len, groups.values()))} or less"
            )
        chosen += places[:count]
    return table.take(sorted(chosen))


def draw(table: Table, count: int, seed: int) -> Table:
    """`count` rows (or all, when there are fewer), stratified by label where there is one; draws are nested."""
    if count >= len(table):
        return table
    if table.labels is None:
        order = np.random.default_rng(seed).permutation(len(table))
        return table.take(sorted(int(place) for place in order[:count]))
    # every row gets its rank within its class as a share of the class; the smallest shares are an even draw
    groups = _shuffled_classes(table, seed).values()
    ranked = sorted((((rank + 0.5) / len(places)), place) for places in groups for rank, place in enumerate(places))
    return table.take(sorted(place for _, place in ranked[:count]))


def split_off(table: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """(the rest, about `fraction` of the rows), stratified by label."""
    count = max(1, round(len(table) * fraction))
    held = set(draw(_with_places(table), count, seed).texts)
    kept = [place for place in range(len(table)) if str(place) not in held]
    return table.take(kept), table.take(sorted(int(place) for place in held))


def split_fold(table: Table, folds: int, fold: int, seed: int) -> tuple[Table, Table]:
    """(the rest, the rows of one of `folds` parts of nearly equal size), stratified by label.

    Raises:
        DataError: when a class has fewer rows than there are folds.
    """
    groups = _shuffled_classes(table, seed)
    scarce = min(groups, key=lambda name: len(groups[name]))
    if len(groups[scarce]) < folds:
        raise DataError(
            f"data.folds={folds}, but class '{scarce}' of {table.source} has {len(groups[scarce])} rows only. Set "
            "it to that or less"
        )
    dealt = [place for places in groups.values() for place in places]  # class after class, as cards are dealt
    held = set(dealt[fold::folds])
    return table.take([place for place in range(len(table)) if place not in held]), table.take(sorted(held))


def _with_places(table: Table) -> Table:
    """The table with each text replaced by its place, so that repeated texts are told apart."""
    return Table(tuple(str(place) for place in range(len(table))), table.labels, table.source, table.first_row)


def _shuffled_classes(table: Table, seed: int) -> dict[str, list[int]]:
    assert table.labels is not None
    groups: dict[str, list[int]] = {name: [] for name in classes(table.labels)}
    for place, label in enumerate(table.labels):
        groups[label].append(place)
    return {
        name: [places[i] for i in np.random.default_rng([seed, number]).permutation(len(places))]
        for number, (name, places) in enumerate(groups.items())
    }
