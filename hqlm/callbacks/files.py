"""The files of a run: its configuration, its metrics, and the results of an evaluation."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jsonargparse import get_loader
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from hqlm.algorithms import QAOA
from hqlm.callbacks.stages import BeforeBatches
from hqlm.data.predictions import write_table
from hqlm.files import append_text, write_text
from hqlm.models import TextModel

_STEP: Final = "step"


class ConfigFile(BeforeBatches):
    """Writes `config.yaml`, with which a run can be repeated, and passes the configuration to all loggers.

    Args:
        text: the configuration as YAML.
        path: path of the file.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.text = text
        self.path = path

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, on rank 0."""
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, self.text)
            for logger in trainer.loggers:
                logger.log_hyperparams(get_loader("yaml")(self.text))


class MetricsFile(Logger):
    """`metrics.csv`: one row for every logged step and every validation, one column for every metric.

    Args:
        path: path of the file, in the folder of the run.
        resumed_at: step of the checkpoint from which a run is resumed; rows of later steps, which will be run again,
            are dropped.
    """

    def __init__(self, path: Path, resumed_at: int | None = None) -> None:
        super().__init__()
        self.folder = path.parent
        self.path = path
        self._rows: list[dict[str, Any]] = []
        self._appends = False  # whether the file has exactly these rows, so that new ones are appended
        if resumed_at is not None and self.path.is_file():
            with self.path.open(encoding="utf-8", newline="") as file:
                # without the last row of a killed writer
                rows = [row for row in csv.DictReader(file) if None not in row.values()]
            self._rows = [row for row in rows if int(row[_STEP]) < resumed_at]

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def version(self) -> str:
        """Empty: a run has only one version."""
        return ""

    @property
    def save_dir(self) -> str:
        """Folder of the run."""
        return str(self.folder)

    @property
    def rows(self) -> list[tuple[int, dict[str, float]]]:
        """Step and metrics of every row so far."""
        return [
            (int(row[_STEP]), {name: float(value) for name, value in row.items() if name != _STEP and value != ""})
            for row in self._rows
        ]

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the hyperparameters are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row; the file is rewritten if it has a new column."""
        row: dict[str, Any] = {_STEP: step, **{name: float(value) for name, value in metrics.items()}}
        row["epoch"] = int(metrics.get("epoch", 0))
        known = self._columns()
        self._rows.append(row)
        if self._appends and set(row) <= set(known):
            append_text(self.path, self._csv([row], header=False))
        else:
            write_text(self.path, self._csv(self._rows, header=True))
            self._appends = True

    def _columns(self) -> list[str]:
        names = {name for row in self._rows for name in row}
        return ["epoch", _STEP, *sorted(names - {"epoch", _STEP})]

    def _csv(self, rows: list[dict[str, Any]], header: bool) -> str:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns(), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


class PredictionsFile(Callback):
    """`predictions.tsv`: text, label (empty where unknown), predicted class, and the probability of each class.

    It is written when a text model is validated, tested or used for prediction. Tabs and line ends within a text become
    spaces; nothing else is changed, since programs read the file. Import it as text into a spreadsheet, which would
    otherwise take a text that starts with `=` for a formula.

    Args:
        path: path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, model: LightningModule) -> None:
        if not isinstance(model, TextModel) or model.evaluation is None or not trainer.is_global_zero:
            return
        assert model.class_names is not None
        found, all_texts = model.evaluation, trainer.datamodule.texts(model.evaluation.split)  # type: ignore[attr-defined]
        texts = [all_texts[row] for row in found.index.tolist()]
        rows = model.task.table(texts, found.targets, found.outputs, model.class_names)
        write_table(self.path, model.task.header(model.class_names), rows)


class SolutionFile(Callback):
    """`solution.json`, when a `QAOA` is tested: the best bits, and the energies of `hqlm.algorithms.Solution`.

    Args:
        path: path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if isinstance(pl_module, QAOA) and trainer.is_global_zero:
            write_text(self.path, json.dumps(asdict(pl_module.solution()), indent=2) + "\n")
