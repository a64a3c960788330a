"""`hqlm study publish`: what a study shows, as one run on W&B."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from filelock import FileLock

from hqlm.callbacks import WandbRun
from hqlm.callbacks.wandb_logger import Mode
from hqlm.commands.study_report import make_report, study_folder
from hqlm.config.parser import HqlmParser
from hqlm.config.plugins import named
from hqlm.config.sources import Config, Sources, read_config
from hqlm.experiment import Experiment
from hqlm.models.trust import check_run
from hqlm.quiet import quiet
from hqlm.run import Run
from hqlm.studies.reporting.wandb import publish_study

_DESCRIPTION: Final = """Send what a study shows to Weights & Biases, as one run in the study's group.

  hqlm study publish ablation

These are the words, tables, plots and circuits of `hqlm study report`, its page, and all trials as a table. Given
again, it renews the same run. Where the trials are reported to W&B (logger/wandb among the base files of
the study), `hqlm study run` does this itself when it is through. Without an account, or while the server does not
answer, records are kept in the folders of the study and its trials, until this sends them:

  wandb sync studies/ablation/wandb studies/ablation/trials/*/wandb
"""
_LOCK: Final = "wandb.lock"


@quiet()
def main(args: list[str]) -> int:
    """Send it."""
    parser = HqlmParser(prog="hqlm study publish", description=_DESCRIPTION)
    parser.add_argument("folder", type=Path, help="of a study, or its name below studies/")
    parser.add_argument("--project", type=str | None, default=None, help="on W&B; by default that of the trials")
    parser.add_argument("--entity", type=str | None, default=None, help="user or team; by default that of the trials")
    parser.add_argument("--mode", type=Mode | None, default=None, help="offline: write records for `wandb sync`")
    parser.add_argument("--plugins", type=list[str] | str, default=[], help="Modules to import first.")
    options = parser.parse_args(args)
    folder = study_folder(options.folder)
    plugins = named({"plugins": options["plugins"]})
    Sources(flags=(("plugins", plugins),)).load_plugins()
    configs = (Run.at(trial).files["config"] for trial in folder.glob("trials/*"))
    trained = next((path for path in configs if path.is_file()), None)
    config = {} if trained is None else read_config(trained)
    if trained is not None:
        check_run(config, trained, plugins)
    logger = (config and wandb_logger(config)) or WandbRun()
    for name in ("project", "entity", "mode"):
        if options[name] is not None:
            setattr(logger, name, options[name])
    publish(folder, logger, plugins)
    return 0


def wandb_logger(config: Config) -> WandbRun | None:
    """Return the W&B logger of a resolved configuration, which is the user's word; None where there is none."""
    return next(iter(Experiment.from_config(config).parts.wandb_loggers), None)


def publish(folder: Path, logger: WandbRun, plugins: Sequence[str]) -> None:
    """Send what a study shows, and say so; one process at a time.

    Args:
        folder: of the study.
        logger: that sends it.
        plugins: modules that the user named.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without what a report needs.
    """
    report, results = make_report(folder, plugins)
    with FileLock(folder / _LOCK):
        if publish_study(folder, report, results, logger):
            name = folder.resolve().name
            print(
                f"recorded for W&B: what the study shows, as the run {name}-summary of the group {logger.group or name}"
            )
