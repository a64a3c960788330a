"""Compare a model with other heads on the same embeddings and rows: trials of one factor, `model.head`."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.config.plugins import named
from hqlm.config.sources import Config, Sources
from hqlm.errors import ConfigError, RunError
from hqlm.experiment import Experiment
from hqlm.files import write_text
from hqlm.models import TextModel
from hqlm.quiet import quiet
from hqlm.run import check_name
from hqlm.studies.comparison import report
from hqlm.studies.comparison.analysis import ModelSummary, Unit, summarise
from hqlm.studies.comparison.baselines import (
    BASELINES,
    LEARNING_RATES,
    HeadLike,
    head_node,
    label,
    with_head,
    with_learning_rate,
)
from hqlm.studies.comparison.outcomes import read_outcome, write_all_predictions
from hqlm.studies.comparison.rows import Draw, check_draws
from hqlm.studies.designs import Trial
from hqlm.studies.engine import Trials
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.planning import PlannedTrial, Planner
from hqlm.studies.store import trial_folder
from hqlm.studies.study import MOST_SEED, STUDIES, check_trials

if TYPE_CHECKING:
    import pandas

_RESPONSE: Final = "test/acc"


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
        """
        import pandas

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
        reference, *baselines = self.models
        verdicts = "".join(f"<li>{report.verdict(each, reference.model, self.unit)}</li>" for each in baselines)
        return f"{self.table.to_html(index=False, float_format='%.4g', na_rep='')}<ul>{verdicts}</ul>"


