"""A hybrid model and its rivals in figures: each on its own, and each rival in pairs with the hybrid model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score

from hqlm.errors import RunError
from hqlm.studies.comparison.records import Outcome
from hqlm.studies.comparison.rows import split_title
from hqlm.studies.statistics import (
    Estimate,
    PairedRuns,
    holm,
    over_examples,
    over_runs,
    paired_over_examples,
    paired_over_runs,
)

Array = NDArray[np.float64]

HYBRID: Final = "hybrid"
_BINS: Final = 15


@dataclass(frozen=True)
class Standing:
    """One model over all its runs.

    Args:
        model: `hybrid` or the name of a rival.
        runs: how many there are.
        accuracy: mean, with the interval over test rows.
        accuracy_over_runs: mean, with the interval over seeds or draws.
        f1: mean macro-averaged F1.
        calibration_error: mean expected calibration error, 15 bins of equal width.
        parameters: mean of its size.
        counted: in units of what.
        chosen: settings chosen on the validation rows, by draw.
        training_seconds: mean.
        sentences_per_second: mean.
        difference: hybrid minus this model, paired over test rows; None for the hybrid model itself.
        p_holm: p-value of `difference`, adjusted for the number of rivals.
        difference_over_runs: hybrid minus this model, paired over seeds or draws.
    """

    model: str
    runs: int
    accuracy: Estimate
    accuracy_over_runs: Estimate
    f1: float
    calibration_error: float
    parameters: float
    counted: str
    chosen: tuple[str, ...]
    training_seconds: float
    sentences_per_second: float
    difference: Estimate | None = None
    p_holm: float | None = None
    difference_over_runs: PairedRuns | None = None


@dataclass(frozen=True)
class Comparison:
    """All models of a comparison, the hybrid one first.

    Args:
        standings: one a model.
        unit: what runs differ in: the seed, or the draw of the training rows.
        n_test: number of test rows.
        rows: SHA-256 of each split and of its embeddings by draw, the same for every model.
    """

    standings: tuple[Standing, ...]
    unit: Literal["seeds", "draws"]
    n_test: int
    rows: dict[int, dict[str, str]]


def compare(outcomes: Sequence[Outcome]) -> Comparison:
    """Figures and tests of all models.

    Raises:
        RunError: when models were trained or tested on other rows.
    """
    rows = check_rows(outcomes)
    names = list(dict.fromkeys(outcome.record.model for outcome in outcomes))
    groups = {name: [outcome for outcome in outcomes if outcome.record.model == name] for name in names}
    unit: Literal["seeds", "draws"] = "draws" if len(rows) > 1 else "seeds"
    hybrid = groups[HYBRID]
    standings = [_standing(group, unit) for group in groups.values()]
    differences = [paired_over_examples(_share_right(groups[s.model]), _share_right(hybrid)) for s in standings[1:]]
    adjusted = holm([1.0 if difference.p is None else difference.p for difference in differences])
    rivals = [
        replace(
            standing, difference=difference, p_holm=p, difference_over_runs=_pairs(hybrid, groups[standing.model], unit)
        )
        for standing, difference, p in zip(standings[1:], differences, adjusted, strict=True)
    ]
    return Comparison((standings[0], *rivals), unit, len(hybrid[0].labels), rows)


def check_rows(outcomes: Sequence[Outcome]) -> dict[int, dict[str, str]]:
    """SHA-256 of each split by draw, after comparing those of all models.

    Raises:
        RunError: naming the first model whose rows are others, or for draws that are none.
    """
    known: dict[int, dict[str, str]] = {}
    first = outcomes[0]
    for outcome in outcomes:
        record = outcome.record
        rows = known.setdefault(record.draw, record.rows)
        for split, digest in record.rows.items():
            if digest != rows[split]:
                raise RunError(
                    f"{record.model} (draw {record.draw}, seed {record.seed}) saw other {split_title(split)} than "
                    f"{first.record.model}: the data has changed since. Remove the folder, or give another --name"
                )
    check_draws(known)
    return known


def check_draws(rows: Mapping[int, Mapping[str, str]]) -> None:
    """Refuse draws that share their training rows, or do not share their test rows.

    Args:
        rows: SHA-256 of each split by draw.

    Raises:
        RunError: saying what to change.
    """
    if len({own["test"] for own in rows.values()}) > 1:
        raise RunError(
            "draws have different test rows, so that predictions form no pairs. Leave data.limit_test and data.folds "
            "out: they draw test rows by data.seed"
        )
    if len({own["train"] for own in rows.values()}) < len(rows):
        raise RunError(
            "draws have the same training rows, so they are no draws. Give --data.samples_per_class, or leave --draws "
            "out"
        )


def _standing(group: Sequence[Outcome], unit: str) -> Standing:
    records = [outcome.record for outcome in group]
    return Standing(
        model=records[0].model,
        runs=len(group),
        accuracy=over_examples(_share_right(group)),
        accuracy_over_runs=over_runs(np.array(list(_by_unit(group, unit).values()))),
        f1=float(np.mean([_f1(outcome) for outcome in group])),
        calibration_error=float(np.mean([_calibration_error(outcome) for outcome in group])),
        parameters=float(np.mean([record.parameters for record in records])),
        counted=records[0].counted,
        chosen=tuple(dict.fromkeys(record.chosen for record in records if record.chosen)),
        training_seconds=float(np.mean([record.training_seconds for record in records])),
        sentences_per_second=float(np.mean([record.sentences_per_second for record in records])),
    )


def _pairs(hybrid: Sequence[Outcome], rival: Sequence[Outcome], unit: str) -> PairedRuns:
    ours, theirs = _by_unit(hybrid, unit), _by_unit(rival, unit)
    pairs = [(theirs.get(key, theirs.get(None)), value) for key, value in ours.items()]  # None: no seed changes it
    one, other = np.array(pairs, dtype=np.float64).T
    return paired_over_runs(one, other)


def _share_right(group: Sequence[Outcome]) -> Array:
    """Of each test row the share of runs that have it right."""
    share: Array = np.mean([outcome.correct for outcome in group], axis=0)
    return share


def _by_unit(group: Sequence[Outcome], unit: str) -> dict[int | None, float]:
    """Accuracy by seed, or by draw averaged over seeds."""
    keys = [outcome.record.draw if unit == "draws" else outcome.record.seed for outcome in group]
    return {
        key: float(np.mean([outcome.correct.mean() for outcome, own in zip(group, keys, strict=True) if own == key]))
        for key in dict.fromkeys(keys)
    }


def _f1(outcome: Outcome) -> float:
    n_classes = outcome.probabilities.shape[1]
    predicted, labels = torch.from_numpy(outcome.predicted), torch.from_numpy(outcome.labels)
    return float(multiclass_f1_score(predicted, labels, n_classes, average="macro"))


def _calibration_error(outcome: Outcome) -> float:
    probabilities, labels = torch.from_numpy(outcome.probabilities), torch.from_numpy(outcome.labels)
    return float(multiclass_calibration_error(probabilities, labels, probabilities.shape[1], n_bins=_BINS))
