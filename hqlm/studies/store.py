"""The folder of a study: its design, and of every trial what became of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from hqlm.errors import ConfigError, MissingDependency, RunError
from hqlm.files import parse_json, write_text
from hqlm.registry import suggestion
from hqlm.studies.designs import Trial
from hqlm.studies.designs.base import Kind

if TYPE_CHECKING:
    import pandas

STUDIES: Final = Path("studies")  # where studies and comparisons lie, below the working directory
STUDY: Final = "study.yaml"
COMPARISON: Final = "compare.yaml"
DESIGN: Final = "design.csv"
RECORD: Final = "trial.json"
_ABOUT: Final = ("order", "trial", "kind", "block", "replicate", "seed")  # columns before those of the factors

Types = tuple[type, ...]
TEXT: Final[Types] = (str,)
NUMBER: Final[Types] = (int, float)
NOTHING: Final[Types] = (type(None),)
_RECORD_FIELDS: Final[dict[str, Types]] = {
    "status": TEXT, "error": TEXT + NOTHING, "metrics": (dict,), "seconds": NUMBER + NOTHING, "ended": NUMBER,
    "overrides": (dict,), "seed": (int,), "code_version": TEXT, "versions": (dict,),
}  # fmt: skip

DONE: Final = "done"
FAILED: Final = "failed"
RUNNING: Final = "running"


def trial_folder(study: Path, key: str) -> Path:
    """Return where the run of a trial lies."""
    return study / "trials" / key


def read_record(folder: Path) -> dict[str, Any]:
    """`trial.json` of a trial; empty where it has not begun.

    Raises:
        RunError: when it cannot be read, or does not say what `write_record` wrote.
    """
    if not (folder / RECORD).exists():
        return {}
    fix = f"Remove the folder {folder}: the trial is run again"
    found = read_json(folder / RECORD, _RECORD_FIELDS, fix)
    status = found.get("status")
    needed = {DONE: "metrics", FAILED: "error"}.get(str(status), "status")
    if status not in (DONE, FAILED, RUNNING) or found.get(needed) is None:
        raise RunError(f"{folder / RECORD} is damaged: status is {status!s:.40} without {needed}. {fix}")
    for name, value in found.get("metrics", {}).items():
        if value is not None and not _is_number(value):
            raise RunError(f"{folder / RECORD} is damaged: the figure {name:.40} is {value!s:.40}. {fix}")
    return found


def read_json(path: Path, fields: Mapping[str, Types], fix: str) -> dict[str, Any]:
    """Return what a JSON file of ours holds, whose known fields have the types they were written with.

    Args:
        path: the file.
        fields: their types; a field may be missing.
        fix: what the user can do about a damaged file.

    Raises:
        RunError: for a file that is missing, unreadable, no JSON mapping, or has other types.
    """
    try:
        found = parse_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError) as err:  # a DocumentError is a ValueError too
        raise RunError(f"cannot read {path} ({err}). {fix}") from err
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged: it holds no mapping. {fix}")
    for name, types in fields.items():
        value = found.get(name)
        if name in found and (not isinstance(value, types) or isinstance(value, bool)):  # a bool is an int to Python
            raise RunError(f"{path} is damaged: {name} is {value!s:.40}. {fix}")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
    """Return the trials of a study: a row each in run order, as in `design.csv`, with what was measured.

    Columns: those of `design.csv`, the values of factors read from their JSON (None where a trial leaves the experiment
    as it is); `status` (`done`, `failed`, `running`, or `waiting`), `error`, `seconds`; then the figures, NaN where a
    trial is not done: `test/acc`, `test/loss`, `test/f1`, `val/acc`, `parameters`, `training_seconds`, `step_seconds`,
    `sentences_per_second`.

    Raises:
        MissingDependency: without pandas.
        RunError: when the folder holds no study, or a file there cannot be read.
    """
    try:
        import pandas
    except ImportError as err:
        raise MissingDependency("a table of results needs pandas: pip install 'hqlm[study]'") from err
    study = Path(study)
    path = study / DESIGN
    if not path.is_file():
        raise RunError(f"{study} holds no study: there is no {DESIGN}. `hqlm study run --config FILE` makes one")
    rows = _read_design(path)
    factors = [name for name in rows[0] if name not in _ABOUT]
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


def _read_design(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [_read_row(row) for row in csv.DictReader(file, strict=True)]
        if not rows:
            raise ValueError("it lists no trial")
        if len({row["order"] for row in rows}) < len(rows):
            raise ValueError("two trials have the same order")
    except (OSError, ValueError, csv.Error) as err:
        raise RunError(
            f"{path} is damaged ({' '.join(str(err).split())[:200]}). `hqlm study run --config {path.parent / STUDY}` "
            "writes it again"
        ) from err
    return rows


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in _ABOUT if row.get(name) is None]
    if missing or None in row or None in row.values():
        raise ValueError(f"a row has no {missing[0]}" if missing else "a row has too many or too few cells")
    if not re.fullmatch(r"\w+", row["trial"]):  # it names a folder
        raise ValueError(f"{row['trial']:.40} names no trial")
    if row["kind"] not in get_args(Kind):
        raise ValueError(f"the kind of a trial is {row['kind']:.40}")
    numbers = {key: _read_number(row[key], key) for key in ("order", "block", "replicate", "seed")}
    factors = {key: parse_json(value, key) if value else None for key, value in row.items() if key not in _ABOUT}
    return {**row, **numbers, **factors}


def _read_number(text: str, key: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"{key} is {text:.40}")
    return int(text)


def check_response(response: str, measured: Collection[str]) -> None:
    """Refuse a response that a trial does not have; what trials measure is known only once one has run.

    Raises:
        ConfigError: naming the figures of the trial.
    """
    if response not in measured:
        raise ConfigError(f"response: no trial has '{response}'. {suggestion(response, list(measured))}")