def compare(
    experiment: Experiment,
    heads: Sequence[HeadLike] = BASELINES,
    seeds: Sequence[int] = (0, 1, 2),
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
class _Candidate:
    """A head that takes part, and its trials."""

    name: str
    config: Config
    is_trained: bool  # by steps of an optimiser, so that seeds change it
    rates: tuple[float, ...] = ()  # learning rates to choose from


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison before it is run.

    Args:
        folder: where it lies.
        candidates: the reference, then the baselines.
        seeds: of every model.
        draws: their rows, by index.
    """

    folder: Path
    candidates: tuple[_Candidate, ...]
    seeds: tuple[int, ...]
    draws: tuple[Draw, ...]
    _planners: dict[tuple[str, int, float | None], Planner] = field(default_factory=dict)

    @cached_property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.draws) * sum(self._count(each) for each in self.candidates)

    def run(self, executor: Executor) -> Comparison:
        """Run the trials that are not done, choose learning rates, and write and return the comparison.

        Raises:
            RunError: when a trial failed.
        """
        first = {
            (each.name, draw, lr): self._plan(each, draw, lr, self.seeds[: None if each is self.candidates[0] else 1])
            for draw in range(len(self.draws))
            for each in self.candidates
            for lr in each.rates or (None,)
        }
        self._run([run for runs in first.values() for run in runs], executor)
        rates = {
            (each.name, draw): self._choose(each, [first[each.name, draw, lr][0] for lr in each.rates])
            for draw in range(len(self.draws))
            for each in self.candidates
        }
        chosen = [
            (each, draw, rates[each.name, draw], run)
            for each in self.candidates
            for draw in range(len(self.draws))
            for run in self._plan(each, draw, rates[each.name, draw], self.seeds[: None if each.is_trained else 1])
        ]
        known = {run.key: run for runs in first.values() for run in runs}
        known |= {run.key: run for *_, run in chosen}
        trials = self._run(list(known.values()), executor)
        folders = [trial_folder(trials.folder, run.key) for *_, run in chosen]
        outcomes = [
            read_outcome(
                folder, named(each.config), each.name, draw, run.trial.seed, lr, self.draws[draw].test_embeddings
            )
            for (each, draw, lr, run), folder in zip(chosen, folders, strict=True)
        ]
        unit: Unit = "draws" if len(self.draws) > 1 else "seeds"
        rows = {index: draw.hashes for index, draw in enumerate(self.draws)}
        found = Comparison(self.folder, summarise(outcomes, unit), unit, self.seeds, len(outcomes[0].labels), rows)
        write_all_predictions(self.folder / "predictions.tsv", folders, outcomes)
        write_text(self.folder / "table.md", found.markdown())
        written = {key: value for key, value in asdict(found).items() if key != "folder"}
        write_text(self.folder / "comparison.json", json.dumps(written, indent=2) + "\n")
        return found

    def _count(self, candidate: _Candidate) -> int:
        if not candidate.rates:
            return len(self.seeds) if candidate.is_trained else 1
        return len(candidate.rates) + len(self.seeds) - 1

    def _plan(self, candidate: _Candidate, draw: int, lr: float | None, seeds: Sequence[int]) -> list[PlannedTrial]:
        """Return the trials of a candidate on a draw with a learning rate, one for each seed."""
        config = copy.deepcopy(candidate.config)
        if draw:
            config["data"]["init_args"]["seed"] += draw
        factors: dict[str, Any] = {"model.head": candidate.name}
        factors |= {"draw": draw} if len(self.draws) > 1 else {}
        if lr is not None:
            config = with_learning_rate(config, lr)
            factors["model.optimizer.lr"] = lr
        planner = self._planners.setdefault((candidate.name, draw, lr), Planner(config))
        data = hashlib.sha256(json.dumps(self.draws[draw].hashes).encode()).hexdigest()
        kind: Any = "base" if candidate is self.candidates[0] else "run"
        overrides = tuple(sorted(factors.items()))
        return [planner.plan(Trial(overrides, seed, block=draw, kind=kind), {}, data) for seed in seeds]

    def _run(self, planned: Sequence[PlannedTrial], executor: Executor) -> Trials:
        trials = Trials(self.folder, planned, _RESPONSE)
        trials.run(executor)
        failed = list(trials.todo.values())
        if failed:
            error = trials.record(failed[0])["error"]
            raise RunError(
                f"{len(failed)} of {len(planned)} trials failed. The first, {failed[0]}: {error}. The same command "
                "runs them again"
            )
        return trials

    def _choose(self, candidate: _Candidate, tried: Sequence[PlannedTrial]) -> float | None:
        """Return the learning rate with the best score on the validation rows, the smallest of equal ones."""
        if not candidate.rates:
            return None
        trials = Trials(self.folder, tried, _RESPONSE)
        scores = [trials.record(run)["metrics"]["val/acc"] for run in tried]
        return candidate.rates[scores.index(max(scores))]


def plan_comparison(
    experiment: Experiment,
    heads: Sequence[HeadLike] = BASELINES,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1,
    name: str | None = None,
) -> ComparisonPlan:
    """Read the rows of all draws and check all heads, before anything is trained; arguments as of `compare`."""
    seeds = _check_seeds(seeds)
    model = _check_model(experiment)
    config = experiment.config
    if draws < 1:
        raise ConfigError(f"draws={draws}: give 1 or more")
    if draws > 1 and "seed" not in config["data"]["init_args"]:
        raise ConfigError(f"draws={draws}: {type(experiment.data).__name__} has no option seed to draw by")
    if not heads:
        raise ConfigError(f"no baseline is given: name some heads, such as {', '.join(BASELINES)}")
    check_trials(draws * len(heads) * len(seeds), is_confirmed=True)
    name = name or f"{experiment.stem}-compare"
    check_name(name)
    read = []
    for index in range(draws):
        own = copy.deepcopy(config)
        if index:
            own["data"]["init_args"]["seed"] += index
        read.append(Draw.read(Experiment.from_config(own), index))
    check_draws({index: draw.hashes for index, draw in enumerate(read)})
    dim, n_classes = read[0].test_embeddings.shape[1], len(read[0].class_names)
    reference = model.recipe.build(dim, n_classes)
    candidates = [_Candidate(label(model.recipe), config, reference.is_trained)]
    for head in heads:
        node = head_node(head, sum(reference.parameter_counts().values()))
        other = Experiment.from_sources(Sources(), with_head(config, node))
        recipe = _check_model(other).recipe
        is_trained = recipe.build(dim, n_classes).is_trained
        taken = [each.name for each in candidates]
        rates = LEARNING_RATES if is_trained else ()
        candidates.append(_Candidate(label(recipe, taken), other.config, is_trained, rates))
    return ComparisonPlan(STUDIES / name, tuple(candidates), tuple(seeds), tuple(read))


def _check_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    found = tuple(seeds)
    if not found or len(set(found)) < len(found) or min(found) < 0 or max(found) > MOST_SEED:
        shown = f"{','.join(map(str, found)):.80}"
        raise ConfigError(f"seeds={shown}: give one or more different seeds from 0 to {MOST_SEED}")
    return found


def _check_model(experiment: Experiment) -> TextModel:
    """Return the model of an experiment whose heads can be compared."""
    model = experiment.model
    if not isinstance(model, TextModel):
        raise ConfigError(f"model={type(model).__name__}: heads are compared in a TextModel, which has one")
    if model.stage == "end_to_end":
        raise ConfigError(
            "model.text_encoder.stage=end_to_end: every model would train a text encoder of its own, so there are no "
            "embeddings to compare heads on. Compare with stage=frozen or stage=contrastive, or train and test both "
            "models end to end: hqlm fit --model.head=LinearHead ..."
        )
    if experiment.resolved.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try --trainer.max_epochs=1")
    return model
