"""A study file and flags, made into a Study; and the experiment that each of its trials is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hqlm.config.build import Resolved
from hqlm.config.merge import Merger, Options
from hqlm.config.parser import HqlmParser, Option, print_class_help
from hqlm.config.slots import SLOTS
from hqlm.config.sources import Config, Sources, find_config, load_yaml, locate, read_config
from hqlm.errors import ConfigError, DocumentError, HqlmError
from hqlm.experiment import Experiment
from hqlm.files import yaml_line
from hqlm.models.trust import option_types
from hqlm.registry import field_names
from hqlm.run import check_name
from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.code import code_version, data_version
from hqlm.studies.designs import Trial
from hqlm.studies.study import Study

_BELOW: Config = {"trainer": {"devices": 1, "enable_progress_bar": False}}  # the bar of the study is enough


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the resolved configuration of its run.

    Args:
        trial: what it changes in the experiment.
        config: as `hqlm fit` would write it to `config.yaml`.
        data: hash of the files that its data and its problem are read from.
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
        """What its `trial.json` says from the start."""
        code = code_version(self.config)
        return {"overrides": dict(self.trial.overrides), "seed": self.trial.seed, "code_version": code}

    def __str__(self) -> str:
        names = short_names([key for key, _ in self.trial.overrides])
        values = [f"{names[key]}={show(value)}" for key, value in self.trial.overrides]
        return ", ".join([*values, f"seed {self.trial.seed}"])


def read_study(
    command: str, description: str, sources: Sources, options: Sequence[Option] = ()
) -> tuple[Study, Namespace, Config] | None:
    """Return the study that files and flags describe, the options of the command, and the study as plain values.

    Args:
        command: what the help calls it.
        description: what the help starts with.
        sources: files and flags.
        options: of the command.

    Returns:
        None after help.

    Raises:
        ConfigError: for what is no study.
    """
    sources.load_plugins()
    parser = HqlmParser(
        prog=f"hqlm study {command}",
        usage=f"hqlm study {command} --config FILE [--key=value ...]",
        description=description,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="The file of the study, or the name of a shipped one.")
    parser.add_argument("--plugins", type=list[str] | str, default=[], help="Modules to import first.")
    parser.add_class_arguments(Study)
    for option in options:
        parser.add_argument(f"--{option.name}", type=option.type, default=option.default, help=option.help)
    types = {**option_types(Study)[0], "plugins": list[str] | str, **{each.name: each.type for each in options}}
    if sources.asks_for_class:
        print_class_help(Options(types), sources)
        return None
    if sources.wants_help:
        parser.print_help()
        return None
    for _, config in sources.files:
        _check_places(config)
    if not sources.files:
        raise ConfigError("--config is missing: give the file of a study, such as studies/ablation")
    merger = Merger(Options(types))
    merger.add(replace(sources, files=tuple((path, _with_base(path, config)) for path, config in sources.files)))
    parsed = parser.parse_object(merger.finish())
    made = parser.instantiate(parsed)
    names = Study.__dataclass_fields__
    study = Study(**{name: value for name, value in _plain(made).items() if name in names})
    study = replace(study, name=study.name or sources.stem)
    check_name(study.name)
    written: Config = load_yaml(parser.dump(parsed, skip_unset=False, skip_validation=True, format="yaml"))
    return study, made, {key: written[key] for key in ("plugins", *names)} | {"name": study.name}


def _with_base(path: Path, config: Config) -> Config:
    """Return a study file with its base files looked up beside it first; shipped ones keep their names."""
    base = config.get("base")
    if isinstance(base, str | list):
        folder = path.parent
        found = [
            str(folder / each) if isinstance(each, str) and (folder / each).is_file() else each
            for each in ([base] if isinstance(base, str) else base)
        ]
        return {**config, "base": found[0] if isinstance(base, str) else found}
    return config


def _plain(value: Any) -> Any:
    """`value` with dicts in place of the namespaces that jsonargparse makes of class paths, at any depth."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _check_places(config: Config) -> None:
    """Refuse options of a design or an executor that do not stand below it."""
    for key in config:
        name = str(key).rpartition(".")[2]
        for slot in ("design", "executor"):
            owners = [component.__name__ for component in SLOTS[slot].values() if name in field_names(component)]
            owner = config.get(slot) if config.get(slot) in owners else next(iter(owners), None)
            if owner is not None and key not in Study.__dataclass_fields__:
                raise ConfigError(
                    f"{key} is an option of the {slot}. It stands below it, {slot}: {{class_path: {owner}, init_args: "
                    f"{{{name}: ...}}}}, or is a flag, --{slot}.{name}=..."
                )


