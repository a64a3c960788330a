"""`hqlm compare`: a hybrid model and its classical rivals on the same rows, in one table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import yaml

from hqlm.commands.trials import Trial, Workshop
from hqlm.config.merge import differences, leaves
from hqlm.config.parser import Option, print_help, read_options
from hqlm.config.sources import Config, Sources, Text, read_config
from hqlm.errors import ConfigError, RunError
from hqlm.experiment import Experiment
from hqlm.files import LOCK, write_text
from hqlm.heads import KernelHead, QuantumHead
from hqlm.models import TextModel
from hqlm.quiet import quiet
from hqlm.run import comparison_folder
from hqlm.studies.comparison import report
from hqlm.studies.comparison.compare import HYBRID, Comparison, check_draws, compare
from hqlm.studies.comparison.records import read_outcome, write_all_predictions
from hqlm.studies.comparison.rivals import CLASSIFIERS, HEADS, LEARNING_RATES, RIVALS, Fitted, check_rivals, fit_best
from hqlm.studies.study import MANY_TRIALS, check_trials

_DESCRIPTION: Final = """Train a hybrid model and classical rivals on the same embeddings and rows; print one table.

  hqlm compare --config sst2
  hqlm compare --config sst2 --seeds=0,1,2,3,4 --rivals=logistic_regression,rbf_svc
  hqlm compare --config sst2 --data.samples_per_class=64 --draws=10

The table has accuracy, macro-F1, calibration error, parameters, times, and for each rival the paired difference to the
hybrid model with 95 % intervals and p-values: over test rows (permutation test, adjusted for the number of rivals), and
over seeds or draws (paired t test). Everything lies in runs/<name>/: every training run, predictions.tsv, table.md and
comparison.json. The same command goes on after Ctrl-C; more seeds, draws or rivals are added to what is there.

Epochs, and of rivals the learning rate or C, are chosen on the validation rows; test rows are predicted at the end.

Rivals:
""" + "\n".join(f"  {name:<20} {purpose}" for name, purpose in RIVALS.items())
_CONFIG: Final = "compare.yaml"
_OPTIONS: Final = (
    Option("name", str | None, None, "Name of the folder; by default that of the file, -compare."),
    Option("seeds", list[int], [0, 1, 2], "One training run each."),
    Option("yes", bool, False, f"Train more than {MANY_TRIALS:,} times."),
    Option("rivals", list[str], list(RIVALS), f"Of {', '.join(RIVALS)}."),
    Option("draws", int, 1, "Repeat all on as many draws of the training rows: data.seed, data.seed + 1, ..."),
)


@quiet()
def main(args: list[str]) -> int:
    """Train, test, and print and write the table."""
    sources = Sources.from_arguments(args)
    if sources.wants_help:
        print_help("compare", _DESCRIPTION, _OPTIONS, sources)
        return 0
    own, sources = sources.split([option.name for option in _OPTIONS])
    options = read_options(_OPTIONS, _listed(own))
    plan = Plan(options["seeds"], options["rivals"], options["draws"])
    experiment = Experiment.from_sources(sources, {"trainer": {"devices": 1}})
    print("\n".join(experiment.resolved.notes), end="\n" if experiment.resolved.notes else "")
    config = experiment.config
    config.pop("seed_everything")
    _check(experiment, plan, config)
    check_trials(plan.n_trials, options["yes"])
    with comparison_folder(options["name"] or f"{sources.stem or 'run'}-compare") as folder:
        _check_folder(folder, config)
        workshop = Workshop(folder, config)
        check_draws({draw: workshop.check_rows(draw) for draw in range(plan.draws)})
        write_text(folder / _CONFIG, yaml.safe_dump(config, sort_keys=False))
        trials = _run(workshop, plan)
        folders = [folder / trial.folder for trial in trials]
        outcomes = [read_outcome(each) for each in folders]
        comparison = compare(outcomes)
        write_all_predictions(folder / "predictions.tsv", folders, outcomes)
        _publish(folder, comparison, plan)
    return 0


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Args:
        seeds: of initial values and order.
        rivals: by name.
        draws: how many draws of the training rows.
    """

    seeds: list[int]
    rivals: list[str]
    draws: int

    @property
    def heads(self) -> list[str]:
        """The rivals that torch trains."""
        return [name for name in self.rivals if name in HEADS]

    @property
    def n_trials(self) -> int:
        """How many training runs there are."""
        tuned = len(self.heads) * (len(LEARNING_RATES) + len(self.seeds) - 1)
        return self.draws * (len(self.seeds) + tuned + len(self.rivals) - len(self.heads))


def _listed(sources: Sources) -> Sources:
    """Return the sources with `--seeds=0,1` and `--rivals=mlp` as lists."""
    flags = tuple(
        (key, Text(f"[{value}]") if key in ("seeds", "rivals") and not value.startswith("[") else value)
        for key, value in sources.flags
    )
    return replace(sources, flags=flags)


