"""Results of one trained and tested model of a comparison, row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hqlm.config.sources import Config
from hqlm.data.predictions import write_table
from hqlm.errors import RunError
from hqlm.experiment import Experiment
from hqlm.heads.solved import SolvedModule
from hqlm.models import TextModel
from hqlm.models.reading import read_checkpoint
from hqlm.models.restoring import restored
from hqlm.run import PREDICTIONS, TEST, Run
from hqlm.studies.trial import SPEED

Array = NDArray[np.float64]

_ABOUT: Final = ("model", "draw", "seed", "row")  # columns before those of a model's own predictions


@dataclass(frozen=True)
class Outcome:
    """A trained model and its predictions of all test rows.

    Args:
        model: name of its head.
        draw: index of the draw of the training rows.
        seed: of initial values and order; None where no seed changes it.
        labels: class numbers `(rows,)`.
        predicted: class numbers `(rows,)`.
        probabilities: of each class `(rows, n_classes)`.
        parameters: size of the head.
        counted: unit of the size.
        chosen: what was chosen on the validation rows beside the epoch, for example `C=10`.
        training_seconds: of the chosen setting, embedding left out.
        sentences_per_second: rows that the test takes for a second of processor time, from embeddings.
    """

    model: str
    draw: int
    seed: int | None
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: Array
    parameters: int = 0
    counted: str = "trainable"
    chosen: str = ""
    training_seconds: float = 0.0
    sentences_per_second: float = 0.0

    @property
    def correct(self) -> Array:
        """1 where the prediction is right, else 0."""
        right: Array = (self.labels == self.predicted).astype(np.float64)
        return right


def read_outcome(
    folder: Path, config: Config, name: str, draw: int, seed: int | None, lr: float | None, metrics: Mapping[str, float]
) -> Outcome:
    """Return the outcome of a trial from its run.

    Args:
        folder: of the trial.
        config: its resolved configuration, which the user gave.
        name: of the head.
        draw: index of the draw.
        seed: of the trial; None where no seed changes it.
        lr: learning rate that was chosen; None where there was no choice.
        metrics: figures of the trial.

    Raises:
        RunError: when predictions are missing or damaged.
    """
    head = _load_model(folder, config).head
    chosen = "" if lr is None else f"lr={lr:g}"
    if isinstance(head, SolvedModule):
        chosen = f"C={float(head.strength):g}"
    size, counted = head.size()
    header, rows = read_predictions(folder)
    names = {name.removeprefix("p_"): number for number, name in enumerate(header[3:])}
    try:
        labels = np.array([names[row[1]] for row in rows])
        predicted = np.array([names[row[2]] for row in rows])
        probabilities = np.array([[float(value) for value in row[3:]] for row in rows])
    except (LookupError, ValueError) as err:
        raise RunError(
            f"{folder / TEST / PREDICTIONS} is damaged ({type(err).__name__}: {err}). Remove the folder {folder}: the "
            "model is trained again"
        ) from err
    seconds, speed = metrics["training_seconds"], metrics[SPEED]
    return Outcome(name, draw, seed, labels, predicted, probabilities, size, counted, chosen, seconds, speed)


def _load_model(folder: Path, config: Config) -> TextModel:
    """Return the best checkpoint of a trial, with the settings of its configuration, which are the user's own."""
    run = Run(folder)
    checkpoint = read_checkpoint(run.checkpoint)
    learned = {name: checkpoint["hyper_parameters"].get(name) for name in ("class_names", "embedding_dim")}
    settings = {**Experiment.from_config(config).model.hparams, **learned}
    model = restored({**checkpoint, "hyper_parameters": settings}, run.checkpoint, run.files["body"])
    assert isinstance(model, TextModel)
    return model


def read_predictions(folder: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of `test/predictions.tsv` of a trial.

    Raises:
        RunError: when it cannot be read.
    """
    path = folder / TEST / PREDICTIONS
    try:
        text = path.read_text(encoding="utf-8")
        header, *rows = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    except (OSError, ValueError, csv.Error) as err:
        raise RunError(f"cannot read {path} ({err}). Remove the folder {folder}: the model is trained again") from err
    return header, rows


def write_all_predictions(path: Path, folders: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    """Write one table of the predictions of all models: model, draw, seed and row, then the columns of each."""
    table, header = [], [""]
    for folder, outcome in zip(folders, outcomes, strict=True):
        header, rows = read_predictions(folder)
        seed = "" if outcome.seed is None else str(outcome.seed)
        table += [
            [outcome.model, str(outcome.draw), seed, str(index), *row[1:]] for index, row in enumerate(rows, start=1)
        ]
    write_table(path, [*_ABOUT, *header[1:]], table)
