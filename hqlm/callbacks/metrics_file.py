"""The metrics of a run in one CSV file, continued when the run is."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from hqlm.files import append_text, write_text

_STEP = "step"


class MetricsFile(Logger):
    """`metrics.csv`: a row for every logged step and for every validation, a column for every metric.

    Args:
        path: of the file, in the folder of the run.
        resumed_at: step of the checkpoint that a run is continued from; rows of later steps, which will be run
            again, are dropped.
    """

    def __init__(self, path: Path, resumed_at: int | None = None) -> None:
        super().__init__()
        self.folder = path.parent
        self.path = path
        self._rows: list[dict[str, Any]] = []
        self._appends = False  # to a file that holds these rows and no others
        if resumed_at is not None and self.path.is_file():
            with self.path.open(encoding="utf-8", newline="") as file:
                rows = [row for row in csv.DictReader(file) if None not in row.values()]  # a killed writer's last
            self._rows = [row for row in rows if int(row[_STEP]) < resumed_at]

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def version(self) -> str:
        """A run has one version only."""
        return ""

    @property
    def save_dir(self) -> str:
        """Folder of the run."""
        return str(self.folder)

    @property
    def rows(self) -> list[tuple[int, dict[str, float]]]:
        """The step and the metrics of every row so far."""
        return [
            (int(row[_STEP]), {name: float(value) for name, value in row.items() if name != _STEP and value != ""})
            for row in self._rows
        ]

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row; the file is written anew when it has a new column."""
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
