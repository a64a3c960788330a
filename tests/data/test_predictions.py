"""predictions.tsv: what is written is read back as it was."""

import csv

import pytest

from hqlm.data.predictions import prediction_header, prediction_rows, write_table

TEXTS = ["=1+1", "+1", "-1", "@SUM(A1)", '"quoted"', "a, b; c", "\U0001f600 \u2028 \x85 \x0b", "=cmd|' /C calc'!A0"]


def test_texts_come_back_as_they_were(tmp_path):
    names = ["=no", "@yes"]
    probabilities = [[0.25, 0.75]] * len(TEXTS)
    rows = prediction_rows(names, TEXTS, [0] * len(TEXTS), probabilities)
    write_table(tmp_path / "predictions.tsv", prediction_header(names), rows)
    with (tmp_path / "predictions.tsv").open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header == ["text", "label", "predicted", "p_=no", "p_@yes"]
    assert found == [[text, "=no", "@yes", "0.250000", "0.750000"] for text in TEXTS]


@pytest.mark.parametrize("end", ["\t", "\n", "\r", "\r\n"])
def test_tabs_and_line_ends_become_spaces(end):
    ((text, *_),) = prediction_rows(["a", "b"], [f"one{end}two"], [0], [[1.0, 0.0]])
    assert text.split() == ["one", "two"]
    assert end not in text
