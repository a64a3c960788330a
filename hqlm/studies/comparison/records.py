"""What one trained and tested model of a comparison leaves behind: figures, and predictions row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.data.predictions import write_table
from hqlm.errors import RunError
from hqlm.files import write_text
from hqlm.studies.comparison.rows import Rows
from hqlm.studies.store import NOTHING, NUMBER, TEXT, Types, read_json
from hqlm.tasks import SingleLabel

Array = NDArray[np.float64]

RECORD: Final = "result.json"
PREDICTIONS: Final = "predictions.tsv"
_FIELDS: Final[dict[str, Types]] = {
    "model": TEXT, "draw": (int,), "seed": (int, *NOTHING), "parameters": (int,), "counted": TEXT, "chosen": TEXT,
    "val_acc": NUMBER, "training_seconds": NUMBER, "sentences_per_second": NUMBER, "rows": (dict,),
}  # fmt: skip
_ABOUT: Final = ("model", "draw", "seed", "row")  # columns before those of a model's own predictions


@dataclass(frozen=True)
class Record:
    """One model of a comparison, trained once.

    Args:
        model: `hybrid` or the name of a rival.
        draw: number of the draw of the training rows.
        seed: of initial values and order; None where none matters.
        parameters: how large the model is.
        counted: in units of what.
        chosen: what was chosen on the validation rows beside the epoch, for example `C=10`.
        val_acc: share of right validation rows.
        training_seconds: of the chosen setting, embedding left out.
        sentences_per_second: classified by the head from embeddings, a batch at a time, on the CPU.
        rows: SHA-256 of texts and class numbers of each split, and of its embeddings.
    """

    model: str
    draw: int
    seed: int | None
    parameters: int
    counted: str
    chosen: str
    val_acc: float
    training_seconds: float
    sentences_per_second: float
    rows: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """A record with what the model said of every test row.

    Args:
        record: the figures.
        labels: class numbers `(rows,)`.
        predicted: likewise.
        probabilities: of each class `(rows, n_classes)`.
    """

    record: Record
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: Array

    @property
    def correct(self) -> Array:
        """1 where the prediction is right, else 0."""
        right: Array = (self.labels == self.predicted).astype(np.float64)
        return right


def write_outcome(folder: Path, record: Record, class_names: Sequence[str], test: Rows, outputs: Tensor) -> None:
    """Write `predictions.tsv`, then `result.json`, which says that all is there."""
    task = SingleLabel()
    rows = task.table(test.texts, torch.from_numpy(test.labels), outputs, class_names)
    write_table(folder / PREDICTIONS, task.header(class_names), rows)
    write_text(folder / RECORD, json.dumps(asdict(record), indent=2) + "\n")


def read_outcome(folder: Path) -> Outcome:
    """What `write_outcome` wrote.

    Raises:
        RunError: when it is not there or cannot be read.
    """
    fix = f"Remove {RECORD} there: the model is tested again"
    given = read_json(folder / RECORD, _FIELDS, fix)
    try:
        record = Record(**given)
        if not all(isinstance(value, str) for value in record.rows.values()) or not {"train", "val", "test"} <= {
            *record.rows
        }:
            raise ValueError("rows has no hash of each split")
        header, rows = _read(folder)
        names = [name.removeprefix("p_") for name in header[3:]]
        places = {name: number for number, name in enumerate(names)}
        return Outcome(
            record,
            np.array([places[row[1]] for row in rows]),
            np.array([places[row[2]] for row in rows]),
            np.array([[float(value) for value in row[3:]] for row in rows]),
        )
    except (OSError, ValueError, LookupError, TypeError) as err:
        raise RunError(
            f"cannot read {RECORD} and {PREDICTIONS} in {folder} ({type(err).__name__}: {err}). {fix}"
        ) from err


def write_all_predictions(path: Path, folders: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    """One table of the predictions of all models: model, draw, seed and row, then the columns of each."""
    table, header = [], [""]
    for folder, outcome in zip(folders, outcomes, strict=True):
        header, rows = _read(folder)
        record = outcome.record
        seed = "" if record.seed is None else str(record.seed)
        table += [
            [record.model, str(record.draw), seed, str(place), *row[1:]] for place, row in enumerate(rows, start=1)
        ]
    write_table(path, [*_ABOUT, *header[1:]], table)


def _read(folder: Path) -> tuple[list[str], list[list[str]]]:
    with (folder / PREDICTIONS).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return header, rows
