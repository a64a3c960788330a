from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqlm.data.table import Table, classes, draw, draw_per_class, split_fold, split_off
from hqlm.errors import DataError


def table(counts):
    labels = [name for name, count in counts.items() for _ in range(count)]
    return Table(tuple(f"text {place}" for place in range(len(labels))), tuple(labels), "rows.tsv", 2)


def test_classes_are_sorted_as_numbers_where_they_are_numbers():
    assert classes(["10", "9", "1"]) == ("1", "9", "10")
    assert classes(["10", "9", "x"]) == ("10", "9", "x")
    assert classes(["1", "-1", "0"]) == ("-1", "0", "1")
    assert classes(["--1", "0"]) == ("--1", "0")


def test_numbers_of_thousands_of_digits_are_labels():
    assert classes(["9" * 5_000, "1"]) == ("1", "9" * 5_000)


def test_half_of_a_surrogate_pair_is_named_by_row():
    with pytest.raises(DataError, match=r"half of a surrogate pair: row 3\. Write the character itself"):
        Table(("a", "ok \ud83d x"), ("x", "y"), "rows.tsv", 2).checked(labelled=True)


def test_numbers_are_places_among_the_classes():
    assert table({"b": 1, "a": 2}).numbers(["a", "b"]) == [1, 0, 0]


def test_an_unknown_label_is_named_with_its_row_and_the_known_ones():
    with pytest.raises(DataError, match=r"'x' \(row 4\)\. Known classes: a, b"):
        table({"a": 1, "b": 1, "x": 1}).numbers(["a", "b"])


def test_rows_are_named_as_the_source_counts_them_also_after_draws():
    rows = Table(("a",) * 40, ("x", "y") * 19 + ("x", "z"), "rows.tsv", 2)
    for drawn in (rows, rows.take(range(5, 40)).take([3, 34]), split_fold(rows.take(range(4, 40)), 1, 0, 0)[1]):
        with pytest.raises(DataError, match=r"'z' \(row 41\)"):
            drawn.numbers(["x", "y"])


def test_empty_texts_and_labels_are_named_by_row():
    with pytest.raises(DataError, match=r"rows\.tsv has rows without text: row 3"):
        Table(("a", "  ", "c"), ("x", "y", "x"), "rows.tsv", 2).checked(labelled=True)
    with pytest.raises(DataError, match="rows without a label: row 2"):
        Table(("a", "b"), ("", "y"), "rows.tsv", 2).checked(labelled=True)
    Table(("a", "b"), ("", "y"), "rows.tsv", 2).checked(labelled=False)
    with pytest.raises(DataError, match="no label column"):
        Table(("a",), None, "rows.tsv").checked(labelled=True)
    with pytest.raises(DataError, match="no rows"):
        Table((), (), "rows.tsv").checked(labelled=True)


def test_long_lists_of_rows_are_cut_short():
    with pytest.raises(DataError, match="rows 1, 2, 3, 4, 5 and 3 more"):
        Table(("",) * 8, None, "rows.tsv").checked(labelled=False)


@given(st.integers(1, 10), st.integers(0, 5))
def test_draws_per_class_are_stratified_nested_and_repeatable(count, seed):
    rows = table({"a": 30, "b": 12})
    small, large = draw_per_class(rows, count, seed), draw_per_class(rows, count + 1, seed)
    assert Counter(small.labels) == {"a": count, "b": count}
    assert set(small.texts) < set(large.texts)
    assert small == draw_per_class(rows, count, seed)


def test_another_seed_draws_other_rows():
    rows = table({"a": 30, "b": 30})
    assert draw_per_class(rows, 5, 0) != draw_per_class(rows, 5, 1)
    assert draw(rows, 10, 0) != draw(rows, 10, 1)
    unlabelled = Table(rows.texts, None, "rows.tsv")
    assert draw(unlabelled, 10, 0) != draw(unlabelled, 10, 1)
    assert split_off(rows, 0.2, 0) != split_off(rows, 0.2, 1)
    assert split_fold(rows, 3, 0, 0) != split_fold(rows, 3, 0, 1)


def test_classes_of_one_size_are_not_drawn_at_the_same_places():
    labels = ("a", "b") * 30  # near-twins side by side, as in the built-in reviews
    drawn = draw_per_class(Table(tuple(map(str, range(60))), labels, "rows.tsv"), 10, 0)
    assert len({int(place) // 2 for place in drawn.texts}) > 10


def test_whatever_is_drawn_stays_in_the_order_of_the_source():
    rows = Table(tuple(f"{place:03}" for place in range(90)), ("a", "b", "b") * 30, "rows.tsv")
    unlabelled = Table(rows.texts, None, "rows.tsv")
    parts = [*split_off(rows, 0.4, 0), *split_fold(rows, 10, 1, 0)]
    for drawn in (draw_per_class(rows, 12, 0), draw(rows, 40, 0), draw(unlabelled, 40, 0), *parts):
        assert list(drawn.texts) == sorted(drawn.texts)


def test_too_few_rows_of_a_class_are_refused_by_name():
    with pytest.raises(DataError, match=r"class 'b' of rows\.tsv has 3 rows to train on\. Set it to 3"):
        draw_per_class(table({"a": 9, "b": 3}), 4, 0)


@given(st.integers(1, 89), st.integers(0, 3))
def test_limited_draws_keep_the_shares_of_the_classes(count, seed):
    rows = table({"a": 60, "b": 30})
    drawn = draw(rows, count, seed)
    assert len(drawn) == count
    assert abs(Counter(drawn.labels)["a"] - count * 2 / 3) <= 0.5
    assert set(drawn.texts) <= set(draw(rows, count + 1, seed).texts)


def test_a_limit_above_the_rows_takes_all():
    rows = table({"a": 3})
    assert draw(rows, 5, 0) == rows


def test_unlabelled_rows_are_drawn_too():
    rows = Table(tuple("abcdefgh"), None, "rows.tsv")
    assert len(draw(rows, 3, 0)) == 3


def test_a_validation_split_is_stratified_and_disjoint_even_with_repeated_texts():
    rows = Table(("same",) * 100, ("a", "b") * 50, "rows.tsv")
    rest, held = split_off(rows, 0.2, 0)
    assert (len(rest), len(held)) == (80, 20)
    assert Counter(held.labels) == {"a": 10, "b": 10}
    assert len(split_off(rows, 0.197, 0)[1]) == 20  # the nearest whole number
