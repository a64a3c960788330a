"""A comparison as one table and a few plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hqlm.studies.comparison.compare import Comparison, Standing
from hqlm.studies.formatting import NONE, aligned, plain, show_p
from hqlm.studies.statistics import ALPHA, Estimate

_FIXED: Final = "; no seed changes a rival of scikit-learn, which stands beside every seed of the hybrid model"

# columns that fit a terminal, with headings to match; intervals are those over test rows
_NARROW: Final = {0: "model", 1: "parameters", 2: "accuracy %", 5: "ECE %", 8: "hybrid minus it", 9: "p, Holm"}
_NAME: Final = 20  # characters of a model's name there


def markdown(comparison: Comparison, title: str, narrow: bool = False) -> str:
    """Return the table, what it says of each rival, and what its columns mean.

    Args:
        comparison: of one model with others.
        title: of the text.
        narrow: leave out columns so that the table fits a terminal.
    """
    parts = [
        f"# {plain(title)}",
        table(comparison, narrow),
        "\n".join(f"- {plain(verdict(rival, comparison.unit))}" for rival in comparison.standings[1:]),
    ]
    parts.append("\n".join(f"- {plain(note)}" for note in notes(comparison)))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(comparison: Comparison, narrow: bool = False) -> str:
    """Return one row for each model, in Markdown: all columns, or those that fit 100 characters."""
    unit = comparison.unit
    header = [
        "model", "parameters", "accuracy % [test rows]", f"[{unit}]", "macro-F1 %", "ECE %", "training s",
        "sentences/s, head", "hybrid minus it [test rows]", "p, Holm", f"hybrid minus it [{unit}]", "p, paired t",
    ]  # fmt: skip
    rows = [_cells(standing) for standing in comparison.standings]
    if any(row.difference_over_runs and row.difference_over_runs.wilcoxon for row in comparison.standings):
        header.append("p, Wilcoxon")
        for row, standing in zip(rows, comparison.standings, strict=True):
            paired = standing.difference_over_runs
            row.append(show_p(paired.wilcoxon if paired else None))
    cells = [[plain(cell).replace("|", "\\|") for cell in row] for row in [header, *rows]]
    if narrow:
        cells = [[*_NARROW.values()], *([row[column] for column in _NARROW] for row in cells[1:])]
        for row in cells:
            row[0] = row[0] if len(row[0]) <= _NAME else f"{row[0][: _NAME - 1]}…"  # names may be of any length
    return aligned(cells)


def verdict(rival: Standing, unit: str) -> str:
    """Whether the hybrid model is better or worse than a rival, or cannot be told from it."""
    difference, p, paired = rival.difference, rival.p_holm, rival.difference_over_runs
    assert difference is not None
    assert p is not None
    points = f"{abs(100.0 * difference.mean):.1f} points"
    figures = f"difference {_points(difference)}, p {show_p(p)}"
    if paired is not None and paired.estimate.p is not None:
        figures += f"; over {unit} {_points(paired.estimate)}, p {show_p(paired.estimate.p)}"
    over_units = _over_units(rival, unit)
    if p > ALPHA:
        place = f"lies {points} {'below' if difference.mean < 0.0 else 'above'} it"
        return (
            f"The difference between the hybrid model and {rival.model} is not significant over test rows: the hybrid "
            f"model {place if difference.mean else 'has the same accuracy'} ({figures}).{over_units}"
        )
    word = "worse" if difference.mean < 0.0 else "better"
    place = f"significantly {word} than {rival.model} over test rows, by {points}"
    return f"The hybrid model is {place} ({figures}).{over_units}"


def _over_units(rival: Standing, unit: str) -> str:
    """Whether the difference is significant over seeds or draws too; nothing where there is no such test."""
    paired = rival.difference_over_runs
    if paired is None or paired.estimate.p is None:
        return ""
    if paired.estimate.p > ALPHA:
        return f" Over {unit} the difference is not significant (p not adjusted)."
    word = "worse" if paired.estimate.mean < 0.0 else "better"
    return f" Over {unit} the hybrid model is significantly {word} (p not adjusted)."


def notes(comparison: Comparison) -> list[str]:
    """What the columns mean and what was held equal."""
    rivals = comparison.standings[1:]
    unit = comparison.unit
    found = [
        f"[test rows]: 95 % bootstrap interval over the {comparison.n_test:,} test rows, with these trained models; of "
        "each row the share of runs that have it right. p: permutation test over test rows, adjusted for "
        f"{len(rivals)} rivals by Holm's method; intervals are not adjusted.",
        f"[{unit}]: 95 % interval over {unit} by Student's t, with these test rows; none where there is one run "
        "only or all accuracies are equal. Paired t "
        f"test over {unit}; neither its p nor the intervals are adjusted{_FIXED if unit == 'seeds' else ''}.",
        _sizes_and_calibration(rivals),
        "Training seconds: of the setting that was chosen, embedding left out. Sentences/s: by the head alone, from "
        "embeddings, on the CPU; the text encoder is the same for all.",
        "Epochs, learning rates of rival heads and C were chosen on the validation rows; test rows were read once, at "
        "the end." + _choices(rivals),
        "All models saw the same rows, embeddings and class numbers (SHA-256 of each split compared): "
        + "; ".join(
            f"draw {draw}: " + ", ".join(f"{split} {digest[:12]}" for split, digest in rows.items())
            for draw, rows in comparison.rows.items()
        )
        + ".",
    ]
    return found


def _sizes_and_calibration(rivals: Sequence[Standing]) -> str:
    """What parameters and ECE mean, with a word on kernels where such rivals took part."""
    # kernel machines are what has support vectors, and what gives scores but no probabilities
    kernels = [rival.model for rival in rivals if rival.counted == "support vectors"]
    names = " and ".join(kernels)
    sizes = f"; of {names} support vectors" if names else ""
    fitted = f"; {names}: probabilities by one temperature fitted on the validation rows" if names else ""
    return (
        f"Parameters: trainable ones{sizes}. ECE: mean over runs of the expected calibration error of each run, 15 bins"
        f"{fitted}."
    )


def _choices(rivals: Sequence[Standing]) -> str:
    chosen = [f"{rival.model} {' or '.join(rival.chosen)}" for rival in rivals if rival.chosen]
    return f" Chosen: {', '.join(chosen)}." if chosen else ""


def _cells(standing: Standing) -> list[str]:
    paired = standing.difference_over_runs
    return [
        standing.model,
        f"{standing.parameters:,.0f}" + (" SV" if standing.counted == "support vectors" else ""),
        f"{100.0 * standing.accuracy.mean:.1f} {_interval(standing.accuracy, '.1f')}",
        _interval(standing.accuracy_over_runs, ".1f"),
        f"{100.0 * standing.f1:.1f}",
        f"{100.0 * standing.calibration_error:.1f}",
        f"{standing.training_seconds:.2f}",
        f"{float(f'{standing.sentences_per_second:.2g}'):,.0f}",
        _points(standing.difference) if standing.difference else NONE,
        show_p(standing.p_holm),
        _points(paired.estimate) if paired else NONE,
        show_p(paired.estimate.p if paired else None),
    ]


def _points(estimate: Estimate) -> str:
    return f"{100.0 * estimate.mean:+.1f} {_interval(estimate, '+.1f')}"


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return NONE
    return f"[{100.0 * estimate.low:{form}}, {100.0 * estimate.high:{form}}]"
