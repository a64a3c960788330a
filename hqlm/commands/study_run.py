"""`hqlm study run`: run the trials of a study, or go on with them."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Any, Final

import yaml
from tqdm.auto import tqdm

from hqlm.commands.study_estimate import embed_all, estimate, words
from hqlm.commands.study_file import PlannedTrial, plan, read_study
from hqlm.commands.study_publish import publish, wandb_logger
from hqlm.commands.study_trial import LOG, Record, Task, reason, record_death, run_trial, wait_for_other
from hqlm.config.parser import Option
from hqlm.config.plugins import named
from hqlm.config.sources import Sources
from hqlm.files import write_text
from hqlm.models.base import show_score
from hqlm.notices import hides_bars
from hqlm.quiet import quiet
from hqlm.studies.store import DESIGN, DONE, STUDY, read_record, trial_folder, write_design
from hqlm.studies.study import MANY_TRIALS, Study, check_trials

_DESCRIPTION: Final = """Run all trials of a study, each an ordinary `hqlm fit` and `hqlm test` in a folder of its own.

  hqlm study run --config studies/ablation --dry-run     the trials, what they can show, how long it takes
  hqlm study run --config studies/ablation
  hqlm study run --config studies/ablation --seeds=[0,1,2,3,4]     two seeds more; the others are there
  hqlm study run --config my_study.yaml --executor=RayExecutor --executor.address=auto

A study file:

  base: quickstart.yaml                     # the experiment, as for `hqlm fit --config`; or a list, later ones on top
  design: FullFactorial                     # `hqlm components --slot design` lists them; class_path and init_args too
  factors:                                  # any dotted key of the experiment
    model.head.feature_encoder.n_layers: [2, 4]  # any number of levels
    model.head.reuploading: [SingleUpload, RepeatedUpload]   # classes by name
    model.optimizer.lr: {low: 0.005, high: 0.05, log: true}   # a range, for designs that draw from one
  overrides:                                # what all trials have
    trainer.max_epochs: 4
  seeds: [0, 1, 2]                          # each setting with each seed

