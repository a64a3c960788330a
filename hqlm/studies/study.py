"""Studies: an experiment, what is varied in it by which design, and where its trials run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hqlm.config.plugins import named
from hqlm.config.sources import Config, Sources, read_config
from hqlm.errors import ConfigError, RunError
from hqlm.experiment import Experiment
from hqlm.files import check_plain, write_text
from hqlm.models.recipes import to_primitives
from hqlm.models.trust import check_class_options, check_plugins
from hqlm.quiet import quiet
from hqlm.run import check_name
from hqlm.studies.designs import Design, FullFactorial, Trial
from hqlm.studies.engine import Trials
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.factors import Factor, read_factors
from hqlm.studies.planning import PlannedTrial, Planner, check_distinct, check_seeds, check_trials
from hqlm.studies.reading import read_study, with_known_path
from hqlm.studies.reporting.build import make_report
from hqlm.studies.reporting.page import html, write
from hqlm.studies.reporting.wandb import publish, wandb_logger
from hqlm.studies.store import COMPARISON, STUDIES, STUDY, read_results
from hqlm.studies.trial import reason

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Study:
    """A designed experiment over many trainings.

    Everything lies in `studies/<name>/`. Trials that are done are not repeated, and `run` resumes what was interrupted.

    Args:
        base: configuration file of the experiment, or several, later ones on top, as for `hqlm fit --config`; or a
            whole configuration, as a mapping or an `Experiment`.
        design: which settings of the factors are tried.
        factors: dotted keys of the experiment, each with a list of levels, or `{low, high, log}`.
        overrides: dotted keys of the experiment with the values that all trials have.
        seeds: of initial values, order and shots; every setting is tried with each.
        executor: where trials run.
        response: the figure that is studied, such as `test/acc` or `test/loss`.
        name: of its folder below `studies`; by default that of its file.
        plugins: modules to import first.

    Raises:
        ConfigError: for factors, overrides, seeds or a name that cannot be.
    """

    base: str | list[str] | dict[str, Any]
    design: Design = field(default_factory=FullFactorial)
    factors: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    executor: Executor = field(default_factory=LocalExecutor)
    response: str = "test/acc"
    name: str | None = None
    plugins: list[str] | str = field(default_factory=list)
    _folder: Path | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("base", "design", "factors", "overrides", "seeds", "executor", "response"):
            if getattr(self, name) is None:
                raise ConfigError(f"{name}: null is not possible. Give a value, or leave it out for the default")
        if isinstance(self.base, Experiment | os.PathLike):
            base = self.base.config if isinstance(self.base, Experiment) else os.fspath(self.base)
            object.__setattr__(self, "base", base)
        self._check_types()
        for name in ("factors", "overrides"):  # from Python they may hold components
            with suppress(RecursionError):  # which is refused below
                object.__setattr__(self, name, to_primitives(getattr(self, name), name))
            check_plain(getattr(self, name), name)
        object.__setattr__(self, "seeds", check_seeds(self.seeds))
        twice = sorted(set(self.factors) & set(self.overrides))
        if twice:
            raise ConfigError(f"{twice[0]} is both a factor and an override of the study: leave one of them out")
        if "seed_everything" in {**self.factors, **self.overrides}:
            raise ConfigError("seed_everything of a trial is one of `seeds`: list its values there")

    def _check_types(self) -> None:
        if not isinstance(self.base, str | list | dict) or not all(isinstance(each, str) for each in self.bases):
            raise ConfigError(f"base={self.base!s:.40}: give a configuration file, a list of them, or a configuration")
        for name, kind, example in (
            ("design", Design, "FullFactorial()"),
            ("executor", Executor, "LocalExecutor()"),
            ("factors", dict, "{'model.optimizer.lr': [0.01, 0.02]}"),
            ("overrides", dict, "{'trainer.max_epochs': 2}"),
        ):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"{name}={getattr(self, name)!s:.40} is invalid: give one such as {example}")

    @classmethod
    def read(cls, *files: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None) -> Study:
        """Read a study from files, later ones on top, and lay values over them.

        Args:
            files: paths, or names of shipped studies such as `studies/ablation`.
            overrides: dotted keys of the study with values, such as `{"seeds": [0, 1]}`.

        Raises:
            ConfigError: for files, options or values that a study does not have.
        """
        found = read_study(cls, Sources.from_python(files, overrides or {}))
        assert found is not None
        return found[0]

    @classmethod
    def open(cls, folder: str | os.PathLike[str], plugins: str | list[str] | None = None) -> Study:
        """Return the study of a folder, whose files are data: opening and analysing it imports nothing.

        `plan` and `run` make its experiment, and import what that names.

        Args:
            folder: of the study.
            plugins: modules to import first, where the study has components that are not part of hqlm or of an
                installed plugin.

        Raises:
            CheckpointError: when `study.yaml` names components that are not known.
        """
        path, plugins = Path(folder) / STUDY, named({"plugins": plugins})
        Sources(flags=(("plugins", plugins),)).load_plugins()
        config = {key: with_known_path(key, value) for key, value in read_config(path).items()}
        check_plugins(config.pop("plugins", None), path, plugins)
        check_class_options({key: value for key, value in config.items() if key != "base"}, cls, path, plugins)
        found = read_study(cls, Sources(((path, config),)))
        assert found is not None
        study = replace(found[0], plugins=plugins)
        object.__setattr__(study, "_folder", Path(folder))
        return study

    @property
    def config(self) -> Config:
        """The study as its file has it: every option with its value."""
        return {each.name: to_primitives(getattr(self, each.name), each.name) for each in fields(self) if each.init}

    @property
    def bases(self) -> Sequence[str]:
        """Configuration files of the experiment; none where it is given as a mapping."""
        return [self.base] if isinstance(self.base, str) else [*self.base] if isinstance(self.base, list) else []

    @property
    def folder(self) -> Path:
        """Folder of the study: the one that was opened, or that of its name below `studies/`.

        Raises:
            ConfigError: for a study without a name.
            RunError: for a name that is not one.
        """
        if self._folder is not None:
            return self._folder
        if self.name is None:
            raise ConfigError("name: the study has none. Name its folder below studies/, such as name='depth'")
        check_name(self.name)
        return STUDIES / self.name

    @cached_property
    def parsed_factors(self) -> tuple[Factor, ...]:
        """The factors, checked."""
        return read_factors(self.factors)

    @cached_property
    def n_trials(self) -> int:
        """Number of trials, known without making them."""
        return self.design.n_settings(self.parsed_factors) * self.design.replicates * len(self.seeds)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order in which to run them.

        Raises:
            ConfigError: for too many, or as `Design.trials`.
        """
        check_trials(self.n_trials, is_confirmed=True)
        return self.design.trials(self.parsed_factors, self.seeds)

    @property
    def aliasing(self) -> str:
        """Effects that the design cannot tell apart, in plain words.

        Raises:
            ConfigError: for a design of too many runs.
        """
        check_trials(self.n_trials, is_confirmed=True)
        return self.design.aliasing(self.parsed_factors)

    def plan(self) -> list[PlannedTrial]:
        """Resolve all trials, make their parts and check them, before any of them runs.

        Raises:
            ConfigError: for a key that the experiment does not have, or a value it refuses, naming both.
        """
        Sources(flags=(("plugins", self.plugins),)).load_plugins()
        planner = Planner(self.base)
        planned = [planner.plan(trial, {**self.overrides, **dict(trial.overrides)}) for trial in self.trials]
        check_distinct(planned)
        print("\n".join(planner.notes), end="\n" if planner.notes else "")
        return planned

    def run(self) -> Study:
        """Run the trials that are not done, and return the study; `table` has the results, `report` analyses them.

        Raises:
            ConfigError: as `plan`, or when no trial measures the response.
            RunError: when trials failed, naming the first; all others are done.
            KeyboardInterrupt: after Ctrl-C; finished trials and epochs are kept.
        """
        with quiet():
            trials = Trials(self.folder, self.plan(), self.response)
            failures = self.run_planned(trials)
            trials.check(failures)
        return self

    def run_planned(self, trials: Trials) -> dict[str, str]:
        """Run planned trials of this study, report them where they report to W&B, and return failures by key.

        Raises:
            RunError: when the folder holds a comparison.
        """
        if (self.folder / COMPARISON).is_file():
            raise RunError(f"the folder {self.folder} holds a comparison. Give the study another name")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / STUDY, yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))
        failures = trials.run(self.executor)
        self._publish(trials)
        return failures

    @property
    def table(self) -> pandas.DataFrame:
        """A row for each trial in run order: its factors, seed, status and figures, as `read_results` has them."""
        return read_results(self.folder)

    def report(self) -> tuple[Path, ...]:
        """Analyse the trials that are done, write the report into the folder of the study, and return its files.

        Raises:
            MissingDependency: without the packages that analyse and draw.
        """
        results = self.table
        return write(make_report(self, self.folder, results, named({"plugins": self.plugins})), results, self.folder)

    def _repr_html_(self) -> str:
        """Return the report as a page in a notebook; the options of the study before anything was run."""
        if (self.name is None and self._folder is None) or not (self.folder / STUDY).is_file():
            return f"<pre>{escape(yaml.safe_dump(self.config, sort_keys=False))}</pre>"
        return html(make_report(self, self.folder, self.table, named({"plugins": self.plugins})))

    def _publish(self, trials: Trials) -> None:
        """Where the trials are reported to W&B, report what they show; nothing about it can fail the study."""
        config = trials.planned[0].config
        try:
            logger = wandb_logger(config)
            if logger is not None:
                results, plugins = self.table, [*named({"plugins": self.plugins}), *named(config)]
                report = make_report(self, self.folder, results, plugins)
                publish(self.folder, report, results, logger)
        except Exception as err:  # whatever it is, the trials are done
            advice = f"`hqlm study publish {self.name}` makes it"
            print(f"no summary run on W&B: {reason(err)}. {advice}", file=sys.stderr)
