"""The folder of a study: its design, and of every trial what became of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.errors import RunError
from hqlm.files import write_text
from hqlm.studies.designs import Trial

if TYPE_CHECKING:
    import pandas

STUDY: Final = "study.yaml"
DESIGN: Final = "design.csv"
RECORD: Final = "trial.json"
_ABOUT: Final = ("order", "trial", "kind", "block", "replicate", "seed")  # columns before those of the factors

DONE: Final = "done"
FAILED: Final = "failed"
RUNNING: Final = "running"


def trial_folder(study: Path, key: str) -> Path:
    """Where the run of a trial lies."""
    return study / "trials" / key


def read_record(folder: Path) -> dict[str, Any]:
    """`trial.json` of a trial; empty where it has not begun.

    Raises:
        RunError: when it cannot be read.
    """
    path = folder / RECORD
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        raise RunError(f"cannot read {path} ({err}). Remove its folder: the trial is run again") from err
    return found


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `trial.json`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")


def write_design(study: Path, trials: Sequence[tuple[Trial, str]]) -> None:
    """Write `design.csv`: a row a trial with the key of its folder, in run order; values of factors are JSON."""
    factors = sorted({name for trial, _ in trials for name, _ in trial.overrides})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_ABOUT, *factors])
    for order, (trial, key) in enumerate(trials):
        values = dict(trial.overrides)
        about = [order, key, trial.kind, trial.block, trial.replicate, trial.seed]
        writer.writerow([*about, *(json.dumps(values[name]) if name in values else "" for name in factors)])
    write_text(study / DESIGN, text.getvalue())


def read_results(study: str | Path) -> pandas.DataFrame:
    """The trials of a study: a row each in run order, as in `design.csv`, with what was measured.

    Columns: those of `design.csv`, the values of factors read from their JSON (None where a trial leaves the experiment
    as it is); `status` (`done`, `failed`, `running`, or `waiting`), `error`, `seconds`; then the figures, NaN where a
    trial is not done: `test/acc`, `test/loss`, `test/f1`, `val/acc`, `parameters`, `training_seconds`, `step_seconds`.

    Raises:
        RunError: when the folder holds no study, or a file there cannot be read.
    """
    import pandas

    study = Path(study)
    path = study / DESIGN
    if not path.is_file():
        raise RunError(f"{study} holds no study: there is no {DESIGN}. `hqlm study run --config FILE` makes one")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_read_row(row) for row in csv.DictReader(file)]
    factors = [name for name in rows[0] if name not in _ABOUT] if rows else []
    for row in rows:
        record = read_record(trial_folder(study, row["trial"]))
        row["status"] = record.get("status", "waiting")
        row["error"] = record.get("error")
        row["seconds"] = record.get("seconds")
        row |= record.get("metrics", {}) if row["status"] == DONE else {}
    results = pandas.DataFrame(rows)
    for name in factors:
        if any(row[name] is None for row in rows):  # among numbers pandas makes it NaN, which equals no level
            results[name] = pandas.Series([row[name] for row in rows], dtype=object)
    return results


def _read_row(row: dict[str, str]) -> dict[str, Any]:
    numbers = {key: int(row[key]) for key in ("order", "block", "replicate", "seed")}
    factors = {key: json.loads(value) if value else None for key, value in row.items() if key not in _ABOUT}
    return {**row, **numbers, **factors}
