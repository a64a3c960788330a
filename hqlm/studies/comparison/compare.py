"""Compare a model with other heads on the same embeddings and rows: trials of one factor, `model.head`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from hqlm.config.merge import differences
from hqlm.config.sources import Config, Sources, read_config
from hqlm.errors import ConfigError, MissingDependency, RunError
from hqlm.experiment import Experiment
from hqlm.files import write_text
from hqlm.heads import Head
from hqlm.models import TextModel
from hqlm.quiet import quiet
from hqlm.run import check_name
from hqlm.studies.comparison import report
from hqlm.studies.comparison.analysis import ModelSummary, Unit, summarise
from hqlm.studies.comparison.baselines import (
    BASELINES,
    LEARNING_RATES,
    HeadLike,
    depends_on_seed,
    head_node,
    name_heads,
    with_head,
    with_learning_rate,
)
from hqlm.studies.comparison.outcomes import Outcome, read_outcome, write_all_predictions
from hqlm.studies.comparison.rows import Draw, check_draws, on_draw
from hqlm.studies.designs import Trial
from hqlm.studies.designs.base import Kind
from hqlm.studies.engine import Trials
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.planning import PlannedTrial, Planner, check_seeds, check_trials
from hqlm.studies.store import COMPARISON, STUDIES, STUDY, trial_folder
from hqlm.tasks import SingleLabel

if TYPE_CHECKING:
    import pandas

_RESPONSE: Final = "val/acc"  # shown while trials run, and chosen by; test figures come last


@dataclass(frozen=True)
class Comparison:
    """A model beside other heads, on the same rows.

    Args:
        folder: with every training run in `trials/`, `predictions.tsv`, `table.md` and `comparison.json`.
        models: the reference, then the baselines.
        unit: in what runs of a model differ: the seed, or the draw of the training rows.
        seeds: of every model.
        n_test: number of test rows.
        rows: SHA-256 of each split and of its embeddings by draw, the same for every model.
    """

    folder: Path
    models: tuple[ModelSummary, ...]
    unit: Unit
    seeds: tuple[int, ...]
    n_test: int
    rows: dict[int, dict[str, str]]

    def markdown(self, narrow: bool = False) -> str:
        """Return the table, a verdict on each baseline, and the meaning of the columns.

        Args:
            narrow: leave out columns so that the table fits a terminal.
        """
        title = f"{self.folder.name}: seeds {','.join(map(str, self.seeds))}"
        title += f", {len(self.rows)} draws" if self.unit == "draws" else ""
        return report.markdown(self.models, self.unit, self.rows, self.n_test, title, narrow)

    @property
    def table(self) -> pandas.DataFrame:
        """A row for each model, the reference first: accuracies, differences and p-values as fractions.

        `difference` is the reference minus the model, with its 95 % interval over test rows.

        Raises:
            MissingDependency: without pandas.
        """
        try:
            import pandas
        except ImportError as err:
            raise MissingDependency("a table of results needs pandas: pip install 'hqlm[study]'") from err
        return pandas.DataFrame(
            [
                {
                    "model": each.model,
                    "runs": each.runs,
                    "parameters": each.parameters,
                    "accuracy": each.accuracy.mean,
                    "accuracy_low": each.accuracy.low,
                    "accuracy_high": each.accuracy.high,
                    "macro_f1": each.f1,
                    "calibration_error": each.calibration_error,
                    "training_seconds": each.training_seconds,
                    "sentences_per_second": each.sentences_per_second,
                    "difference": each.difference.mean if each.difference else None,
                    "difference_low": each.difference.low if each.difference else None,
                    "difference_high": each.difference.high if each.difference else None,
                    "p_holm": each.p_holm,
                    f"p_over_{self.unit}": each.difference_over_runs.estimate.p if each.difference_over_runs else None,
                }
                for each in self.models
            ]
        )

    def _repr_html_(self) -> str:
        """Return the table and the verdicts in a notebook."""
        return f"<pre>{escape(self.markdown(narrow=True))}</pre>"


def compare(
    experiment: Experiment,
    heads: Sequence[HeadLike] = BASELINES,
    seeds: Iterable[int] = (0, 1, 2),
    draws: int = 1,
    executor: Executor | None = None,
    name: str | None = None,
) -> Comparison:
    """Train a model and other heads on the same embeddings and rows, and compare them in pairs.

    Every training is an ordinary run, a trial as of a study: what is done is not repeated, what was interrupted
    resumes, and several processes share the work. Epochs, and of baselines the learning rate or C, are chosen on the
    validation rows.

    Args:
        experiment: the model, its data and its trainer.
        heads: baselines: names, recipes, or classes with options. A `MatchedHead` without a number matches the
            trainable parameters of the model.
        seeds: one training run each.
        draws: repeat all on this many draws of the training rows: `data.seed`, `data.seed` + 1, ...
        executor: where trials run; by default in processes on this machine.
        name: of the folder below `studies/`; by default that of the configuration file, `-compare`.

    Returns:
        The comparison, whose files lie in its folder.

    Raises:
        ConfigError: for heads, seeds or draws that cannot be.
        DataError: for data that is too small, or lacks a class.
        RunError: when a trial failed, naming the first; all others are done.
        KeyboardInterrupt: after Ctrl-C; finished trials and epochs are kept.
    """
    with quiet():
        return plan_comparison(experiment, heads, seeds, draws, name).run(executor or LocalExecutor())


@dataclass(frozen=True)
class Candidate:
    """A head that takes part.

    Args:
        name: in tables.
        config: resolved configuration of its trials, seed apart.
        seeds: of its trials.
        has_seeds: whether seeds change it.
        rates: learning rates to choose from; none where it is not tuned.
    """

    name: str
    config: Config
    seeds: tuple[int, ...]
    has_seeds: bool
    rates: tuple[float, ...] = ()

    @property
    def n_trials(self) -> int:
        """Number of trials on one draw."""
        return len(self.seeds) + max(len(self.rates) - 1, 0)


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison before it is run.

    Args:
        folder: where it lies.
        candidates: the reference, then the baselines.
        draws: their rows, by index.
    """

    folder: Path
    candidates: tuple[Candidate, ...]
    draws: tuple[Draw, ...]
    _planners: dict[tuple[str, int, float | None], Planner] = field(default_factory=dict, init=False)

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.draws) * sum(each.n_trials for each in self.candidates)

    def run(self, executor: Executor) -> Comparison:
        """Run the trials that are not done, choose learning rates, and write and return the comparison.

        Raises:
            RunError: when a trial failed, the data has changed meanwhile, or the folder holds something else.
        """
        self._claim_folder()
        pairs = [(each, draw) for each in self.candidates for draw in range(len(self.draws))]
        tried = {
            (each.name, draw): [self._plan(each, draw, lr, each.seeds[:1])[0] for lr in each.rates]
            for each, draw in pairs
        }
        untuned = [run for each, draw in pairs if not each.rates for run in self._plan(each, draw, None, each.seeds)]
        tuning = [run for runs in tried.values() for run in runs]
        self._run(sorted([*untuned, *tuning], key=lambda run: run.trial.block), executor)
        rates = {(each.name, draw): self._choose(each, tried[each.name, draw]) for each, draw in pairs}
        chosen = [
            (each, draw, rates[each.name, draw], run)
            for each, draw in pairs
            for run in self._plan(each, draw, rates[each.name, draw], each.seeds)
        ]
        trials = self._run(list({run.key: run for run in [*tuning, *(run for *_, run in chosen)]}.values()), executor)
        self._check_data()
        outcomes = [
            read_outcome(
                trial_folder(self.folder, run.key), run.config, each.name, draw,
                run.trial.seed if each.has_seeds else None, lr, trials.record(run)["metrics"],
            )
            for each, draw, lr, run in chosen
        ]  # fmt: skip
        return self._write(outcomes, [trial_folder(self.folder, run.key) for *_, run in chosen])

    def _claim_folder(self) -> None:
        """Write the configuration of the reference, unless the folder holds that of another one, or a study."""
        path, config = self.folder / COMPARISON, {**self.candidates[0].config, "seed_everything": None}
        if (self.folder / STUDY).is_file():
            raise RunError(f"the folder {self.folder} holds a study. Give the comparison another name")
        if path.is_file():
            changes = differences(read_config(path), config)
            if changes:
                raise RunError(
                    f"the comparison {self.folder} was made with another configuration ({'; '.join(changes)}). Give it "
                    "another name, or remove that folder"
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, yaml.safe_dump(config, sort_keys=False))

    def _plan(self, candidate: Candidate, draw: int, lr: float | None, seeds: Sequence[int]) -> list[PlannedTrial]:
        """Return the trials of a candidate on a draw with a learning rate, one for each seed."""
        factors: dict[str, Any] = {"model.head": candidate.name}
        factors |= {"draw": draw} if len(self.draws) > 1 else {}
        factors |= {"model.optimizer.lr": lr} if lr is not None else {}
        if (candidate.name, draw, lr) not in self._planners:
            config = on_draw(candidate.config, draw)
            config = config if lr is None else with_learning_rate(config, lr)
            self._planners[candidate.name, draw, lr] = Planner(config)
        planner = self._planners[candidate.name, draw, lr]
        kind: Kind = "base" if candidate is self.candidates[0] else "run"
        overrides = tuple(sorted(factors.items()))
        data = self.draws[draw].key
        return [planner.plan(Trial(overrides, seed, block=draw, kind=kind), {}, data) for seed in seeds]

    def _run(self, planned: Sequence[PlannedTrial], executor: Executor) -> Trials:
        trials = Trials(self.folder, planned, _RESPONSE)
        trials.check(trials.run(executor))
        return trials

    def _choose(self, candidate: Candidate, tried: Sequence[PlannedTrial]) -> float | None:
        """Return the learning rate with the best score on the validation rows, the smallest of equal ones."""
        if not tried:
            return None
        trials = Trials(self.folder, tried, _RESPONSE)
        scores = [trials.record(run)["metrics"][_RESPONSE] for run in tried]
        return candidate.rates[scores.index(max(scores))]

    def _check_data(self) -> None:
        """Refuse data that has changed while trials ran.

        Raises:
            RunError: naming the draw.
        """
        for index, draw in enumerate(self.draws):
            if Draw.read(Experiment.from_config(on_draw(self.candidates[0].config, index)), index).key != draw.key:
                raise RunError(f"the data of draw {index} has changed while trials ran. Run the comparison again")

    def _write(self, outcomes: Sequence[Outcome], folders: Sequence[Path]) -> Comparison:
        unit: Unit = "draws" if len(self.draws) > 1 else "seeds"
        rows = {index: draw.hashes for index, draw in enumerate(self.draws)}
        models, seeds = summarise(outcomes, unit), self.candidates[0].seeds
        found = Comparison(self.folder, models, unit, seeds, len(outcomes[0].labels), rows)
        write_all_predictions(self.folder / "predictions.tsv", folders, outcomes)
        write_text(self.folder / "table.md", found.markdown())
        written = {key: value for key, value in asdict(found).items() if key != "folder"}
        write_text(self.folder / "comparison.json", json.dumps(written, indent=2, allow_nan=False) + "\n")
        return found


