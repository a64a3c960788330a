"""What a study is: an experiment, what is varied in it by which design, and where its trials run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hqlm.errors import ConfigError
from hqlm.registry import suggestion
from hqlm.studies.designs import Design, Trial
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.factors import Factor, read_factors

STUDIES: Final = Path("studies")  # where studies lie, below the working directory


@dataclass(frozen=True)
class Study:
    """A study, as its file describes it.

    Args:
        base: configuration file of the experiment, or several, later ones on top, as for `hqlm fit --config`.
        design: which settings of the factors are tried.
        factors: dotted keys of the experiment, each with a list of levels, or `{low, high, log}`.
        overrides: dotted keys of the experiment with the values that all trials have.
        seeds: of initial values, order and shots; every setting is tried with each.
        executor: where trials run.
        response: the figure that is studied, such as `test/acc` or `test/loss`.
        name: of its folder below `studies`; by default that of its file.
    """

    base: str | list[str]
    design: Design
    factors: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    executor: Executor = field(default_factory=LocalExecutor)
    response: str = "test/acc"
    name: str | None = None

    def __post_init__(self) -> None:
        twice = sorted(set(self.factors) & set(self.overrides))
        if twice:
            raise ConfigError(f"{twice[0]} is both a factor and an override of the study: leave one of them out")
        if "seed_everything" in {**self.factors, **self.overrides}:
            raise ConfigError("seed_everything of a trial is one of `seeds`: list its values there")
        if any(seed < 0 for seed in self.seeds):
            raise ConfigError(f"seeds={self.seeds}: seeds are 0 or larger")

    @property
    def bases(self) -> Sequence[Path]:
        """The configuration files of the experiment."""
        return [Path(path) for path in ([self.base] if isinstance(self.base, str) else self.base)]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        assert self.name is not None
        return STUDIES / self.name

    @cached_property
    def what_varies(self) -> tuple[Factor, ...]:
        """The factors."""
        return read_factors(self.factors)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order in which to run them."""
        return self.design.trials(self.what_varies, self.seeds)

    def check_response(self, measured: Collection[str]) -> None:
        """Refuse a response that a trial does not have; what trials measure is known only once one has run.

        Raises:
            ConfigError: naming the figures of the trial.
        """
        if self.response not in measured:
            raise ConfigError(f"response: no trial has '{self.response}'. {suggestion(self.response, list(measured))}")

    def overrides_of(self, trial: Trial) -> Mapping[str, Any]:
        """Dotted keys of the experiment with the values of one trial, outer keys first."""
        return dict(sorted({**self.overrides, **dict(trial.overrides)}.items()))
