"""Figures of each model of a comparison on its own, and of each baseline in pairs with the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score

from hqlm.studies.comparison.outcomes import Outcome
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
Unit = Literal["seeds", "draws"]

_BINS: Final = 15


@dataclass(frozen=True)
class ModelSummary:
    """One model over all its runs.

    Args:
        model: name of its head.
        runs: number of runs.
        accuracy: mean, with the interval over test rows.
        accuracy_over_runs: mean, with the interval over seeds or draws.
        f1: mean macro-averaged F1.
        calibration_error: mean expected calibration error, 15 bins of equal width.
        parameters: mean size of the head.
        counted: unit of the size.
        chosen: settings chosen on the validation rows, by draw.
        training_seconds: mean.
        sentences_per_second: mean.
        difference: reference minus this model, paired over test rows; None for the reference itself.
        p_holm: p-value of `difference`, adjusted for the number of baselines.
        difference_over_runs: reference minus this model, paired over seeds or draws.
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


def summarise(outcomes: Sequence[Outcome], unit: Unit) -> tuple[ModelSummary, ...]:
    """Return figures and tests of all models, the reference first.

    Args:
        outcomes: of all models on the same test rows; the first is the reference's.
        unit: in what runs of a model differ.
    """
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.model, []).append(outcome)
    summaries = [_summarise(group, unit) for group in groups.values()]
    reference = groups[summaries[0].model]
    differences = [
        paired_over_examples(_share_right(groups[each.model]), _share_right(reference)) for each in summaries[1:]
    ]
    adjusted = holm([1.0 if difference.p is None else difference.p for difference in differences])
    baselines = [
        replace(
            each,
            difference=difference,
            p_holm=p,
            difference_over_runs=_pairs(reference, groups[each.model], unit),
        )
        for each, difference, p in zip(summaries[1:], differences, adjusted, strict=True)
    ]
    return (summaries[0], *baselines)


def _summarise(group: Sequence[Outcome], unit: Unit) -> ModelSummary:
    return ModelSummary(
        model=group[0].model,
        runs=len(group),
        accuracy=over_examples(_share_right(group)),
        accuracy_over_runs=over_runs(np.array(list(_by_unit(group, unit).values()))),
        f1=float(np.mean([_f1(outcome) for outcome in group])),
        calibration_error=float(np.mean([_calibration_error(outcome) for outcome in group])),
        parameters=float(np.mean([outcome.parameters for outcome in group])),
        counted=group[0].counted,
        chosen=tuple(dict.fromkeys(outcome.chosen for outcome in group if outcome.chosen)),
        training_seconds=float(np.mean([outcome.training_seconds for outcome in group])),
        sentences_per_second=float(np.mean([outcome.sentences_per_second for outcome in group])),
    )


def _pairs(reference: Sequence[Outcome], baseline: Sequence[Outcome], unit: Unit) -> PairedRuns:
    ours, theirs = _by_unit(reference, unit), _by_unit(baseline, unit)
    keys = ours if None not in ours else theirs  # None: no seed changes it
    pairs = [(theirs.get(key, theirs.get(None)), ours.get(key, ours.get(None))) for key in keys]
    one, other = np.array(pairs, dtype=np.float64).T
    return paired_over_runs(one, other)


def _share_right(group: Sequence[Outcome]) -> Array:
    """For each test row, return the fraction of runs that classify it correctly."""
    share: Array = np.mean([outcome.correct for outcome in group], axis=0)
    return share


def _by_unit(group: Sequence[Outcome], unit: Unit) -> dict[int | None, float]:
    """Return the accuracy by seed, or by draw averaged over seeds."""
    keys = [outcome.draw if unit == "draws" else outcome.seed for outcome in group]
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
