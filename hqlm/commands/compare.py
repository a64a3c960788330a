"""`hqlm compare`: a model beside other heads on the same rows, in one table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from hqlm.config.parser import Option, print_help, read_options
from hqlm.config.sources import Sources, Text
from hqlm.experiment import Experiment
from hqlm.quiet import quiet
from hqlm.studies.comparison.baselines import BASELINES
from hqlm.studies.comparison.compare import plan_comparison
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.planning import MANY_TRIALS

_DESCRIPTION: Final = """Train a model and baselines on the same embeddings and rows, and print one table.

  hqlm compare --config sst2
  hqlm compare --config sst2 --seeds=0,1,2,3,4 --heads=LogisticRegressionHead,RBFSVMHead
  hqlm compare --config sst2 --data.samples_per_class=64 --draws=10
  hqlm compare --config sst2 --executor=RayExecutor --executor.address=auto

The table has accuracy, macro-F1, calibration error, parameters, times, and for each baseline the paired difference
with 95 % intervals and p-values: over test rows (permutation test, adjusted for the number of baselines), and over
seeds or draws (paired t test). Everything lies in studies/<name>/: every training as an ordinary run in trials/,
predictions.tsv, table.md and comparison.json. The same command resumes after Ctrl-C, in several processes it shares the
work; more seeds, draws or heads are added to what is there.

Epochs, and of baselines the learning rate or C, are chosen on the validation rows. Heads are listed by
`hqlm components --slot head`; MatchedHead takes about as many parameters as the model has.
"""
_OPTIONS: Final = (
    Option("name", str | None, None, "Name of the folder; by default that of the file, -compare."),
    Option("seeds", list[int], [0, 1, 2], "One training run each."),
    Option("yes", bool, False, f"Train more than {MANY_TRIALS:,} times."),
    Option("heads", list[Any], list(BASELINES), "The baselines: names, or classes with options."),
    Option("draws", int, 1, "Repeat all on as many draws of the training rows: data.seed, data.seed + 1, ..."),
    Option("executor", Executor, LocalExecutor(), "Where trials run: LocalExecutor or RayExecutor."),
)


@quiet()
def main(args: list[str]) -> int:
    """Train, test, and print and write the table."""
    sources = Sources.from_arguments(args)
    if sources.wants_help:
        print_help("compare", _DESCRIPTION, _OPTIONS, sources)
        return 0
    sources.load_plugins()
    own, sources = sources.split([option.name for option in _OPTIONS])
    own = _with_lists(own)
    heads = own["heads"]  # kept as written: they are parts of experiments
    options = read_options(_OPTIONS, own.without("heads"))
    experiment = Experiment.from_sources(sources)
    print("\n".join(experiment.resolved.notes), end="\n" if experiment.resolved.notes else "")
    given = [options[name] for name in ("seeds", "draws", "name", "yes")]
    plan = plan_comparison(experiment, BASELINES if heads is None else heads, *given)
    print(f"{plan.n_trials} training runs below {plan.folder}", flush=True)
    comparison = plan.run(options["executor"])
    print(f"\n{comparison.markdown(narrow=True)}")
    print(f"the table with all columns (table.md), comparison.json and predictions.tsv are in {comparison.folder}")
    return 0


def _with_lists(sources: Sources) -> Sources:
    """Return the sources with `--seeds=0,1` and `--heads=MLPHead` as lists."""
    flags = tuple(
        (key, Text(f"[{value}]") if key in ("seeds", "heads") and not value.startswith("[") else value)
        for key, value in sources.flags
    )
    return replace(sources, flags=flags)