def _check(experiment: Experiment, plan: Plan, config: Config) -> None:
    """Refuse what would fail or mislead only after hours of training."""
    if not plan.seeds or min(plan.seeds) < 0 or len(set(plan.seeds)) < len(plan.seeds):
        raise ConfigError(f"--seeds={_joined(plan.seeds):.80}: give one or more different seeds, 0 or larger")
    model = experiment.model
    check_rivals(plan.rivals)
    if not plan.rivals:
        raise ConfigError(f"--rivals is empty: give some of {', '.join(RIVALS)}")
    if plan.draws < 1:
        raise ConfigError(f"--draws={plan.draws}: give 1 or more")
    if plan.draws > 1 and "seed" not in config["data"]["init_args"]:
        raise ConfigError(f"--draws={plan.draws}: {type(experiment.data).__name__} has no option seed to draw by")
    if not isinstance(model, TextModel) or not isinstance(model.recipe, QuantumHead | KernelHead):
        raise ConfigError(
            f"--model={type(model).__name__}: the rivals stand beside a model of texts with a quantum head, such as "
            "model.head=QuantumHead"
        )
    if model.stage == "end_to_end":
        raise ConfigError(
            "model.text_encoder.stage=end_to_end: every model would train a text encoder of its own, so there are no "
            "embeddings to compare heads on. Compare with stage=frozen or stage=contrastive, or train and test both "
            "models end to end: hqlm fit --model.head=LinearHead ..."
        )
    if experiment.resolved.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try --trainer.max_epochs=1")


def _check_folder(folder: Path, config: Config) -> None:
    """Refuse a folder that holds a comparison of another configuration, or something else."""
    path = folder / _CONFIG
    if not any(path.name != LOCK for path in folder.iterdir()):
        return
    if not path.is_file():
        raise RunError(f"the folder {folder} exists and holds no comparison. Give another --name")
    before = read_config(path)
    if before != config:
        old, new = dict(leaves(before, "")), dict(leaves(config, ""))
        lacking = [f"{key}: only in one of the two" for key in sorted(set(old) ^ set(new))]
        raise RunError(
            f"the comparison {folder} was made with another configuration "
            f"({'; '.join(differences(before, config) or lacking)}). Give another --name, or remove that folder"
        )
    print(f"the comparison {folder} goes on")


def _run(workshop: Workshop, plan: Plan) -> list[Trial]:
    """Train everything, then test what was chosen; the hybrid model first, then its rivals."""
    print(f"{plan.n_trials} training runs below {workshop.folder}", flush=True)
    bench = _Bench(workshop, plan)
    for draw in range(plan.draws):
        bench.train(draw)
    bench.test()
    order = [HYBRID, *plan.rivals]
    return sorted(bench.trials, key=lambda trial: (order.index(trial.model), trial.draw, trial.seed or 0))


class _Bench:
    """Goes through the trials, choosing on the validation rows, and says how far it is."""

    def __init__(self, workshop: Workshop, plan: Plan) -> None:
        self.workshop = workshop
        self.plan = plan
        self.trials: list[Trial] = []
        self._fitted: dict[Trial, Fitted] = {}
        self._count = 0

    def train(self, draw: int) -> None:
        """Train the hybrid model and its rivals on one draw."""
        seeds = self.plan.seeds
        self.trials += [self._head(Trial(HYBRID, draw, seed))[0] for seed in seeds]
        for name in self.plan.heads:
            tried = [self._head(Trial(name, draw, seeds[0], lr)) for lr in LEARNING_RATES]
            best = max(tried, key=lambda pair: pair[1])[0]  # of equally good ones the first, that is the smallest
            self.trials += [best, *(self._head(replace(best, seed=seed))[0] for seed in seeds[1:])]
        for name in self.plan.rivals:
            if name in CLASSIFIERS:
                self.trials.append(self._classifier(Trial(name, draw)))

    def test(self) -> None:
        """Predict the test rows with every chosen model that has not."""
        for trial in self.trials:
            if self.workshop.is_tested(trial):
                continue
            if trial in self._fitted:
                self.workshop.test_classifier(trial, self._fitted[trial])
            else:
                self.workshop.test(trial)

    def _head(self, trial: Trial) -> tuple[Trial, float]:
        known = self.workshop.is_trained(trial)
        if not known:
            self.workshop.train(trial)
        summary = self.workshop.summary(trial)
        self._say(trial, summary["val_acc"], summary["training_seconds"], known)
        return trial, summary["val_acc"]

    def _classifier(self, trial: Trial) -> Trial:
        if self.workshop.is_tested(trial):
            self._count += 1
            return trial
        draw = self.workshop.draw(trial.draw)
        fitted = self._fitted[trial] = fit_best(trial.model, draw.train, draw.val)
        self._say(trial, fitted.val_acc, fitted.seconds, known=False)
        return trial

    def _say(self, trial: Trial, val_acc: float, seconds: float, known: bool) -> None:
        self._count += 1
        print(
            f"[{self._count}/{self.plan.n_trials}] {trial.folder}: validation accuracy {val_acc:.4f}, {seconds:.1f} s"
            f"{', kept from before' if known else ''}",
            flush=True,
        )


def _publish(folder: Path, comparison: Comparison, plan: Plan) -> None:
    title = f"{folder.name}: seeds {_joined(plan.seeds)}"
    title += f", {plan.draws} draws" if plan.draws > 1 else ""
    write_text(folder / "table.md", report.markdown(comparison, title))
    write_text(folder / "comparison.json", json.dumps(asdict(plan) | asdict(comparison), indent=2) + "\n")
    text = report.markdown(comparison, title, narrow=True)
    print(f"\n{text}\nthe table with all columns (table.md), comparison.json and predictions.tsv are in {folder}")


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
