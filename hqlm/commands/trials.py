"""The runs of a comparison: each an ordinary run in a folder of its own, trained once and tested once."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import torch
from lightning.pytorch import seed_everything
from torch import Tensor

from hqlm.config.sources import Config
from hqlm.data import Split
from hqlm.errors import ConfigError, RunError
from hqlm.experiment import Experiment
from hqlm.files import write_text
from hqlm.models import TextModel
from hqlm.models.reading import read_checkpoint
from hqlm.models.recipes import to_primitives
from hqlm.models.restoring import restored
from hqlm.run import SUMMARY, Run, hold_run
from hqlm.studies.comparison.compare import HYBRID
from hqlm.studies.comparison.records import RECORD, Record, read_outcome, write_outcome
from hqlm.studies.comparison.rivals import HEADS, Fitted, trained_head
from hqlm.studies.comparison.rows import Rows, check_classes, read_rows, split_title
from hqlm.studies.store import NOTHING, NUMBER, read_json

_ROWS: Final = "rows.json"
_BATCH: Final = 32  # of a data set that has no batch size
Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Trial:
    """One training run.

    Args:
        model: `hybrid` or the name of a rival.
        draw: number of the draw of the training rows.
        seed: of initial values and order; None for a rival that has none.
        lr: learning rate of a rival head.
    """

    model: str
    draw: int
    seed: int | None = None
    lr: float | None = None

    @property
    def folder(self) -> Path:
        """Where it lies in the folder of the comparison."""
        settings = {"draw": self.draw, "seed": self.seed, "lr": self.lr}
        return Path(self.model) / "-".join(f"{key}{value}" for key, value in settings.items() if value is not None)


@dataclass(frozen=True)
class Draw:
    """The rows of one draw, the same for every model."""

    class_names: tuple[str, ...]
    train: Rows
    val: Rows
    test: Rows

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each split and of its embeddings."""
        return self.train.hashes("train") | self.val.hashes("val") | self.test.hashes("test")


