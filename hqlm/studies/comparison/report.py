"""A comparison as one table and a few plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hqlm.studies.comparison.analysis import ModelSummary, Unit
from hqlm.studies.formatting import NONE, aligned, plain, show_p
from hqlm.studies.statistics import ALPHA, Estimate

_FIXED: Final = "; no seed changes a head that is solved in one step, which is paired with every seed of the reference"

# columns that fit a terminal, with headings to match; intervals are those over test rows
_NARROW: Final = {0: "model", 1: "parameters", 2: "accuracy %", 5: "ECE %", 8: "difference", 9: "p, Holm"}
_NAME: Final = 20  # characters of a model's name there


def markdown(
    models: Sequence[ModelSummary], unit: Unit, rows: dict[int, dict[str, str]], n_test: int, title: str, narrow: bool
) -> str:
    """Return the table, a verdict on each baseline, and the meaning of the columns.

    Args:
        models: the reference, then the baselines.
        unit: in what runs of a model differ.
        rows: SHA-256 of each split and of its embeddings, by draw.
        n_test: number of test rows.
        title: of the text.
        narrow: leave out columns so that the table fits a terminal.
    """
    reference, *baselines = models
    parts = [
        f"# {plain(title)}",
        _table(models, unit, narrow),
        "\n".join(f"- {plain(verdict(each, reference.model, unit))}" for each in baselines),
        "\n".join(f"- {plain(note)}" for note in _notes(models, unit, rows, n_test)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(models: Sequence[ModelSummary], unit: Unit, narrow: bool) -> str:
    """Return one row for each model, in Markdown: all columns, or those that fit 100 characters."""
    header = [
        "model", "parameters", "accuracy % [test rows]", f"[{unit}]", "macro-F1 %", "ECE %", "training s",
        "sentences/s, head", "difference [test rows]", "p, Holm", f"difference [{unit}]", "p, paired t",
    ]  # fmt: skip
    rows = [_cells(each) for each in models]
    if any(each.difference_over_runs and each.difference_over_runs.wilcoxon for each in models):
        header.append("p, Wilcoxon")
        for row, each in zip(rows, models, strict=True):
            paired = each.difference_over_runs
            row.append(show_p(paired.wilcoxon if paired else None))
    cells = [[plain(cell).replace("|", "\\|") for cell in row] for row in [header, *rows]]
    if narrow:
        cells = [[*_NARROW.values()], *([row[column] for column in _NARROW] for row in cells[1:])]
        for row in cells:
            row[0] = row[0] if len(row[0]) <= _NAME else f"{row[0][: _NAME - 1]}…"  # names may be of any length
    return aligned(cells)


def verdict(baseline: ModelSummary, reference: str, unit: Unit) -> str:
    """Return whether the reference is better or worse than a baseline, or cannot be told from it."""
    difference, p, paired = baseline.difference, baseline.p_holm, baseline.difference_over_runs
    assert difference is not None
    assert p is not None
    points = f"{abs(100.0 * difference.mean):.1f} points"
    figures = f"difference {_points(difference)}, p {show_p(p)}"
    if paired is not None and paired.estimate.p is not None:
        figures += f"; over {unit} {_points(paired.estimate)}, p {show_p(paired.estimate.p)}"
    over_units = _over_units(baseline, reference, unit)
    if p > ALPHA:
        side = f"is {points} {'below' if difference.mean < 0.0 else 'above'} it"
        return (
            f"The difference between {reference} and {baseline.model} is not significant over test rows: {reference} "
            f"{side if difference.mean else 'has the same accuracy'} ({figures}).{over_units}"
        )
    word = "worse" if difference.mean < 0.0 else "better"
    return (
        f"{reference} is significantly {word} than {baseline.model} over test rows, by {points} ({figures})."
        f"{over_units}"
    )


def _over_units(baseline: ModelSummary, reference: str, unit: Unit) -> str:
    """Return whether the difference is significant over seeds or draws too; nothing where there is no such test."""
    paired = baseline.difference_over_runs
    if paired is None or paired.estimate.p is None:
        return ""
    if paired.estimate.p > ALPHA:
        return f" Over {unit} the difference is not significant (p not adjusted)."
    word = "worse" if paired.estimate.mean < 0.0 else "better"
    return f" Over {unit} {reference} is significantly {word} (p not adjusted)."


def _notes(models: Sequence[ModelSummary], unit: Unit, rows: dict[int, dict[str, str]], n_test: int) -> list[str]:
    """Return what the columns mean and what was held equal."""
    reference, *baselines = models
    return [
        f"difference: {reference.model} minus the model of the row, in points.",
        f"[test rows]: 95 % bootstrap interval over the {n_test:,} test rows, with these trained models; of "
        "each row the fraction of runs that classify it correctly. p: permutation test over test rows, adjusted for "
        f"{len(baselines)} baselines by Holm's method; intervals are not adjusted.",
        f"[{unit}]: 95 % interval over {unit} by Student's t, with these test rows; none where there is one run "
        "only or all accuracies are equal. Paired t "
        f"test over {unit}; neither its p nor the intervals are adjusted{_FIXED if unit == 'seeds' else ''}.",
        _sizes_and_calibration(models),
        "Training seconds: of the setting that was chosen, without embedding; of heads that are solved in one step "
        "with the choice of C. Sentences/s: in the test, from embeddings, for a second of processor time; the text "
        "encoder is the same for all.",
        "Epochs, learning rates of baselines and C were chosen on the validation rows, never on test rows."
        + _choices(baselines),
        "All models saw the same rows, embeddings and class numbers, SHA-256 of each split: "
        + "; ".join(
            f"draw {draw}: " + ", ".join(f"{split} {digest[:12]}" for split, digest in own.items())
            for draw, own in rows.items()
        )
        + ".",
    ]


def _sizes_and_calibration(models: Sequence[ModelSummary]) -> str:
    """Return what parameters and ECE mean, with a word on kernels where there are any."""
    # kernel machines are what has support vectors, and what gives scores but no probabilities
    kernels = [each.model for each in models if each.counted == "support vectors"]
    names = " and ".join(kernels)
    sizes = f"; of {names} support vectors" if names else ""
    fitted = f"; {names}: probabilities by one temperature fitted on the validation rows" if names else ""
    return (
        f"Parameters: trainable ones{sizes}. ECE: mean over runs of the expected calibration error of each run, 15 bins"
        f"{fitted}."
    )


def _choices(baselines: Sequence[ModelSummary]) -> str:
    chosen = [f"{each.model} {' or '.join(each.chosen)}" for each in baselines if each.chosen]
    return f" Chosen: {', '.join(chosen)}." if chosen else ""


def _cells(summary: ModelSummary) -> list[str]:
    paired = summary.difference_over_runs
    return [
        summary.model,
        f"{summary.parameters:,.0f}" + (" SV" if summary.counted == "support vectors" else ""),
        f"{100.0 * summary.accuracy.mean:.1f} {_interval(summary.accuracy, '.1f')}",
        _interval(summary.accuracy_over_runs, ".1f"),
        f"{100.0 * summary.f1:.1f}",
        f"{100.0 * summary.calibration_error:.1f}",
        f"{summary.training_seconds:.2f}",
        f"{float(f'{summary.sentences_per_second:.2g}'):,.0f}",
        _points(summary.difference) if summary.difference else NONE,
        show_p(summary.p_holm),
        _points(paired.estimate) if paired else NONE,
        show_p(paired.estimate.p if paired else None),
    ]


def _points(estimate: Estimate) -> str:
    return f"{100.0 * estimate.mean:+.1f} {_interval(estimate, '+.1f')}"


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return NONE
    return f"[{100.0 * estimate.low:{form}}, {100.0 * estimate.high:{form}}]"
