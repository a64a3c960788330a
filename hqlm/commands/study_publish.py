"""`hqlm study publish`: what a study shows, as one run on W&B."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hqlm.callbacks import WandbRun
from hqlm.callbacks.wandb_logger import Mode
from hqlm.commands.study_report import study_folder
from hqlm.config.parser import HqlmParser
from hqlm.config.plugins import named
from hqlm.config.sources import read_config
from hqlm.models.trust import check_run
from hqlm.quiet import quiet
from hqlm.run import Run
from hqlm.studies.reporting.build import make_report
from hqlm.studies.reporting.wandb import publish, wandb_logger
from hqlm.studies.store import read_results
from hqlm.studies.study import Study

_DESCRIPTION: Final = """Send what a study shows to Weights & Biases, as one run in the study's group.

  hqlm study publish ablation

These are the words, tables, plots and circuits of `hqlm study report`, its page, and all trials as a table. Given
again, it renews the same run. Where the trials are reported to W&B (logger/wandb among the base files of
the study), `hqlm study run` does this itself when it is through. Without an account, or while the server does not
answer, records are kept in the folders of the study and its trials, until this sends them:

  wandb sync studies/ablation/wandb studies/ablation/trials/*/wandb
"""


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
    study, results = Study.open(folder, plugins), read_results(folder)
    configs = (Run.at(trial).files["config"] for trial in folder.glob("trials/*"))
    trained = next((path for path in configs if path.is_file()), None)
    config = {} if trained is None else read_config(trained)
    if trained is not None:
        check_run(config, trained, plugins)
    logger = (config and wandb_logger(config)) or WandbRun()
    for name in ("project", "entity", "mode"):
        if options[name] is not None:
            setattr(logger, name, options[name])
    publish(folder, make_report(study, folder, results, plugins), results, logger)
    return 0
