"""What fit, validate, test and predict share: the parser, the classes it makes, and the trainer."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger

from hqlm.commands.layers import check_inherited, check_noise, defaults, import_class, settle
from hqlm.commands.nulls import check_nulls
from hqlm.commands.parser import HqlmParser
from hqlm.commands.request import Request
from hqlm.data import HqlmDataModule
from hqlm.errors import ConfigError, refusal
from hqlm.io import CheckpointFiles
from hqlm.models import EmbeddingModel, HqlmModule
from hqlm.models.preparation import check_callbacks
from hqlm.processes import watch_processes

_TRAINER_DEFAULTS: Final = {
    "max_epochs": 8,
    "log_every_n_steps": 10,  # a few-shot epoch has fewer steps than Lightning's 50, and would log nothing
    "enable_model_summary": False,  # the summary of the run says what is trained, in words of quantum and classical
}
_LOWEST: Final = {  # of the options that Lightning does not check itself
    "accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "gradient_clip_val": 0, "num_nodes": 1,
    "reload_dataloaders_every_n_epochs": 0,
}  # fmt: skip
_DEFAULT_MODEL: Final = {
    "class_path": "hqlm.models.TextModel",
    "init_args": {"head": {"class_path": "hqlm.heads.QuantumHead"}},
}
_LARGEST_SEED: Final = 2**32 - 1  # that NumPy and Lightning take


class HqlmCLI(LightningCLI):
    """LightningCLI over all models and data sets that have a name; it parses and makes, and runs nothing.

    Args:
        command: what the parser calls itself.
        description: what its help starts with.
        request: the command line after the command.
    """

    model: HqlmModule
    datamodule: HqlmDataModule | None

    def __init__(self, command: str, description: str, request: Request) -> None:
        self.request = request
        super().__init__(
            HqlmModule,
            HqlmDataModule,
            save_config_callback=None,
            trainer_defaults=dict(_TRAINER_DEFAULTS),
            seed_everything_default=0,
            parser_kwargs={
                "prog": f"hqlm {command}",
                "usage": f"hqlm {command} [--config FILE ...] [--key=value ...]",
                "description": description,
                "allow_abbrev": False,
            },
            parser_class=HqlmParser,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=request.arguments(),
            run=False,
            auto_configure_optimizers=False,
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Plugins first, so that a saved configuration names them before their classes."""
        parser.add_argument(
            "--plugins",
            type=list[str] | str,
            default=[],
            help="Modules to import first, whose components can then be chosen by name: plugins.my_backend",
        )
        super().add_default_arguments_to_parser(parser)

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """As in LightningCLI, but `--data` may be missing: not every model needs texts."""
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        parser.set_defaults({f"trainer.{key}": value for key, value in self.trainer_defaults.items()})
        parser.add_lightning_class_args(HqlmModule, "model", subclass_mode=True, required=False)
        parser.set_defaults({"model": _DEFAULT_MODEL})
        parser.add_lightning_class_args(HqlmDataModule, "data", subclass_mode=True, required=False)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """What names a run and a checkpoint."""
        parser.add_argument(
            "--name", type=str | None, default=None, help="Name of the run; by default that of the configuration file."
        )
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="A checkpoint, or the folder or name of a run. fit goes on from it; `last`: from the newest run.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse `args`, and say what classes that a flag or a later file has changed keep of their options."""
        self.config = parser.parse_args(args)  # the base class warns of sys.argv, which main(args) does not read
        if "fast_dev_run" not in (self.config.get("trainer") or {}):
            raise ConfigError("trainer: options of the trainer stand below it, such as trainer: {max_epochs: 8}")
        seed = self.config["seed_everything"]
        if not 0 <= seed <= _LARGEST_SEED:
            raise ConfigError(f"seed_everything={seed}: give a whole number from 0 to {_LARGEST_SEED}")
        layers, flags = self.request.layers(defaults(import_class(self.config["model"]["class_path"])))
        check_noise(layers, flags)
        if self.request.source is not None:
            check_inherited(self.config, layers, flags, self.request.source)
        for key in ("model", "data"):
            if self.config.get(key) is not None:
                check_nulls(self.config[key], key)
        for line in settle(self.config, [*layers, flags]):
            print(line)

    def instantiate_classes(self) -> None:
        """Model and data; the trainer follows in `make_trainer`, when the folder of the run is known."""
        callbacks = _listed(self.config["trainer"]["callbacks"])
        check_callbacks(import_class(each["class_path"]) for each in callbacks if "class_path" in each)
        try:
            self.config_init = self.parser.instantiate_classes(self.config)
        except Exception as err:  # whatever the constructor of a class raises that the user has named
            mistake = refusal(err, _refusing_class(err))
            if mistake is None:
                raise
            raise mistake from err
        self.model = self.config_init["model"]
        self.datamodule = self.config_init.get("data")
        if isinstance(self.model, EmbeddingModel) and self.datamodule is None:
            raise ConfigError(f"{type(self.model).__name__} needs a data set of texts, for example --data=ReviewsData")

    @property
    def fast_dev_run(self) -> bool:
        """Whether this is a trial of a few steps, which writes nothing."""
        return bool(self.config["trainer"]["fast_dev_run"])

    @property
    def loggers(self) -> list[Any]:
        """The loggers of the configuration; none where it leaves the choice to Lightning or wants none."""
        given = self.config_init["trainer"]["logger"]
        return [] if given in (None, True, False) else _listed(given)

    def config_text(self) -> str:
        """The resolved configuration, without what belongs to this one run, as YAML."""
        config = self.config.clone()
        for key in ("name", "ckpt_path", "config"):
            config.pop(key, None)
        return str(self.parser.dump(config, skip_none=False, skip_validation=True, format="yaml"))

    def make_trainer(self, callbacks: Sequence[Callback], logger: Logger | None, folder: Path | None = None) -> Trainer:
        """The trainer as configured, with `callbacks` and `logger` beside those of the configuration.

        Args:
            callbacks: beside those of the configuration.
            logger: beside those of the configuration.
            folder: of the run, in which earlier checkpoints may be removed.
        """
        config = dict(self.config_init["trainer"])
        for name, lowest in _LOWEST.items():
            if config[name] is not None and not config[name] >= lowest:  # NaN is not either
                raise ConfigError(f"trainer.{name}={config[name]}: give {lowest} or more")
        watching = [each for each in self.loggers if isinstance(each, Callback)]  # a logger may be both
        config["callbacks"] = [*_listed(config["callbacks"]), *watching, *callbacks]
        config["plugins"] = [*_listed(config["plugins"]), CheckpointFiles(folder)]
        if config["logger"] is not False:
            config["logger"] = [*([logger] if logger is not None else []), *self.loggers] or False
        try:
            trainer = Trainer(**config)
        except Exception as err:  # whatever it is, Lightning refuses what the user has set
            mistake = refusal(err, "trainer")
            if mistake is None:
                raise
            raise mistake from err
        watch_processes(trainer)
        return trainer


def _refusing_class(error: BaseException) -> str:
    """Return the name of the class whose constructor raised an exception."""
    names = [
        type(frame.f_locals["self"]).__name__
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name in ("__init__", "__post_init__") and "self" in frame.f_locals
    ]
    return names[-1] if names else "the configuration"


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C interrupt a trainer as it does anything else; Lightning exits, and is deaf to it from then on.

    Raises:
        KeyboardInterrupt: after Ctrl-C, or SIGTERM in a training.
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


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