def plan_comparison(
    experiment: Experiment,
    heads: Sequence[HeadLike] = BASELINES,
    seeds: Iterable[int] = (0, 1, 2),
    draws: int = 1,
    name: str | None = None,
    is_confirmed: bool = True,
) -> ComparisonPlan:
    """Check all heads, then read the rows of all draws, before anything is trained.

    Args:
        experiment: as for `compare`.
        heads: as for `compare`.
        seeds: as for `compare`.
        draws: as for `compare`.
        name: as for `compare`.
        is_confirmed: whether the user wants many trials.
    """
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"{experiment!s:.40} is not an Experiment: read one with hqlm.Experiment.read(...)")
    seeds, config = tuple(check_seeds(seeds)), experiment.config
    recipe = _check_model(experiment)
    if config["trainer"]["devices"] == "auto":  # the default; a trial trains in one process
        config["trainer"]["devices"] = 1
    name = name or f"{experiment.stem}-compare"
    check_name(name)
    if type(draws) is not int or draws < 1:
        raise ConfigError(f"draws={draws!s:.40}: give a whole number, 1 or more")
    if draws > 1 and config["data"]["init_args"].get("seed") is None:
        raise ConfigError(f"draws={draws}: {type(experiment.data).__name__} has no option seed to draw by")
    if isinstance(heads, str) or not heads:
        raise ConfigError(f"heads: give a list of heads, one or more, such as {', '.join(BASELINES)}")
    check_trials(draws * (len(seeds) + len(heads) * (len(seeds) + len(LEARNING_RATES) - 1)), is_confirmed)
    others = [_with_head(config, head, 1) for head in heads]
    names = name_heads([recipe, *map(_check_model, others)])
    read = tuple(Draw.read(Experiment.from_config(on_draw(config, index)), index) for index in range(draws))
    check_draws({index: draw.hashes for index, draw in enumerate(read)})
    reference = read[0].build(recipe)
    n_parameters = sum(reference.parameter_counts().values())
    has_seeds = depends_on_seed(recipe, reference)
    candidates = [Candidate(names[0], config, seeds if has_seeds else seeds[:1], has_seeds)]
    for head, own in zip(heads, names[1:], strict=True):
        other = _with_head(config, head, n_parameters)
        baseline = _check_model(other)
        module = read[0].build(baseline)
        has_seeds = depends_on_seed(baseline, module)
        rates = LEARNING_RATES if module.is_trained else ()
        candidates.append(Candidate(own, other.config, seeds if has_seeds else seeds[:1], has_seeds, rates))
    return ComparisonPlan(STUDIES / name, tuple(candidates), read)


def _with_head(config: Config, head: HeadLike, n_parameters: int) -> Experiment:
    return Experiment.from_sources(Sources(), with_head(config, head_node(head, n_parameters)))


def _check_model(experiment: Experiment) -> Head:
    """Return the head of an experiment that can be compared with others."""
    model = experiment.model
    if not isinstance(model, TextModel) or not isinstance(model.task, SingleLabel):
        raise ConfigError(f"model={type(model).__name__}: heads are compared in a TextModel with the task SingleLabel")
    if model.stage == "end_to_end":
        raise ConfigError(
            "model.text_encoder.stage=end_to_end: every model would train a text encoder of its own, so there are no "
            "embeddings to compare heads on. Compare with stage=frozen or stage=contrastive, or train and test both "
            "models end to end: hqlm fit --model.head=LinearHead ..."
        )
    if experiment.resolved.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try --trainer.max_epochs=1")
    return model.recipe
