"""Tables of labelled texts, and seeded subsamples and splits of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hqlm.errors import DataError, abbreviate, list_names
from hqlm.files import is_storable
from hqlm.notices import say_once

_SHOWN = 5  # rows named in a message
_DIGITS = 100  # longest label that is compared as a number
_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True)
class Table:
    """Texts and their labels.

    Args:
        texts: one text per row.
        labels: one label per row, or None if the source has no label column.
        source: origin of the rows, for messages, for example a file name.
        first_row: number of the first row in the source, for messages.
        taken: original row indices of a subset, for messages; None for the whole table.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    source: str
    first_row: int = 1
    taken: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: Sequence[int]) -> Table:
        """Return the rows with the given indices, in that order."""
        labels = None if self.labels is None else tuple(self.labels[place] for place in places)
        texts, taken = tuple(self.texts[place] for place in places), tuple(map(self._place, places))
        return Table(texts, labels, self.source, self.first_row, taken)

    def checked(self, labelled: bool) -> Table:
        """Return this table after rejecting empty texts and, where labels are needed, missing ones.

        Raises:
            DataError: naming the source and the rows.
        """
        if not self.texts:
            raise DataError(f"{self.source} has no rows")
        empty = [place for place, text in enumerate(self.texts) if not text.strip()]
        if empty:
            raise DataError(f"{self.source} has rows without text: {self._rows(empty)}. Remove or fill them")
        broken = [place for place, text in enumerate(self.texts) if not is_storable(text)]
        if broken:
            raise DataError(
                f"{self.source} has texts with half of a surrogate pair: {self._rows(broken)}. Write the character "
                "itself in UTF-8"
            )
        if labelled and self.labels is None:
            raise DataError(f"{self.source} has no label column, which fit, validate and test need")
        blank = [place for place, label in enumerate(self.labels or ()) if not label.strip()]
        if labelled and blank:
            raise DataError(f"{self.source} has rows without a label: {self._rows(blank)}. Remove or fill them")
        return self

    def numbers(self, class_names: Sequence[str]) -> list[int]:
        """Return the class index of every row.

        Raises:
            DataError: for a label that is not one of the classes.
        """
        assert self.labels is not None
        places = {name: number for number, name in enumerate(class_names)}
        unknown = [place for place, label in enumerate(self.labels) if label not in places]
        if unknown:
            given = list_names(sorted({f"'{abbreviate(self.labels[place])}'" for place in unknown}), _SHOWN)
            raise DataError(
                f"{self.source} contains labels not seen in training: {given} ({self._rows(unknown)}). "
                f"Known classes: {list_names(class_names)}. Fix or remove these rows, or train on rows of that class"
            )
        return [places[label] for label in self.labels]

    def known_numbers(self, class_names: Sequence[str]) -> list[int]:
        """Return the class index of every row, -1 where the label is missing or unknown."""
        places = {name: number for number, name in enumerate(class_names)}
        return [-1] * len(self) if self.labels is None else [places.get(label, -1) for label in self.labels]

    def _place(self, place: int) -> int:
        return place if self.taken is None else self.taken[place]

    def _rows(self, places: Sequence[int]) -> str:
        shown = ", ".join(str(self.first_row + self._place(place)) for place in places[:_SHOWN])
        rest = len(places) - _SHOWN
        return f"row{'s' * (len(places) > 1)} {shown}" + (f" and {rest} more" if rest > 0 else "")


def text_column(values: Iterable[Any], source: str, first_row: int, column: str) -> tuple[str, ...]:
    """Return the texts of a column; missing texts are empty.

    Args:
        values: values of the column.
        source: origin of the rows, for messages.
        first_row: number of the first row, for messages.
        column: name of the column, for messages.

    Raises:
        DataError: for a value that is not a string.
    """
    texts = []
    for row, value in enumerate(values, first_row):
        if not isinstance(value, str | None):
            raise DataError(
                f"{source}, row {row}: the text in '{abbreviate(column)}' is {_describe(value)}. A text must be a "
                "string: set data.text to the column of the texts, or write them out"
            )
        texts.append(value or "")
    return tuple(texts)


def label_column(values: Iterable[Any], source: str, first_row: int, column: str) -> tuple[str, ...]:
    """Return the labels of a column, numbers as digits; missing labels are empty.

    Args:
        values: values of the column.
        source: origin of the rows, for messages.
        first_row: number of the first row, for messages.
        column: name of the column, for messages.

    Raises:
        DataError: for a value that is neither text nor number.
    """
    labels = []
    for row, value in enumerate(values, first_row):
        if value is None or (isinstance(value, float) and value != value):  # data frames write NaN for null
            labels.append("")
        elif isinstance(value, str | int | float):
            labels.append(str(value))
        else:
            raise DataError(
                f"{source}, row {row}: the label in '{abbreviate(column)}' is {_describe(value)}. A row has one "
                "label, a word or a number: set data.label to its column, or split the row"
            )
    return tuple(labels)