class Workshop:
    """Trains and tests trials below one folder; what is finished there is not done again.

    Args:
        folder: of the comparison.
        config: resolved configuration of the hybrid model.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = config
        self.draw = lru_cache(maxsize=1)(self._draw)

    def is_trained(self, trial: Trial) -> bool:
        """Whether a head of torch is trained."""
        return Run.at(self.folder / trial.folder).files["summary"].is_file()

    def is_tested(self, trial: Trial) -> bool:
        """Whether the predictions of a trial are written."""
        return (self.folder / trial.folder / RECORD).is_file()

    def summary(self, trial: Trial) -> dict[str, Any]:
        """What a training run that is finished says of itself.

        Raises:
            ConfigError: when it was not validated, so that no epoch could be chosen.
        """
        found = _summary(self.folder / trial.folder)
        if found["val_acc"] is None:
            raise ConfigError(
                f"{trial.folder} was never validated, so no epoch can be chosen: let trainer.limit_val_batches and "
                "trainer.check_val_every_n_epoch validate"
            )
        return found

    def check_rows(self, number: int) -> dict[str, str]:
        """SHA-256 of each split of a draw, after comparing those that runs from before saw.

        Raises:
            RunError: naming the first run that saw other rows.
        """
        hashes = self.draw(number).hashes
        for folder in sorted(self.folder.glob("*/draw*")):
            if folder.name.split("-")[0] != f"draw{number}":
                continue
            changed = [split for split, digest in _seen(folder).items() if digest != hashes.get(split)]
            if changed:
                raise RunError(
                    f"{folder.relative_to(self.folder)} saw other {split_title(changed[0])}: the data has changed "
                    f"since. Give another --name, or remove {self.folder}"
                )
        return hashes

    def train(self, trial: Trial) -> None:
        """Train a head of torch, from its last finished epoch where it was interrupted.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
        """
        folder = self.folder / trial.folder
        experiment = self._experiment(trial)
        rows = _read(experiment, "train").hashes("train") | _read(experiment, "val").hashes("val")
        with hold_run(folder):
            write_text(folder / _ROWS, json.dumps(rows, indent=2) + "\n")
            experiment.fit_or_resume(folder)

    def test(self, trial: Trial) -> None:
        """Predict the test rows with the best checkpoint of a head of torch."""
        folder, draw, summary = self.folder / trial.folder, self.draw(trial.draw), self.summary(trial)
        seed_everything(trial.seed, verbose=False)
        model = self._best(trial)
        outputs, speed = self._predict(model, draw.test)
        rows = _rows(folder) | draw.test.hashes("test")
        chosen = "" if trial.lr is None else f"lr={trial.lr:g}"
        record = Record(
            trial.model, trial.draw, trial.seed, _head_parameters(model.parameter_counts()), "trainable", chosen,
            summary["val_acc"], summary["training_seconds"], speed, rows,
        )  # fmt: skip
        write_outcome(folder, record, model.class_names or (), draw.test, outputs)

    def _best(self, trial: Trial) -> TextModel:
        """The best checkpoint of a head of torch, with the settings of the comparison, which are the user's own."""
        run = Run(self.folder / trial.folder)
        file = run.checkpoint
        checkpoint = read_checkpoint(file)
        learned = {name: checkpoint["hyper_parameters"].get(name) for name in ("class_names", "embedding_dim")}
        settings = {**self._experiment(trial).model.hparams, **learned}
        return cast(TextModel, restored({**checkpoint, "hyper_parameters": settings}, file, run.files["body"]))

    def test_classifier(self, trial: Trial, fitted: Fitted) -> None:
        """Predict the test rows with a head that was solved in one step."""
        draw, head = self.draw(trial.draw), fitted.head
        outputs, speed = self._predict(head, draw.test)
        record = Record(
            trial.model, trial.draw, None, *head.size(), f"C={float(head.strength):g}", fitted.val_acc, fitted.seconds,
            speed, draw.hashes,
        )  # fmt: skip
        write_outcome(self.folder / trial.folder, record, draw.class_names, draw.test, outputs)

    def _draw(self, number: int) -> Draw:
        experiment = self._experiment(Trial(HYBRID, number, 0))
        train_rows, val, test = (_read(experiment, split) for split in ("train", "val", "test"))
        assert experiment.data is not None
        check_classes(train_rows, experiment.data.class_names, f"draw {number}")
        return Draw(experiment.data.class_names, train_rows, val, test)

    def _experiment(self, trial: Trial) -> Experiment:
        """Model and data of a trial, as `hqlm fit` makes them."""
        config = copy.deepcopy(self.config)
        config["seed_everything"] = trial.seed
        if trial.draw:
            config["data"]["init_args"]["seed"] += trial.draw
        if trial.model in HEADS:
            head = trained_head(trial.model, self._hybrid_parameters(trial.draw))
            optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": trial.lr}}
            config["model"]["init_args"] |= {"head": to_primitives(head, "head"), "optimizer": optimizer}
        return Experiment.from_config(config)

    def _hybrid_parameters(self, draw: int) -> int:
        """Trainable parameters of the hybrid model, which was trained before its rivals."""
        trained = sorted((self.folder / HYBRID).glob(f"draw{draw}-*/{SUMMARY}"))
        counts = _summary(trained[0].parent)["parameters"]
        return _head_parameters(counts)

    def _predict(self, predict: Predict, rows: Rows) -> tuple[Tensor, float]:
        """Outputs of rows in float64, and rows a second once the first batch has warmed everything up."""
        size = int(self.config["data"]["init_args"].get("batch_size", _BATCH))
        embeddings = torch.from_numpy(rows.embeddings)
        found, marks = [], [time.perf_counter()]
        with torch.no_grad():
            for batch in torch.split(embeddings, size):
                found.append(predict(batch))
                marks.append(time.perf_counter())
        skipped = 1 if len(found) > 1 else 0
        speed = sum(map(len, found[skipped:])) / (marks[-1] - marks[skipped])
        return torch.cat(found).double(), speed


def _seen(folder: Path) -> dict[str, str]:
    """SHA-256 of the splits that a run has read so far."""
    if (folder / RECORD).is_file():
        return read_outcome(folder).record.rows
    return _rows(folder) if (folder / _ROWS).is_file() else {}


def _rows(folder: Path) -> dict[str, str]:
    """Return what `rows.json` of a training run holds."""
    found: dict[str, str] = read_json(folder / _ROWS, {}, _again(folder))
    if not all(isinstance(digest, str) for digest in found.values()):
        raise RunError(f"{folder / _ROWS} is damaged: it holds other things than hashes. {_again(folder)}")
    return found


def _summary(folder: Path) -> dict[str, Any]:
    """Return what `summary.json` of a training run that is finished holds."""
    path = Run.at(folder).files["summary"]
    found = read_json(
        path, {"val_acc": NUMBER + NOTHING, "training_seconds": NUMBER, "parameters": (dict,)}, _again(folder)
    )
    counts = found.get("parameters", {})
    if not {"val_acc", "training_seconds"} <= {*found} or not all(
        isinstance(counts.get(kind), int) for kind in ("quantum", "classical")
    ):
        raise RunError(f"{path} is damaged: it lacks figures of the training. {_again(folder)}")
    return found


def _again(folder: Path) -> str:
    return f"Remove the folder {folder}: the model is trained again"


def _head_parameters(counts: Mapping[str, int]) -> int:
    return counts["quantum"] + counts["classical"]  # a tuned text encoder is the same under every head


def _read(experiment: Experiment, split: Split) -> Rows:
    data, model = experiment.data, experiment.model
    assert data is not None
    assert isinstance(model, TextModel)
    data.prepare_data()
    data.setup("fit")
    model.tune(data)
    data.setup("test")
    return read_rows(data, model, split)
