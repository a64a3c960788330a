"""Sentences about a comparison: worse, better, not significant, equal."""

from pathlib import Path

import numpy as np
import pytest

from hqlm.studies.comparison.analysis import summarise
from hqlm.studies.comparison.compare import Comparison
from hqlm.studies.comparison.outcomes import Outcome
from hqlm.studies.formatting import show_p

HASHES = {"train": "a", "val": "b", "test": "c"}


def outcome(model, right, seed=0, draw=0, counted="trainable"):
    labels = np.arange(200) % 2
    predicted = np.where(np.arange(200) < right, labels, 1 - labels)
    return Outcome(model, draw, seed, labels, predicted, np.eye(2)[predicted] * 0.8 + 0.1, 10, counted)


def compare(outcomes):
    draws = {outcome.draw for outcome in outcomes}
    unit = "draws" if len(draws) > 1 else "seeds"
    return Comparison(Path("title"), summarise(outcomes, unit), unit, (0,), 200, dict.fromkeys(draws, HASHES))


def markdown(comparison, title, narrow=False):
    return comparison.markdown(narrow)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (190, "QuantumHead is significantly worse than mlp over test rows, by 15.0 points"),
        (120, "QuantumHead is significantly better than mlp over test rows, by 20.0 points"),
        (162, "is not significant over test rows: QuantumHead is 1.0 points below it"),
        (158, "is not significant over test rows: QuantumHead is 1.0 points above it"),
        (160, "is not significant over test rows: QuantumHead has the same accuracy"),
    ],
)
def test_it_says_plainly_who_is_better(right, said):
    assert said in markdown(compare([outcome("QuantumHead", 160), outcome("mlp", right)]), "title")


@pytest.mark.parametrize(
    ("rights", "over_rows", "over_draws"),
    [
        (
            (152, 154, 153),
            "not significant over test rows",
            "Over draws QuantumHead is significantly worse (p not",
        ),
        (
            (148, 146, 147),
            "not significant over test rows",
            "Over draws QuantumHead is significantly better (p not",
        ),
        ((120, 180, 199), "significantly worse than mlp over", "Over draws the difference is not significant (p not"),
    ],
)
def test_it_says_whether_draws_agree(rights, over_rows, over_draws):
    outcomes = [
        outcome(model, right, 0, draw)
        for model, own in (("QuantumHead", (150, 150, 150)), ("mlp", rights))
        for draw, right in enumerate(own)
    ]
    text = markdown(compare(outcomes), "title")
    assert over_rows in text
    assert over_draws in text


def test_one_run_is_not_said_to_agree_over_seeds():
    assert "Over seeds" not in markdown(compare([outcome("QuantumHead", 160), outcome("mlp", 120)]), "title")


def test_notes_are_about_the_baselines_that_took_part():
    hybrid, mlp = outcome("QuantumHead", 160), outcome("mlp", 150)
    text = markdown(compare([hybrid, mlp]), "title")
    assert "mean over runs of the expected calibration error of each run" in text
    assert "intervals are not adjusted" in text
    assert "support vectors" not in text
    assert "temperature" not in text
    text = markdown(compare([hybrid, mlp, outcome("RBFSVMHead", 150, counted="support vectors")]), "title")
    assert "of RBFSVMHead support vectors" in text
    assert "RBFSVMHead: probabilities by one temperature" in text
    assert "KernelHead" not in text


def test_wilcoxon_has_a_column_from_eight_pairs_up():
    def text(seeds):
        hybrid = [outcome("QuantumHead", 150 + seed, seed) for seed in range(seeds)]
        return markdown(compare([*hybrid, *(outcome("mlp", 152 + 2 * seed, seed) for seed in range(seeds))]), "title")

    assert "Wilcoxon" in text(8)
    assert "Wilcoxon" not in text(7)


def test_the_unit_is_the_draw_averaged_over_seeds():
    outcomes = [
        outcome(model, right + 4 * draw + seed, seed, draw)
        for model, right in (("QuantumHead", 150), ("mlp", 155))
        for draw in range(3)
        for seed in range(2)
    ]
    found = compare(outcomes)
    assert found.unit == "draws"
    means = np.array([150.5, 154.5, 158.5]) / 200
    half = 4.302653 * means.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    assert found.models[0].accuracy_over_runs.low == pytest.approx(means.mean() - half, abs=1e-6)


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (None, "-"),
        (0.0002, "< 0.001"),
        (0.0497, "0.0497"),
        (0.04998, "< 0.05"),
        (0.05, "0.0500"),
        (0.05002, "0.0500"),
        (0.051, "0.051"),
    ],
)
def test_p_values_are_shown_on_their_side_of_the_limit(p, shown):
    assert show_p(p) == shown


def test_the_table_of_the_terminal_fits_it_and_the_file_keeps_all_columns():
    outcomes = [
        outcome(model, 160 + seed, seed)
        for model in ("QuantumHead", "a_model_with_quite_a_long_name")
        for seed in (0, 1)
    ]
    comparison = compare(outcomes)
    lines = [line for line in markdown(comparison, "title", narrow=True).splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert max(map(len, lines)) <= 100
    assert "…" in lines[3]
    assert lines[0].count("|") == 7
    assert "training s" in markdown(comparison, "title")