Everything lies in studies/<name>/: study.yaml, design.csv, and of each trial the run in trials/<key>/ with
config.yaml, checkpoints, metrics.csv, test/predictions.tsv, log.txt and trial.json. The key is a hash of resolved
configuration, seed, the code that a trial runs and its data: a finished one is never repeated. After Ctrl-C or a crash
give the same command again; a second one at the same time shares the work. A trial that fails is reported, the others
go on, and the next `hqlm study run` tries it again.
"""
_FAILED_TRIALS: Final = 1
_OPTIONS: Final = (
    Option("dry_run", bool, False, "Print the trials, aliasing and the time; run nothing."),
    Option("yes", bool, False, f"Run more than {MANY_TRIALS:,} trials."),
)


@quiet()
def main(args: list[str]) -> int:
    """Run what is not finished; 1 when a trial failed, or would by the dry run."""
    sources = Sources.from_arguments(args)
    asked = read_study("run", _DESCRIPTION, sources, _OPTIONS)
    if asked is None:
        return 0
    study, options, written = asked
    check_trials(study.n_trials, options["yes"])
    runs = plan(study)
    todo = {run.key: run for run in runs if not _is_done(study, run)}
    for run in runs:
        if run.key not in todo:
            study.check_response(read_record(trial_folder(study.folder, run.key))["metrics"])
    n_done = len({run.key for run in runs}) - len(todo)
    print(f"{study.folder}: {len(runs)} trials, {n_done} of them done\n\n{study.aliasing}\n")
    if options["dry_run"]:
        return _show(study, runs, todo)
    study.folder.mkdir(parents=True, exist_ok=True)
    write_text(study.folder / STUDY, yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
    write_design(study.folder, [(run.trial, run.key) for run in runs])
    embed_all([run.config for run in todo.values()])
    logger = wandb_logger(next(iter(todo.values())).config) if todo else None
    if logger is not None:
        logger.ask_server("the study goes on, and what would be sent is written to its folder")
    _Progress(study, n_done, todo).run()
    code = _summary(study, runs)
    _publish(study, runs, sources.plugins)
    return code


def _publish(study: Study, runs: list[PlannedTrial], plugins: list[str]) -> None:
    """Where the trials are reported to W&B, report what they show; nothing about it can fail the study."""
    try:
        logger = wandb_logger(runs[0].config) if runs else None
        if logger is not None:
            publish(study.folder, logger, [*plugins, *named(runs[0].config)])
    except Exception as err:  # whatever it is, the trials are done
        print(f"no summary run on W&B: {reason(err)}. `hqlm study publish {study.name}` makes it", file=sys.stderr)


def _is_done(study: Study, run: PlannedTrial) -> bool:
    return bool(read_record(trial_folder(study.folder, run.key)).get("status") == DONE)


def _show(study: Study, runs: list[PlannedTrial], todo: dict[str, PlannedTrial]) -> int:
    for order, run in enumerate(runs):
        state = "to run" if run.key in todo else "done"
        print(f"{order:>4}  {run.key}  {state:<6}  block {run.trial.block}  {run}")
    if not todo:
        return 0
    found = estimate(study, [run.config for run in todo.values()])
    print("\n" + "\n".join([*found.failures, found.lasting]))
    return _FAILED_TRIALS if found.failures else 0


class _Progress:
    """Runs what is to do and says how far it is."""

    def __init__(self, study: Study, n_done: int, todo: dict[str, PlannedTrial]) -> None:
        self.study = study
        self.todo = dict(todo)
        self.n_before = n_done
        self.total = n_done + len(todo)
        self.since = time.time()

    def run(self) -> None:
        """Run everything; what another process is at is waited for when all else is done."""
        with tqdm(total=self.total, initial=self.n_before, unit="trial", disable=hides_bars()) as bar:
            while self.todo:
                self._run_free(bar)
                for run in list(self.todo.values()):
                    self._settle(run, wait_for_other(self._task(run)), bar)

    def _run_free(self, bar: Any) -> None:
        runs = list(self.todo.values())
        tasks = [self._task(run) for run in runs]
        with closing(self.study.executor.run(run_trial, tasks)) as outcomes:  # type: ignore[type-var]
            for outcome in outcomes:
                record = outcome.value
                if outcome.error is not None:
                    record = record_death(tasks[outcome.place], outcome.error)
                self._settle(runs[outcome.place], record, bar)

    def _task(self, run: PlannedTrial) -> Task:
        folder = trial_folder(self.study.folder, run.key).absolute()
        return {"folder": str(folder), "config": run.config, "record": run.record, "since": self.since}

    def _settle(self, run: PlannedTrial, record: Record | None, bar: Any) -> None:
        if record is None:  # another process is at it, or died while we waited for it
            return
        del self.todo[run.key]
        if record["status"] == DONE:
            self.study.check_response(record["metrics"])
        done = self.total - len(self.todo)
        bar.update()
        line = f"[{done}/{self.total}] {run}: {_said(record, self.study.response)}{self._left()}"
        bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def _left(self) -> str:
        if not self.todo:
            return ""
        finished = self.total - self.n_before - len(self.todo)
        return f", about {words((time.time() - self.since) / finished * len(self.todo))} left"


def _said(record: Record, response: str) -> str:
    if record["status"] != DONE:
        return f"failed: {record['error']}"
    return f"{response} {show_score(record['metrics'][response])}, {record['seconds']:.1f} s"


def _summary(study: Study, runs: list[PlannedTrial]) -> int:
    failed = [run for run in runs if not _is_done(study, run)]
    print(f"\n{len(runs) - len(failed)} of {len(runs)} trials are done; {study.folder / DESIGN} lists them")
    for run in failed:
        folder = trial_folder(study.folder, run.key)
        print(f"failed: {run}: {read_record(folder)['error']}; see {folder / LOG}", file=sys.stderr)
    return _FAILED_TRIALS if failed else 0
