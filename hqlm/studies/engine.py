"""Run planned trials on an executor, and show the progress; whatever is done already is not done again."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hqlm.errors import RunError
from hqlm.models.base import show_score
from hqlm.notices import hides_bars
from hqlm.studies.estimate import embed_all, words
from hqlm.studies.executors import Executor
from hqlm.studies.planning import PlannedTrial
from hqlm.studies.reporting.wandb import wandb_logger
from hqlm.studies.store import DONE, check_response, read_record, trial_folder, write_design
from hqlm.studies.trial import Record, Task, record_death, run_trial, wait_for_other


class Trials:
    """Planned trials below the folder of a study.

    Args:
        folder: of the study.
        planned: in the order in which to run them.
        response: name of the figure that is studied.

    Raises:
        ConfigError: when a trial that is done has no such figure.
    """

    def __init__(self, folder: Path, planned: Sequence[PlannedTrial], response: str) -> None:
        self.folder = folder
        self.planned = planned
        self.response = response
        for record in map(self.record, planned):
            if record.get("status") == DONE:
                check_response(response, record["metrics"])

    def record(self, run: PlannedTrial) -> dict[str, Any]:
        """Return what `trial.json` says of a trial; empty before it began."""
        return read_record(trial_folder(self.folder, run.key))

    def is_done(self, run: PlannedTrial) -> bool:
        """Return whether a trial was trained and tested."""
        return bool(self.record(run).get("status") == DONE)

    def check(self, failures: Mapping[str, str]) -> None:
        """Refuse failures of trials.

        Raises:
            RunError: naming the first; what is done is kept.
        """
        for run in self.planned:
            if run.key in failures:
                raise RunError(
                    f"{len(failures)} of {len(self.planned)} trials failed. The first, {run}: {failures[run.key]}. Run "
                    "it again to repeat them; all others are done"
                )

    @property
    def todo(self) -> dict[str, PlannedTrial]:
        """The trials that are not done, by key."""
        return {run.key: run for run in self.planned if not self.is_done(run)}

    @property
    def n_done(self) -> int:
        """Number of trials that are done."""
        return len({run.key for run in self.planned}) - len(self.todo)

    def run(self, executor: Executor) -> dict[str, str]:
        """Run what is not done; texts are embedded first, so that workers only read embeddings from the cache.

        A trial that another process runs is waited for when all others are done. One that fails stops no other.

        Returns:
            Errors of the trials that failed, by key.

        Raises:
            ConfigError: when a trial does not measure the response.
            KeyboardInterrupt: after Ctrl-C; workers are stopped, and finished trials and epochs are kept.
        """
        todo = self.todo
        self.folder.mkdir(parents=True, exist_ok=True)
        write_design(self.folder, [(run.trial, run.key) for run in self.planned])
        embed_all([run.config for run in todo.values()])
        logger = wandb_logger(next(iter(todo.values())).config) if todo else None
        if logger is not None:
            logger.ask_server("the study goes on, and what would be sent is written to its folder")
        run = _Run(self, todo)
        run.finish(executor)
        return run.failures


class _Run:
    """The trials that are left, and how far they are."""

    def __init__(self, trials: Trials, todo: Mapping[str, PlannedTrial]) -> None:
        self.trials = trials
        self.left = dict(todo)
        self.n_before = trials.n_done
        self.total = self.n_before + len(todo)
        self.since = time.time()
        self.failures: dict[str, str] = {}

    def finish(self, executor: Executor) -> None:
        with tqdm(total=self.total, initial=self.n_before, unit="trial", disable=hides_bars()) as bar:
            while self.left:
                self._run_free(executor, bar)
                for run in list(self.left.values()):
                    self._settle(run, wait_for_other(self._task(run)), bar)

    def _run_free(self, executor: Executor, bar: Any) -> None:
        runs = list(self.left.values())
        tasks = [self._task(run) for run in runs]
        with closing(executor.run(run_trial, tasks)) as outcomes:  # type: ignore[type-var]
            for outcome in outcomes:
                record = outcome.value
                if outcome.error is not None:
                    record = record_death(tasks[outcome.place], outcome.error)
                self._settle(runs[outcome.place], record, bar)

    def _task(self, run: PlannedTrial) -> Task:
        folder = trial_folder(self.trials.folder, run.key).absolute()
        return {"folder": str(folder), "config": run.config, "record": run.record, "since": self.since}

    def _settle(self, run: PlannedTrial, record: Record | None, bar: Any) -> None:
        if record is None:  # another process runs it, or died while it was waited for
            return
        del self.left[run.key]
        if record["status"] == DONE:
            check_response(self.trials.response, record["metrics"])
        else:
            self.failures[run.key] = record["error"]
        bar.update()
        done = self.total - len(self.left)
        bar.write(f"[{done}/{self.total}] {run}: {self._result(record)}{self._time_left()}", file=sys.stdout)
        sys.stdout.flush()

    def _result(self, record: Record) -> str:
        if record["status"] != DONE:
            return f"failed: {record['error']}"
        response = self.trials.response
        return f"{response} {show_score(record['metrics'][response])}, {record['seconds']:.1f} s"

    def _time_left(self) -> str:
        if not self.left:
            return ""
        finished = self.total - self.n_before - len(self.left)
        return f", about {words((time.time() - self.since) / finished * len(self.left))} left"
