"""An experiment: a resolved configuration that can build, train and describe itself."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from lightning.pytorch import Callback, Trainer

from hqlm.callbacks import (
    BestCheckpoint,
    BodyFolder,
    ConfigFile,
    LastCheckpoint,
    MetricsFile,
    RandomState,
    StepTime,
    TimeEstimate,
    TrainingTime,
    WandbReport,
    finish_open_run,
)
from hqlm.config.build import Parts, Resolved, interruptible, resolve
from hqlm.config.merge import differences
from hqlm.config.plugins import load_named, named
from hqlm.config.sources import Config, Sources
from hqlm.data import HqlmDataModule
from hqlm.errors import CheckpointError, ConfigError, RunError
from hqlm.files import write_text
from hqlm.io import restoring
from hqlm.models import EmbeddingModel, HqlmModule, TextModel
from hqlm.models.pretrained import WEIGHTS
from hqlm.models.reading import read_checkpoint
from hqlm.models.recipes import to_primitives
from hqlm.models.restoring import check_model, model_settings
from hqlm.quiet import quiet
from hqlm.run import Run, discard_unfinished, find_checkpoint, hold_run, last_checkpoint, new_run

_STATE: Final = ("epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers")  # of training


class Experiment:
    """A model, data and a trainer, as one configuration.

    The objects are recipes: `fit` makes model and data anew from the configuration, with the seed, so that no two
    trainings share anything.

    Args:
        model: a model of hqlm or of a plugin.
        data: its texts; None for a model that reads none.
        trainer: options of `lightning.pytorch.Trainer`, as in a configuration file; callbacks and loggers as classes,
            `functools.partial` of classes, or `{"class_path": ..., "init_args": ...}`.
        seed: of initial values, order and shots.

    Raises:
        ConfigError: for what no configuration can hold, or options that contradict each other.
    """

    def __init__(
        self,
        model: HqlmModule,
        data: HqlmDataModule | None = None,
        trainer: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        config: Config = {"seed_everything": seed, "model": model_settings(model.hparams)}
        if data is not None:
            config["data"] = _data_settings(data)
        config["trainer"] = {key: to_primitives(value, f"trainer.{key}") for key, value in (trainer or {}).items()}
        self._set(resolve(Sources(), config), "run")

    @classmethod
    def read(cls, *files: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None) -> Experiment:
        """Read configuration files, later ones on top, and lay values over them.

        Args:
            files: paths, or names of shipped configurations such as `quickstart` and `noise/ionq_forte`.
            overrides: dotted keys with values, such as `{"model.head.execution.shots": 1024}`.

        Raises:
            ConfigError: for files, options, classes or values that there are not, naming the nearest.
            PluginError: for a plugin that cannot be imported.
        """
        return cls.from_sources(Sources.from_python(files, overrides or {}))

    @classmethod
    def from_sources(cls, sources: Sources, base: Config | None = None, source: Path | None = None) -> Experiment:
        """Return the experiment of files and flags on top of a configuration; arguments as of `resolve`."""
        return cls._made(resolve(sources, base, source), sources.stem or "run")

    @classmethod
    def from_config(cls, config: Config) -> Experiment:
        """Return the experiment of a configuration that is resolved already, and the user's word."""
        load_named(config)
        return cls._made(Resolved(config), "run")

    @classmethod
    def resumed(cls, checkpoint: Path, sources: Sources) -> Experiment:
        """Return the experiment of the run of a checkpoint, under flags of the user.

        Args:
            checkpoint: of the run.
            sources: flags, and files, which stand in place of the configuration of the run if there are any.

        Raises:
            CheckpointError: for a run without configuration, or one that names what is not known.
        """
        run = Run(checkpoint)
        sources.load_plugins()
        run.plugins = tuple(sources.plugins)
        progress, own = _read_progress(checkpoint, run.plugins), run.config
        if not own and not sources.files:
            raise CheckpointError(
                f"the run {run.folder} has no {run.files['config'].name} to resume with: give --config"
            )
        below = (None, None) if sources.files else (own, run.files["config"])
        experiment = cls.from_sources(sources, *below)
        experiment._progress = (checkpoint, progress)
        return experiment

    @classmethod
    def _made(cls, resolved: Resolved, stem: str) -> Experiment:
        experiment = cls.__new__(cls)
        experiment._set(resolved, stem)
        return experiment

    def _set(self, resolved: Resolved, stem: str) -> None:
        self._resolved, self._stem = resolved, stem
        self._parts: Parts | None = None
        self._progress: tuple[Path, dict[str, Any]] | None = None  # a checkpoint to resume from that is read already

    @property
    def resolved(self) -> Resolved:
        """The configuration with what is to be said of it."""
        return self._resolved

    @property
    def stem(self) -> str:
        """Name of a run where none is given: that of the first configuration file."""
        return self._stem

    @property
    def config(self) -> Config:
        """The resolved configuration: every option with its value."""
        return copy.deepcopy(self._resolved.config)

    @property
    def model(self) -> HqlmModule:
        """The model, untrained."""
        return self._build().model

    @property
    def data(self) -> HqlmDataModule | None:
        """The data module; None for a model that reads no texts."""
        return self._build().data

    @property
    def parts(self) -> Parts:
        """Model, data and trainer, as `model` and `data`."""
        return self._build()

    def _build(self) -> Parts:
        if self._parts is None:
            self._parts = Parts(self._resolved)
        return self._parts

    def fit(self, name: str | None = None, resume: bool | str | os.PathLike[str] = False) -> Run:
        """Train into a run folder.

        Args:
            name: of the run below `runs/`; by default that of the first configuration file, with a number behind it
                where there is such a run.
            resume: go on from the last finished epoch of the run of that name, else of the newest run of this
                configuration; or a run or checkpoint to go on from.

        Returns:
            The run.

        Raises:
            RunError: when the run exists, or another process trains it.
            CheckpointError: when there is nothing to resume from.
            KeyboardInterrupt: after Ctrl-C; the last finished epoch is kept.
        """
        if self._resolved.fast_dev_run:
            raise ConfigError("trainer.fast_dev_run keeps nothing of a training: call try_out(), or leave it out")
        self._tell_notes()
        if not resume:
            self._build()  # what is wrong with it leaves no folder behind
            with new_run(name, self._stem) as folder:
                self._fit_held(folder)
            return Run.at(folder)
        given = last_checkpoint(name, self._stem) if resume is True else find_checkpoint(resume, "last")
        run = Run(given)
        if name not in (None, run.name):
            raise RunError(f"--name={name}: {given} resumes in its own run {run.name}. Leave the name out")
        run.plugins = tuple(named(self._resolved.config))
        progress = _read_progress(given, run.plugins) if self._progress is None else self._progress[1]
        own = run.config
        self._check_seed(own)
        for line in differences(own, self._resolved.config):
            print(f"overrides the run so far: {line}")
        with hold_run(run.folder):
            self._fit_held(run.folder, given, progress)
        return Run.at(run.folder)

    def _fit_held(self, folder: Path, checkpoint: Path | None = None, progress: dict[str, Any] | None = None) -> None:
        try:
            self.fit_into(folder, checkpoint, progress)
        except KeyboardInterrupt as err:
            run = Run.at(folder)
            if run.has_begun:
                said = f"; the last finished epoch is kept. Resume: hqlm fit --ckpt_path {_relative(run.last)}"
            else:
                said = " before the first epoch was finished: the same command starts again"
                discard_unfinished(folder)
            raise KeyboardInterrupt(said) from err
        finally:
            finish_open_run()

    def try_out(self) -> None:
        """Run a few steps as `trainer.fast_dev_run` has it, and keep nothing."""
        self._tell_notes()
        parts = self._build()
        with quiet():
            _warm_start(parts.model)
            parts.make_trainer([], None, None).fit(parts.model, datamodule=parts.data)
        self._parts = None

    def fit_or_resume(self, folder: Path) -> dict[str, Any]:
        """Train into a folder, from its last finished epoch if there is one, and return the summary."""
        run = Run.at(folder)
        return self.fit_into(folder, run.last if run.has_begun else None)

    def fit_into(
        self, folder: Path, checkpoint: Path | None = None, progress: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Train into a folder that is held, from a checkpoint if there is one, and return its summary.

        Args:
            folder: of the run.
            checkpoint: to go on from.
            progress: what it holds, where it was read already.
        """
        parts, self._parts = self._build(), None
        files = Run.at(folder).files
        with quiet():
            step = None
            if checkpoint is not None:
                progress = progress or read_checkpoint(checkpoint)
                step = int(progress["global_step"])
                parts.model.find_body(files["body"])
                parts.model.check_resume(progress)
                print(f"resuming {_relative(folder)} after epoch {progress['epoch']}")
            else:
                _warm_start(parts.model)
            best = BestCheckpoint(files["best"], parts.model)
            clock, steps = TrainingTime(), StepTime()
            text = yaml.safe_dump(self._resolved.config, sort_keys=False, allow_unicode=True)
            metrics = MetricsFile(files["metrics"], step)
            callbacks: list[Callback] = [WandbReport(each, metrics, files["config"]) for each in parts.wandb_loggers]
            callbacks += [TimeEstimate(), best, clock, steps, RandomState()]  # the estimate before the clock starts
            callbacks += [ConfigFile(text, files["config"]), BodyFolder(files["body"], best)]
            callbacks.append(LastCheckpoint(files["last"]))  # after the others, whose state it keeps
            trainer = parts.make_trainer(callbacks, metrics, files["last"].parent)
            start = time.perf_counter()
            with restoring(trainer, checkpoint), interruptible(trainer):
                trainer.fit(parts.model, datamodule=parts.data, ckpt_path=checkpoint)
        summary = self._summary(parts.model, trainer, best, folder)
        summary["seconds"] = round(time.perf_counter() - start, 2)
        summary["training_seconds"] = round(clock.seconds, 3)
        summary["step_seconds"] = steps.seconds
        if trainer.is_global_zero:
            write_text(files["summary"], json.dumps(summary, indent=2) + "\n")
        return summary

    def _summary(self, model: HqlmModule, trainer: Trainer, best: BestCheckpoint, folder: Path) -> dict[str, Any]:
        score = best.best_model_score
        stage = {"stage": model.stage} if isinstance(model, EmbeddingModel) else {}
        return {
            "name": folder.name,
            model.score.replace("/", "_"): None if score is None else float(score),
            **stage,
            "parameters": model.parameter_counts(),
            "epochs": trainer.current_epoch,
            "seed": self._resolved.config["seed_everything"],
            "checkpoint": str(Path(best.best_model_path).resolve()) if best.best_model_path else None,
            "config": str(Run.at(folder).files["config"].resolve()),
        }

    def _tell_notes(self) -> None:
        for note in self._resolved.notes:
            print(note)

    def _check_seed(self, own: Config) -> None:
        """Refuse another seed, which would change nothing but the order of rows: generators keep their state."""
        old, new = own.get("seed_everything"), self._resolved.config["seed_everything"]
        if old not in (None, new):
            raise ConfigError(
                f"seed_everything: a run that is resumed cannot change it from {old} to {new}. Set "
                f"--seed_everything={old}, or start a new run"
            )

    def __repr__(self) -> str:
        model = str(self._resolved.config["model"]["class_path"]).rpartition(".")[2]
        data = (self._resolved.config.get("data") or {}).get("class_path", "no data").rpartition(".")[2]
        return f"Experiment({model}, {data}, seed {self._resolved.config['seed_everything']})"


def _read_progress(path: Path, plugins: tuple[str, ...]) -> dict[str, Any]:
    """Return a checkpoint that holds the state of a training, and names nothing but what is known."""
    if path.name == WEIGHTS:
        raise CheckpointError(f"{path} holds weights and no state of training: resume from a checkpoint of the run")
    checkpoint = read_checkpoint(path)
    missing = [name for name in _STATE if name not in checkpoint]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: resume from a checkpoint of the run")
    check_model(checkpoint["hyper_parameters"], path, plugins)
    return checkpoint


def _warm_start(model: HqlmModule) -> None:
    if isinstance(model, TextModel) and model.init_from is not None:
        model.warm_start(read_checkpoint(find_checkpoint(model.init_from)))


def _data_settings(data: HqlmDataModule) -> Config:
    """Return a data module as a class with the options that it was made with."""
    kind = type(data)
    options = {name: to_primitives(value, f"data.{name}") for name, value in data.options.items()}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": options}


def _relative(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
