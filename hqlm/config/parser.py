"""The parser of resolved configurations and of command options, which also writes their help."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace
from lightning.pytorch import Trainer

from hqlm.config.merge import Merger, Options, at, import_class, supplied
from hqlm.config.messages import explain
from hqlm.config.sources import Sources
from hqlm.data import HqlmDataModule
from hqlm.errors import ConfigError, user_mistake
from hqlm.models import HqlmModule

EXPERIMENT: Final = Options(
    {
        "plugins": list[str] | str,
        "seed_everything": int,
        "trainer": Options.of(Trainer),
        "model": HqlmModule,
        "data": HqlmDataModule | None,
    },
    defaults={"model": {"class_path": "hqlm.models.text_model.TextModel", "init_args": {}}},
)
_TRAINER_DEFAULTS: Final = {
    "max_epochs": 8,
    "log_every_n_steps": 10,  # a few-shot epoch has fewer steps than Lightning's 50, and would not be logged
    "enable_model_summary": False,  # the summary of the run lists quantum and classical parameters
}
_MOST_USED: Final = {
    "help", "config", "plugins", "seed_everything", "model", "model.help", "data", "data.help",
    "trainer.max_epochs", "trainer.accelerator", "trainer.devices", "trainer.precision", "trainer.callbacks",
    "trainer.logger", "trainer.gradient_clip_val", "trainer.accumulate_grad_batches", "trainer.limit_train_batches",
    "trainer.fast_dev_run", "trainer.enable_progress_bar",
}  # fmt: skip
_ALL: Final = (
    "\n`--help=all` shows every option of the trainer; `--model.help NAME` and `--data.help NAME` those of a class."
)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of descriptions, so that examples stay readable."""


class HqlmParser(ArgumentParser):
    """A parser that raises errors instead of printing pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, formatter_class=_HelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a ConfigError with the given value and the allowed ones."""
        if not self.exit_on_error:  # nested parsers: jsonargparse itself collects their errors
            super().error(message, ex)
        mistake = user_mistake(ex)
        if mistake is not None:
            raise mistake
        names = [option for action in self._actions for option in action.option_strings]
        options = [name.removeprefix("--") for name in names if name.startswith("--") and not name.endswith("+")]
        raise ConfigError(explain(message, options)) from ex


@dataclass(frozen=True)
class Option:
    """An option of a command in addition to those of an experiment.

    Args:
        name: name as a flag and in a file.
        type: type of its value.
        default: value if it is not given.
        help: description.
    """

    name: str
    type: Any
    default: Any
    help: str


RUN: Final = (
    Option("name", str | None, None, "Name of the run; by default that of the configuration file."),
    Option(
        "ckpt_path",
        str | None,
        None,
        "A checkpoint, or the folder or name of a run. fit resumes from it; `last`: from the newest run.",
    ),
)


@cache
def experiment_parser() -> HqlmParser:
    """Return the parser of resolved configurations: plugins, seed, trainer, model and data."""
    return _with_experiment(HqlmParser(prog="hqlm"))


def read_options(options: Collection[Option], sources: Sources) -> Namespace:
    """Return the values of a command's options, converted to their types.

    Args:
        options: options of the command.
        sources: sources with no other keys.

    Raises:
        ConfigError: for an invalid value.
    """
    parser = _with_options(HqlmParser(prog="hqlm"), options)
    merger = Merger(Options({option.name: option.type for option in options}))
    merger.add(sources)
    values: Namespace = parser.instantiate(parser.parse_object(merger.finish()))
    return values


def print_help(command: str, description: str, options: Collection[Option], sources: Sources) -> None:
    """Print the options of a command: the most common ones, all (`--help=all`), or those of a class.

    Args:
        command: name of the command.
        description: start of its help.
        options: options of the command in addition to those of an experiment.
        sources: files and flags, including those that ask for help.
    """
    sources.load_plugins()
    if sources.asks_for_class:
        print_class_help(EXPERIMENT, sources)
        return
    is_short = "all" not in dict(sources.flags).values()
    parser = HqlmParser(
        prog=f"hqlm {command}",
        usage=f"hqlm {command} [--config FILE ...] [--key=value ...]",
        description=description + (_ALL if is_short else ""),
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="A configuration file, or the name of a shipped one.")
    _with_experiment(_with_options(parser, options))
    if is_short:
        shown = _MOST_USED | {option.name for option in options}
        for action in parser._actions:
            if action.dest not in shown and action.dest.partition(".")[0] not in shown - {"model", "data"}:
                action.help = argparse.SUPPRESS
    parser.print_help()


def print_class_help(root: Options, sources: Sources) -> None:
    """Print the options of the class at a key, or of one allowed there: `--model.head.ansatz.help=RingAnsatz`.

    Args:
        root: types of the top-level keys.
        sources: files and flags, including the one that asks.

    Raises:
        ConfigError: for an unknown class.
    """
    asked, name = next((key, value) for key, value in sources.flags if key.endswith(".help"))
    key = asked.removesuffix(".help")
    others = tuple((other, value) for other, value in sources.flags if not other.endswith(".help"))
    merger = Merger(root)
    merger.add(Sources(sources.files, (*others, *([(key, name)] if name else []))))
    node = at(merger.config, key.split("."))
    if not isinstance(node, Mapping) or "class_path" not in node:
        raise ConfigError(f"--{asked}: name the class, such as --{asked}=NAME. `hqlm components` lists them")
    component = import_class(node["class_path"])
    parser = HqlmParser(prog="hqlm", usage=argparse.SUPPRESS, add_help=False)
    parser.add_class_arguments(component, key, fail_untyped=False, skip=set(supplied(component)))
    parser.print_help()


def _with_options(parser: HqlmParser, options: Collection[Option]) -> HqlmParser:
    for option in options:
        parser.add_argument(f"--{option.name}", type=option.type, default=option.default, help=option.help)
    return parser


def _with_experiment(parser: HqlmParser) -> HqlmParser:
    parser.add_argument(
        "--plugins",
        type=list[str] | str,
        default=[],
        help="Modules to import first, whose components can then be chosen by name: plugins.my_backend",
    )
    parser.add_argument("--seed_everything", type=int, default=0, help="Seed of initial values, order and shots.")
    parser.add_subclass_arguments(HqlmModule, "model", fail_untyped=False, required=True)
    parser.add_subclass_arguments(HqlmDataModule, "data", fail_untyped=False, required=False)
    parser.add_class_arguments(Trainer, "trainer", fail_untyped=False, instantiate=False, sub_configs=True)
    parser.set_defaults({f"trainer.{key}": value for key, value in _TRAINER_DEFAULTS.items()})
    return parser
