"""`hqlm study run`: run the trials of a study, or go on with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from hqlm.config.parser import Option
from hqlm.config.sources import Sources
from hqlm.quiet import quiet
from hqlm.studies.engine import Trials
from hqlm.studies.estimate import estimate
from hqlm.studies.planning import MANY_TRIALS, check_trials
from hqlm.studies.reading import read_study
from hqlm.studies.store import DESIGN, check_response, trial_folder
from hqlm.studies.study import Study
from hqlm.studies.trial import LOG

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
    """Run the trials that are not done; 1 when one failed, or would by the dry run."""
    asked = read_study(Study, Sources.from_arguments(args), "run", _DESCRIPTION, _OPTIONS)
    if asked is None:
        return 0
    study, options = asked
    check_trials(study.n_trials, options["yes"])
    trials = Trials(study.folder, study.plan(), study.response)
    print(f"{study.folder}: {len(trials.planned)} trials, {trials.n_done} of them done\n\n{study.aliasing}\n")
    if options["dry_run"]:
        return _show(study, trials)
    return _summarise(trials, study.run_planned(trials))


def _show(study: Study, trials: Trials) -> int:
    """Print the trials, and how long they will take."""
    todo = trials.todo
    for order, run in enumerate(trials.planned):
        state = "to run" if run.key in todo else "done"
        print(f"{order:>4}  {run.key}  {state:<6}  block {run.trial.block}  {run}")
    if not todo:
        return 0
    found = estimate([run.config for run in todo.values()], study.executor.workers)
    if found.measured:
        check_response(study.response, found.measured)
    print("\n" + "\n".join([*found.failures, found.lasting]))
    return _FAILED_TRIALS if found.failures else 0


def _summarise(trials: Trials, failures: Mapping[str, str]) -> int:
    """Print how many trials are done, and why the others are not."""
    total = len(trials.planned)
    print(f"\n{total - len(failures)} of {total} trials are done; {trials.folder / DESIGN} lists them")
    for run in trials.planned:
        if run.key in failures:
            log = trial_folder(trials.folder, run.key) / LOG
            print(f"failed: {run}: {failures[run.key]}; see {log}", file=sys.stderr)
    return _FAILED_TRIALS if failures else 0