def trial_experiment(study: Study, overrides: Mapping[str, Any], files: Sequence[tuple[Path, Config]]) -> Experiment:
    """Return the experiment that a trial is, seed apart: files of the experiment, and values on top.

    Args:
        study: of the trial.
        overrides: dotted keys with values.
        files: `base_files` of the study.
    """
    return Experiment.from_sources(Sources(tuple(files), tuple(overrides.items())), _BELOW)


def base_files(study: Study) -> list[tuple[Path, Config]]:
    """Return the configuration files of the experiment of a study.

    Raises:
        ConfigError: for one that is missing or no configuration.
    """
    try:
        paths = [find_config(locate(str(path), Path())) for path in study.bases]
        return [(path, read_config(path)) for path in paths]
    except (ConfigError, DocumentError) as err:
        raise ConfigError(f"base: {err}") from err


def plan(study: Study) -> list[PlannedTrial]:
    """All trials of a study, resolved, made and checked as `hqlm fit` does, before any of them runs.

    Raises:
        ConfigError: for a key that the experiment does not have, or a value it refuses, naming both.
    """
    files = base_files(study)
    known: dict[str, tuple[Config, str]] = {}  # seeds share what is resolved
    told: dict[str, None] = {}  # what changed classes keep of their options, once
    planned = []
    for trial in study.trials:
        overrides = study.overrides_of(trial)
        text = json.dumps(overrides)
        if text not in known:
            resolved, data = _resolve(study, overrides, files)
            known[text] = resolved.config, data
            told.update(dict.fromkeys(resolved.notes))
        config, data = known[text]
        planned.append(PlannedTrial(trial, {**config, "seed_everything": trial.seed}, data))
    _check_distinct(planned)
    print("\n".join(told), end="\n" if told else "")
    return planned


def _check_distinct(planned: Sequence[PlannedTrial]) -> None:
    """Refuse settings that differ in words only: the design would take one run for two."""
    seen: dict[str, PlannedTrial] = {}
    for run in planned:
        other = seen.setdefault(run.key, run)
        if other.trial.overrides != run.trial.overrides:
            raise ConfigError(
                f"the trials with {other} and with {run} are one and the same run: a factor changes nothing there"
            )


def _resolve(study: Study, overrides: Mapping[str, Any], files: Sequence[tuple[Path, Config]]) -> tuple[Resolved, str]:
    """Return the resolved configuration of a trial, and the hash of its data."""
    try:
        experiment = trial_experiment(study, overrides, files)
        parts = experiment.parts  # what is wrong with it is told before any trial runs
        data = data_version([*(parts.data.data_files() if parts.data else ()), *parts.model.data_files()])
    except HqlmError as err:
        given = ", ".join(f"{key}={json.dumps(value)}" for key, value in overrides.items())
        raise ConfigError(f"the trial with {given or 'nothing changed'} cannot run: {err}") from err
    if experiment.resolved.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try trainer.max_epochs: 1")
    devices = experiment.resolved.config["trainer"]["devices"]
    if devices != 1:  # Lightning would start the command of the study again for each further process
        raise ConfigError(
            f"trainer.devices={devices}: a trial trains in one process, and the executor runs several trials at a "
            "time. Leave it out"
        )
    return experiment.resolved, data


def flag_value(value: Any) -> str:
    """Return a value as a flag has it."""
    return value if isinstance(value, str) else yaml_line(value)