def check_class_names(class_names: Sequence[str], source: str) -> None:
    """Reject class names that are equal or differ only in white space, which `predictions.tsv` could not tell apart.

    Args:
        class_names: names of the classes.
        source: origin of the names, for messages.

    Raises:
        DataError: naming the two, or a name that holds half of a surrogate pair.
    """
    for name in class_names:
        if not is_storable(name):
            raise DataError(
                f"{source} has the label '{abbreviate(name)}', which holds half of a surrogate pair. Write the "
                "character itself in UTF-8"
            )
    for one, other in _pairs(class_names, lambda name: " ".join(name.split())):
        raise DataError(
            f"{source} has the labels '{abbreviate(one)}' and '{abbreviate(other)}', which are equal or differ only "
            "in white space. Write them alike"
        )


def report_similar(class_names: Sequence[str], source: str) -> None:
    """Report class names that differ only in case or Unicode form: they count as two classes, perhaps by mistake."""
    for one, other in _pairs(class_names, lambda name: unicodedata.normalize("NFKC", name).casefold()):
        say_once(
            f"{source} has the labels '{abbreviate(one)}' and '{abbreviate(other)}', which are nearly the same and "
            "count as two classes"
        )


def _pairs(names: Sequence[str], key: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield names with an equal key, each with the first that has it."""
    first: dict[str, str] = {}
    for name in names:
        if key(name) in first:
            yield first[key(name)], name
        else:
            first[key(name)] = name


def classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct labels, sorted numerically if all are integers, else as text."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() and len(label) <= _DIGITS for label in distinct):
        return tuple(sorted(distinct, key=lambda label: (int(label), label)))
    return tuple(sorted(distinct))


def draw_per_class(table: Table, count: int, seed: int) -> Table:
    """Return `count` rows of every class, in source order; smaller subsamples are nested in larger ones.

    Raises:
        DataError: when a class has fewer rows.
    """
    assert table.labels is not None
    chosen: list[int] = []
    groups = _shuffle_classes(table, seed)
    for name, places in groups.items():
        if len(places) < count:
            raise DataError(
                f"data.samples_per_class={count}, but class '{abbreviate(name)}' of {table.source} has "
                f"{len(places)} rows to train on. Set it to {min(map(len, groups.values()))} or less"
            )
        chosen += places[:count]
    return table.take(sorted(chosen))


def draw(table: Table, count: int, seed: int) -> Table:
    """Return `count` rows (or all, if fewer), stratified by label; smaller subsamples are nested in larger ones."""
    if count >= len(table):
        return table
    if table.labels is None:
        order = np.random.default_rng(seed).permutation(len(table))
        return table.take(sorted(int(place) for place in order[:count]))
    # every row gets its rank within its class as a fraction of the class; the smallest fractions are a balanced sample
    groups = _shuffle_classes(table, seed).values()
    ranked = sorted((((rank + 0.5) / len(places)), place) for places in groups for rank, place in enumerate(places))
    return table.take(sorted(place for _, place in ranked[:count]))


def split_off(table: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """Split off about `fraction` of the rows, stratified by label; return (the rest, those rows)."""
    count = max(1, round(len(table) * fraction))
    held = set(draw(_with_places(table), count, seed).texts)
    kept = [place for place in range(len(table)) if str(place) not in held]
    return table.take(kept), table.take(sorted(int(place) for place in held))


def split_fold(table: Table, folds: int, fold: int, seed: int) -> tuple[Table, Table]:
    """Split off one of `folds` parts of nearly equal size, stratified by label; return (the rest, that part).

    Raises:
        DataError: when a class has fewer rows than there are folds.
    """
    groups = _shuffle_classes(table, seed)
    scarce = min(groups, key=lambda name: len(groups[name]))
    if len(groups[scarce]) < folds:
        raise DataError(
            f"data.folds={folds}, but class '{abbreviate(scarce)}' of {table.source} has "
            f"{len(groups[scarce])} rows. Set data.folds to {len(groups[scarce])} or less"
        )
    dealt = [place for places in groups.values() for place in places]  # class after class, then dealt round robin
    held = set(dealt[fold::folds])
    return table.take([place for place in range(len(table)) if place not in held]), table.take(sorted(held))


def _with_places(table: Table) -> Table:
    """Return the table with each text replaced by its index, so that repeated texts are distinct."""
    return Table(tuple(str(place) for place in range(len(table))), table.labels, table.source, table.first_row)


def _shuffle_classes(table: Table, seed: int) -> dict[str, list[int]]:
    assert table.labels is not None
    groups: dict[str, list[int]] = {name: [] for name in classes(table.labels)}
    for place, label in enumerate(table.labels):
        groups[label].append(place)
    return {
        name: [places[i] for i in np.random.default_rng([seed, number]).permutation(len(places))]
        for number, (name, places) in enumerate(groups.items())
    }


def _describe(value: Any) -> str:
    return f"{_KINDS.get(type(value), f'of type {type(value).__name__}')} ({abbreviate(repr(value))})"
