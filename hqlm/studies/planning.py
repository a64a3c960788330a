"""Trials with the resolved configurations of their runs, made and checked before any of them runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hqlm.config.build import LARGEST_SEED
from hqlm.config.plugins import load_named
from hqlm.config.sources import Config, Sources, find_config, locate, read_config
from hqlm.errors import ConfigError, DocumentError, HqlmError
from hqlm.experiment import Experiment
from hqlm.plain import to_plain
from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.code import code_version, data_version
from hqlm.studies.designs import Trial

Base = str | Sequence[str] | Config
MANY_TRIALS: Final = 1_000  # more must be confirmed
MOST_TRIALS: Final = 100_000  # more are refused: each is resolved and checked before the first runs
_BELOW: Final[Config] = {"trainer": {"devices": 1, "enable_progress_bar": False}}  # the bar of the study is enough


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the resolved configuration of its run.

    Args:
        trial: what it changes in the experiment.
        config: as `hqlm fit` would write it to `config.yaml`.
        data: hash of its data.
    """

    trial: Trial
    config: Config
    data: str = ""

    @cached_property
    def key(self) -> str:
        """Name of its folder: hash of its resolved configuration, seed included, of its code and of its data."""
        text = json.dumps([self.config, code_version(self.config), self.data], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def record(self) -> dict[str, Any]:
        """Fields of its `trial.json` that are known from the start."""
        code = code_version(self.config)
        return {"overrides": dict(self.trial.overrides), "seed": self.trial.seed, "code_version": code}

    def __str__(self) -> str:
        names = short_names([key for key, _ in self.trial.overrides])
        values = [f"{names[key]}={show(value)}" for key, value in self.trial.overrides]
        return ", ".join([*values, f"seed {self.trial.seed}"])


class Planner:
    """Resolves the trials of one experiment; trials that differ in the seed alone share the work.

    Args:
        base: configuration files of the experiment, later ones on top, or a whole configuration.

    Raises:
        ConfigError: for a file that is missing or not a configuration.
    """

    def __init__(self, base: Base) -> None:
        self._config = {**base} if isinstance(base, Mapping) else None
        load_named(self._config or {})
        self._files = () if isinstance(base, Mapping) else _read_files([base] if isinstance(base, str) else base)
        self._known: dict[str, tuple[Config, str]] = {}
        self.notes: dict[str, None] = {}  # options that replaced classes kept and dropped

    def experiment(self, overrides: Mapping[str, Any]) -> Experiment:
        """Return the experiment of a trial, seed apart: dotted keys with values on top of the base."""
        sources = Sources(self._files, tuple(sorted(overrides.items())))
        if self._config is None:
            return Experiment.from_sources(sources, _BELOW)
        trainer = {**(self._config.get("trainer") or {}), "enable_progress_bar": False}
        if trainer.get("devices", "auto") == "auto":  # the default
            trainer["devices"] = 1
        return Experiment.from_sources(sources, {**self._config, "trainer": trainer})

    def plan(self, trial: Trial, overrides: Mapping[str, Any], data: str | None = None) -> PlannedTrial:
        """Resolve a trial, and make its parts to check them, as `hqlm fit` does.

        Args:
            trial: the trial.
            overrides: dotted keys of the experiment with the values of the trial.
            data: hash of its data; None hashes the files that it reads.

        Raises:
            ConfigError: for a key that the experiment does not have, or a value that it refuses, naming both.
        """
        text = json.dumps(overrides, sort_keys=True)
        if text not in self._known:
            self._known[text] = self._resolve(overrides)
        config, own = self._known[text]
        return PlannedTrial(trial, {**config, "seed_everything": trial.seed}, own if data is None else data)

    def _resolve(self, overrides: Mapping[str, Any]) -> tuple[Config, str]:
        """Return the resolved configuration of a trial, and the hash of its data."""
        try:
            experiment = self.experiment(overrides)
            parts = experiment.parts  # errors in it are reported before any trial runs
            data = data_version([*(parts.data.data_files() if parts.data else ()), *parts.model.data_files()])
        except HqlmError as err:
            given = ", ".join(f"{key}={json.dumps(value)}" for key, value in overrides.items())
            raise ConfigError(f"the trial with {given or 'nothing changed'} cannot run: {err}") from err
        resolved = experiment.resolved
        if resolved.fast_dev_run:
            raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try trainer.max_epochs: 1")
        devices = resolved.config["trainer"]["devices"]
        if devices != 1:  # Lightning would start the command of the study again for each further process
            raise ConfigError(
                f"trainer.devices={devices}: a trial trains in one process, and the executor runs several trials at a "
                "time. Leave it out"
            )
        self.notes.update(dict.fromkeys(resolved.notes))
        return resolved.config, data


def check_distinct(planned: Sequence[PlannedTrial]) -> None:
    """Refuse settings that differ in words only: the design would take one run for two.

    Raises:
        ConfigError: naming both.
    """
    seen: dict[str, PlannedTrial] = {}
    for run in planned:
        other = seen.setdefault(run.key, run)
        if other.trial.overrides != run.trial.overrides:
            raise ConfigError(
                f"the trials with {other} and with {run} are one and the same run: a factor changes nothing there"
            )


def _read_files(names: Sequence[str]) -> tuple[tuple[Path, Config], ...]:
    try:
        paths = [find_config(locate(name, Path())) for name in names]
        return tuple((path, read_config(path)) for path in paths)
    except (ConfigError, DocumentError) as err:
        raise ConfigError(f"base: {err}") from err


def check_seeds(given: Iterable[int]) -> list[int]:
    """Return seeds as a list.

    Raises:
        ConfigError: for anything but different whole numbers that can be seeds, one or more.
    """
    seeds = list(to_plain(tuple(given))) if isinstance(given, Iterable) and not isinstance(given, str) else []
    wrong = next((seed for seed in seeds if type(seed) is not int or not 0 <= seed <= LARGEST_SEED), None)
    if not seeds or wrong is not None or len(set(seeds)) < len(seeds):
        shown = given if wrong is None else wrong
        raise ConfigError(f"seeds: {shown!s:.40} is invalid: give different whole numbers from 0 to {LARGEST_SEED}")
    return seeds


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
