"""Resolved configurations, and the model, data and trainer that they describe."""

from __future__ import annotations

import copy
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import Logger

from hqlm.callbacks import WandbRun
from hqlm.config.merge import Merger, import_class, with_whole_paths
from hqlm.config.messages import innermost
from hqlm.config.parser import EXPERIMENT, experiment_parser
from hqlm.config.sources import Config, Sources, load_yaml
from hqlm.data import HqlmDataModule
from hqlm.errors import ConfigError, MissingDependency, refusal
from hqlm.io import CheckpointFiles
from hqlm.models import EmbeddingModel, HqlmModule
from hqlm.models.preparation import check_callbacks
from hqlm.processes import watch_processes

_LOWEST: Final = {  # lowest values of options that Lightning does not check itself
    "accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "gradient_clip_val": 0, "num_nodes": 1,
    "reload_dataloaders_every_n_epochs": 0,
}  # fmt: skip
LARGEST_SEED: Final = 2**32 - 1  # that NumPy and Lightning accept


@dataclass(frozen=True)
class Resolved:
    """A complete configuration: every class with its path, every option with its value.

    Args:
        config: plugins, seed, trainer, model and data as plain values.
        notes: which options were kept and dropped when one class replaced another.
    """

    config: Config
    notes: tuple[str, ...] = ()

    @cached_property
    def parsed(self) -> Namespace:
        """The configuration as parsed by jsonargparse.

        Raises:
            ConfigError: for an invalid value.
        """
        parsed: Namespace = experiment_parser().parse_object(copy.deepcopy(self.config))  # it changes what it is given
        return parsed

    @property
    def fast_dev_run(self) -> bool:
        """Whether this is a trial of a few steps, which writes nothing."""
        return bool(self.config["trainer"].get("fast_dev_run"))


def resolve(sources: Sources, base: Config | None = None, source: Path | None = None) -> Resolved:
    """Return the complete configuration of files and flags on top of a base configuration.

    Args:
        sources: files and flags.
        base: configuration below them, such as the settings of a checkpoint.
        source: file of `base`, if it does not come from the user; its content must have passed
            `hqlm.models.trust`.

    Raises:
        ConfigError: for unknown options, classes or values, with the nearest match.
        PluginError: if a plugin that cannot be imported.
    """
    sources.load_plugins()
    merger = Merger(EXPERIMENT, source)
    if base:
        merger.add_layer(base)
    merger.add(sources)
    config = {**EXPERIMENT.defaults, **merger.finish()}
    callbacks = _as_list((config.get("trainer") or {}).get("callbacks"))
    check_callbacks(import_class(each["class_path"]) for each in callbacks if isinstance(each, Mapping))
    parser = experiment_parser()
    parsed = parser.parse_object(config)
    seed = parsed["seed_everything"]
    if not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed_everything={seed} must be a whole number from 0 to {LARGEST_SEED}")
    whole = load_yaml(parser.dump(parsed, skip_unset=False, skip_validation=True, format="yaml"))
    resolved = Resolved(with_whole_paths(whole), tuple(merger.notes))
    resolved.__dict__["parsed"] = parsed
    return resolved


class Parts:
    """The model, the data and the trainer of a configuration.

    Args:
        resolved: the configuration.

    Attributes:
        model: the model, created with the seed of the configuration.
        data: the data module; None for a model that reads no texts.
        loggers: the configured loggers.

    Raises:
        ConfigError: for options that a class rejects.
    """

    model: HqlmModule
    data: HqlmDataModule | None

    def __init__(self, resolved: Resolved) -> None:
        seed_everything(resolved.config["seed_everything"], workers=True, verbose=False)
        try:
            made = experiment_parser().instantiate(resolved.parsed)
        except Exception as err:  # a constructor that the user chose may raise anything
            absent = _absent_package(err)
            if absent:
                raise MissingDependency(f"the configuration needs a package that is not installed: {absent}") from err
            option = _refusing_class(err)
            mistake = refusal(err, option)
            if mistake is None:
                raise
            said = innermost(str(err))
            raise (ConfigError(f"{option}: {said}") if said else mistake) from err
        self.model, self.data, self._trainer = made["model"], made.get("data"), dict(made["trainer"])
        if isinstance(self.model, EmbeddingModel) and self.data is None:
            raise ConfigError(f"{type(self.model).__name__} needs a data set of texts, for example --data=ReviewsData")

    @property
    def loggers(self) -> list[Any]:
        """The configured loggers; empty if Lightning chooses or none is wanted."""
        given = self._trainer["logger"]
        return [] if given in (None, True, False) else _as_list(given)

    @property
    def wandb_loggers(self) -> list[WandbRun]:
        """Configured loggers that report to W&B."""
        return [each for each in self.loggers if isinstance(each, WandbRun)]

    def make_trainer(self, callbacks: Sequence[Callback], logger: Logger | None, checkpoints: Path | None) -> Trainer:
        """Return the trainer with `callbacks` and `logger` in addition to the configured ones.

        Args:
            callbacks: further callbacks.
            logger: further logger.
            checkpoints: folder in which earlier checkpoints may be removed; None for none.
        """
        options = dict(self._trainer)
        for name, lowest in _LOWEST.items():
            if options[name] is not None and not options[name] >= lowest:  # NaN is not either
                raise ConfigError(f"trainer.{name}={options[name]} must be {lowest} or more")
        options["callbacks"] = [*_as_list(options["callbacks"]), *callbacks]
        options["plugins"] = [*_as_list(options["plugins"]), CheckpointFiles(checkpoints)]
        if options["logger"] is not False:
            options["logger"] = [*([logger] if logger is not None else []), *self.loggers] or False
        try:
            trainer = Trainer(**options)
        except Exception as err:  # any exception: Lightning rejects a setting of the user
            mistake = refusal(err, "trainer")
            if mistake is None:
                raise
            raise mistake from err
        watch_processes(trainer)
        return trainer


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C interrupt a trainer as it interrupts other code.

    Lightning exits after it, and then ignores it (2.4 and later; its pull request 19976 and issue 11924).

    Raises:
        KeyboardInterrupt: after Ctrl-C, or after SIGTERM in a training.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as err:
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from err
    finally:
        signal.signal(signal.SIGINT, handler)


def _absent_package(error: BaseException | None) -> str:
    """Return Lightning's message about a package that it cannot import; empty for any other exception."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    is_ours = isinstance(error, MissingDependency) or error is None
    return "" if is_ours else str(error).partition("\n")[0]


def _refusing_class(error: BaseException) -> str:
    """Return the name of the class whose constructor raised an exception."""
    names = [
        type(frame.f_locals["self"]).__name__
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name in ("__init__", "__post_init__")
        and "self" in frame.f_locals
        and not isinstance(frame.f_locals["self"], Parts)
    ]
    return names[-1] if names else "the configuration"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
