"""One trial of a study, as a worker runs it: `hqlm fit` and `hqlm test` into a folder of its own."""

from __future__ import annotations

import platform
import time
import traceback
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hqlm.callbacks import InferenceSpeed, finish_open_run
from hqlm.config.sources import Config
from hqlm.errors import FolderInUse, user_mistake
from hqlm.experiment import Experiment
from hqlm.files import clear_folder, lock_folder
from hqlm.models import TextModel
from hqlm.notices import say_once
from hqlm.quiet import printed_to, quiet
from hqlm.run import TEST, Run, measure
from hqlm.studies.store import DONE, FAILED, RUNNING, read_record, write_record

LOG: Final = "log.txt"  # what the training of a trial prints, and the traceback of one that fails
_PACKAGES: Final = ("torch", "lightning", "numpy", "numba")
TIMES: Final = ("training_seconds", "step_seconds")
SPEED: Final = "sentences_per_second"  # of texts, in the test, by processor time
COUNTS: Final = ("parameters", "quantum_parameters")
Task = dict[str, Any]
Record = dict[str, Any]


def run_trial(task: Task) -> Record | None:
    """Run a trial unless it is finished; its record, or None when another process is at it.

    A trial that was interrupted goes on from its last finished epoch; one that failed starts anew, unless that was
    after `task["since"]`, that is in a process that runs at the same time.

    Args:
        task: `folder`, `config` (resolved), `record` (what `trial.json` shall say of it), `since` (seconds since the
            epoch).
    """
    folder = Path(task["folder"])
    try:
        with lock_folder(folder):
            return _settled(folder, task["since"]) or _run(folder, task["config"], task["record"])
    except FolderInUse:
        return None


def wait_for_other(task: Task) -> Record | None:
    """Wait until no other process is at a trial; its record, or None when it is still to be run."""
    folder = Path(task["folder"])
    with lock_folder(folder, wait=True):
        return _settled(folder, task["since"])


def record_death(task: Task, error: str) -> Record | None:
    """Record that the worker of a trial died; None when another process is at it already."""
    folder = Path(task["folder"])
    try:
        with lock_folder(folder):
            record = {**task["record"], **_failure(error)}
            write_record(folder, record)
            return record
    except FolderInUse:
        return None


def _settled(folder: Path, since: float) -> Record | None:
    """Return the record of a trial that is not to be run now."""
    record = read_record(folder)
    if record.get("status") == DONE or (record.get("status") == FAILED and record.get("ended", 0.0) >= since):
        return record
    if record.get("status") == FAILED:
        clear_folder(folder)
    return None


def _run(folder: Path, config: Config, about: Record) -> Record:
    record = {"status": RUNNING, "error": None, **about, "versions": _versions()}
    write_record(folder, record)
    start = time.perf_counter()
    say_once.cache_clear()  # a worker runs many trials, and the log of each holds its notices
    with (folder / LOG).open("a", encoding="utf-8") as log, printed_to(log), quiet():
        try:
            record |= {"status": DONE, "metrics": _fit_and_test(folder, config)}
        except Exception as err:  # whatever it is, the other trials go on
            record |= _failure(reason(err))
            traceback.print_exc()
    record["seconds"] = round(time.perf_counter() - start, 3)
    write_record(folder, record)
    return record


def reason(err: Exception) -> str:
    """Return why a trial failed, in a line of the table: the mistake of the user if it is one."""
    return str(user_mistake(err) or f"{type(err).__name__}: {err}")


def _failure(error: str) -> Record:
    return {"status": FAILED, "error": error, "ended": time.time()}


def _fit_and_test(folder: Path, config: Config) -> dict[str, float]:
    experiment = Experiment.from_config(config)
    model = experiment.model
    summary = experiment.fit_or_resume(folder)
    run, speed = Run.at(folder), InferenceSpeed()
    watching = [speed] if isinstance(model, TextModel) else []
    metrics = measure(experiment.resolved, "test", run.checkpoint, run.folder / TEST, watching)
    finish_open_run()
    counts = summary["parameters"]
    own = {model.score: summary[model.score.replace("/", "_")], **{name: summary[name] for name in TIMES}}
    own |= {SPEED: speed.rows_per_second} if watching else {}
    return {**metrics, **own, **dict(zip(COUNTS, (sum(counts.values()), counts["quantum"]), strict=True))}


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES}
