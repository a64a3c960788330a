"""Sentences about a comparison: worse, better, not significant, equal."""

import numpy as np
import pytest

from hqlm.errors import RunError
from hqlm.studies.comparison import compare
from hqlm.studies.records import Outcome, Record
from hqlm.studies.report import markdown

pytest.importorskip("scipy")
HASHES = {"train": "a", "val": "b", "test": "c"}


def outcome(model, right, seed=0, draw=0, rows=HASHES):
    labels = np.arange(200) % 2
    predicted = np.where(np.arange(200) < right, labels, 1 - labels)
    record = Record(model, draw, seed, 10, "trainable", "", 0.8, 1.0, 100.0, rows)
    return Outcome(record, labels, predicted, np.eye(2)[predicted] * 0.8 + 0.1)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (190, "The hybrid model is significantly worse than mlp over test rows, by 15.0 points"),
        (120, "The hybrid model is significantly better than mlp over test rows, by 20.0 points"),
        (162, "is not significant: the hybrid model lies 1.0 points below it"),
        (158, "is not significant: the hybrid model lies 1.0 points above it"),
        (160, "is not significant: the hybrid model has the same accuracy"),
    ],
)
def test_it_says_plainly_who_is_better(right, said):
    assert said in markdown(compare([outcome("hybrid", 160), outcome("mlp", right)]), "title")


def test_wilcoxon_has_a_column_from_eight_pairs_up():
    def text(seeds):
        hybrid = [outcome("hybrid", 150 + seed, seed) for seed in range(seeds)]
        return markdown(compare([*hybrid, *(outcome("mlp", 152 + 2 * seed, seed) for seed in range(seeds))]), "title")

    assert "Wilcoxon" in text(8)
    assert "Wilcoxon" not in text(7)


def test_the_unit_is_the_draw_averaged_over_seeds():
    outcomes = [
        outcome(model, right + 4 * draw + seed, seed, draw, {**HASHES, "train": str(draw)})
        for model, right in (("hybrid", 150), ("mlp", 155))
        for draw in range(3)
        for seed in range(2)
    ]
    found = compare(outcomes)
    assert found.unit == "draws"
    means = np.array([150.5, 154.5, 158.5]) / 200
    half = 4.302653 * means.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    assert found.standings[0].accuracy_over_runs.low == pytest.approx(means.mean() - half, abs=1e-6)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_other_rows_are_refused(split):
    with pytest.raises(RunError, match=f"mlp .* saw other {split} rows than hybrid"):
        compare([outcome("hybrid", 160), outcome("mlp", 160, rows={**HASHES, split: "z"})])
