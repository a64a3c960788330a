"""What a study is: an experiment, what is varied in it by which design, and where its trials run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hqlm.errors import ConfigError
from hqlm.files import check_plain
from hqlm.registry import suggestion
from hqlm.studies.designs import Design, Trial
from hqlm.studies.executors import Executor, LocalExecutor
from hqlm.studies.factors import Factor, read_factors

STUDIES: Final = Path("studies")  # where studies lie, below the working directory
MANY_TRIALS: Final = 1_000  # more must be confirmed
MOST_SEED: Final = 2**32 - 1  # of NumPy and Lightning
MOST_TRIALS: Final = 100_000  # more are refused: each is resolved and checked before the first runs


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
        for name in ("base", "design", "factors", "overrides", "seeds", "executor", "response"):
            if getattr(self, name) is None:
                raise ConfigError(f"{name}: null is not possible. Give a value, or leave it out for the default")
        check_plain(self.factors, "factors")
        check_plain(self.overrides, "overrides")
        twice = sorted(set(self.factors) & set(self.overrides))
        if twice:
            raise ConfigError(f"{twice[0]} is both a factor and an override of the study: leave one of them out")
        if "seed_everything" in {**self.factors, **self.overrides}:
            raise ConfigError("seed_everything of a trial is one of `seeds`: list its values there")
        wrong = next((seed for seed in self.seeds if not 0 <= seed <= MOST_SEED), None)
        if wrong is not None:
            raise ConfigError(f"seeds: {wrong!s:.40} is not possible: seeds are 0 or larger, at most {MOST_SEED}")

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
    def n_trials(self) -> int:
        """The number of trials, known without making them."""
        return self.design.n_settings(self.what_varies) * self.design.replicates * len(self.seeds)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order in which to run them.

        Raises:
            ConfigError: for too many, or as `Design.trials`.
        """
        check_trials(self.n_trials, is_confirmed=True)
        return self.design.trials(self.what_varies, self.seeds)

    @property
    def aliasing(self) -> str:
        """In plain words, which effects the design cannot tell apart.

        Raises:
            ConfigError: for a design of too many runs.
        """
        check_trials(self.n_trials, is_confirmed=True)
        return self.design.aliasing(self.what_varies)

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


def check_trials(count: int, is_confirmed: bool) -> None:
    """Refuse more trials than can be planned, and many trials that nobody has confirmed.

    Raises:
        ConfigError: with the number of trials.
    """
    shown = f"{count:,}" if count < 10**15 else f"{Decimal(count):.3g}"
    if count > MOST_TRIALS:
        raise ConfigError(
            f"these would be {shown} trials; the limit is {MOST_TRIALS:,}. Vary fewer factors, levels, runs or seeds"
        )
    if count > MANY_TRIALS and not is_confirmed:
        raise ConfigError(f"these would be {shown} trials. Add --yes if that is what you want, or vary fewer things")
