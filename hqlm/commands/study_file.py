"""A study file and flags, made into a Study; and the experiment that each of its trials is."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hqlm.commands.names import expand
from hqlm.commands.parser import HqlmParser
from hqlm.commands.request import Config, Flag, Request, load_yaml, read_config
from hqlm.commands.runs import check_name
from hqlm.commands.slots import SLOTS
from hqlm.commands.training_cli import HqlmCLI
from hqlm.errors import ConfigError, DocumentError, HqlmError
from hqlm.files import yaml_line
from hqlm.registry import field_names
from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.code import code_version, data_version
from hqlm.studies.designs import Trial
from hqlm.studies.study import Study

_BELOW: Config = {"trainer": {"devices": 1, "enable_progress_bar": False}}  # the bar of the study is enough


@dataclass(frozen=True)
class Run:
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


def study_parser(command: str, description: str) -> HqlmParser:
    """A parser of study files; subcommands add their own options."""
    parser = HqlmParser(
        prog=f"hqlm study {command}",
        usage=f"hqlm study {command} --config FILE [--key=value ...]",
        description=description,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action="config", help="The file of the study.")
    parser.add_argument("--plugins", type=list[str] | str, default=[], help="Modules to import first.")
    parser.add_class_arguments(Study)
    return parser


def read_study(parser: HqlmParser, request: Request) -> tuple[Study, Namespace]:
    """The study that a command line asks for, with all options as they were parsed.

    Raises:
        ConfigError: for what is no study.
    """
    request.load_plugins()
    for _, config in request.files:
        _check_places(config)
    if not request.files and not request.wants_help:
        raise ConfigError("--config is missing: give the file of a study, such as configs/studies/ablation.yaml")
    options = parser.parse_args(request.arguments())
    made = parser.instantiate_classes(options)
    names = Study.__dataclass_fields__
    study = Study(**{name: value for name, value in _plain(made).items() if name in names})
    study = replace(study, name=study.name or request.stem)
    check_name(study.name)
    return study, options


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


def trial_request(study: Study, overrides: Mapping[str, Any]) -> Request:
    """The command line of `hqlm fit` that a trial is, seed apart: files of the experiment, and values as flags."""
    flags = [Flag(f"--{key}", flag_value(key, value)) for key, value in overrides.items()]
    return Request(_base_files(study), flags, _BELOW)


def _base_files(study: Study) -> list[tuple[Path, Config]]:
    try:
        return [(path, read_config(path)) for path in study.bases]
    except (ConfigError, DocumentError) as err:
        raise ConfigError(f"base: {err}") from err


def plan(study: Study) -> list[Run]:
    """All trials of a study, resolved, made and checked as `hqlm fit` does, before any of them runs.

    Raises:
        ConfigError: for a key that the experiment does not have, or a value it refuses, naming both.
    """
    _base_files(study)  # what is wrong with them is no fault of the first trial
    known: dict[str, tuple[Config, str]] = {}  # seeds share what is resolved
    told: dict[str, None] = {}  # what changed classes keep of their options, once
    planned = []
    for trial in study.trials:
        overrides = study.overrides_of(trial)
        text = json.dumps(overrides)
        if text not in known:
            with redirect_stdout(io.StringIO()) as said:
                known[text] = _resolve(study, overrides)
            told.update(dict.fromkeys(said.getvalue().splitlines()))
        config, data = known[text]
        planned.append(Run(trial, {**config, "seed_everything": trial.seed}, data))
    _check_distinct(planned)
    print("\n".join(told), end="\n" if told else "")
    return planned


def _check_distinct(planned: Sequence[Run]) -> None:
    """Refuse settings that differ in words only: the design would take one run for two."""
    seen: dict[str, Run] = {}
    for run in planned:
        other = seen.setdefault(run.key, run)
        if other.trial.overrides != run.trial.overrides:
            raise ConfigError(
                f"the trials with {other} and with {run} are one and the same run: a factor changes nothing there"
            )


def _resolve(study: Study, overrides: Mapping[str, Any]) -> tuple[Config, str]:
    """Return the configuration of a trial, and the hash of its data."""
    try:
        request = trial_request(study, overrides)
        request.load_plugins()
        cli = HqlmCLI("study", "", request)
        data = data_version([*(cli.datamodule.data_files() if cli.datamodule else ()), *cli.model.data_files()])
    except HqlmError as err:
        given = ", ".join(f"{key}={json.dumps(value)}" for key, value in overrides.items())
        raise ConfigError(f"the trial with {given or 'nothing changed'} cannot run: {err}") from err
    if cli.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try trainer.max_epochs: 1")
    config: Config = load_yaml(cli.config_text())
    devices = config["trainer"]["devices"]
    if devices != 1:  # Lightning would start the command of the study again for each further process
        raise ConfigError(
            f"trainer.devices={devices}: a trial trains in one process, and the executor runs several trials at a "
            "time. Leave it out"
        )
    return config, data


def study_text(parser: HqlmParser, options: Namespace, study: Study) -> str:
    """The resolved study as YAML."""
    own = options.clone()
    for key in set(vars(own)) - set(Study.__dataclass_fields__) - {"plugins"}:
        own.pop(key)
    own["name"] = study.name
    return str(parser.dump(own, skip_none=False, skip_validation=True, format="yaml"))


def flag_value(key: str, value: Any) -> str:
    """A value as a flag has it, short names of components within it made into class paths."""
    return value if isinstance(value, str) else yaml_line(expand(value, key.rpartition(".")[2]))
