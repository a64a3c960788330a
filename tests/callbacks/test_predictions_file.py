"""predictions.tsv: what is written is read back as it was."""

import csv

import pytest
import torch

from hqlm.callbacks.predictions_file import write_table
from hqlm.tasks import SingleLabel

TEXTS = ["=1+1", "+1", "-1", "@SUM(A1)", '"quoted"', "a, b; c", "\U0001f600 \u2028 \x85 \x0b", "=cmd|' /C calc'!A0"]


def test_texts_come_back_as_they_were(tmp_path):
    names = ["=no", "@yes"]
    outputs = torch.tensor([[0.25, 0.75]] * len(TEXTS), dtype=torch.float64).log()
    rows = SingleLabel().table(TEXTS, torch.zeros(len(TEXTS), dtype=torch.long), outputs, names)
    write_table(tmp_path / "predictions.tsv", SingleLabel().header(names), rows)
    with (tmp_path / "predictions.tsv").open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header == ["text", "label", "predicted", "p_=no", "p_@yes"]
    assert found == [[text, "=no", "@yes", "0.250000", "0.750000"] for text in TEXTS]


@pytest.mark.parametrize("end", ["\t", "\n", "\r", "\r\n"])
def test_tabs_and_line_ends_become_spaces(end):
    ((text, *_),) = SingleLabel().table([f"one{end}two"], torch.tensor([0]), torch.tensor([[1.0, 0.0]]), ["a", "b"])
    assert text.split() == ["one", "two"]
    assert end not in text
