"""`hqlm study publish`: the tables and the report of a study on W&B."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jsonargparse import ArgumentParser

from hqlm.callbacks.wandb_session import Mode
from hqlm.callbacks.wandb_study import PAGE, publish_study
from hqlm.commands.quiet import quiet
from hqlm.errors import RunError
from hqlm.studies.store import STUDY
from hqlm.studies.study import STUDIES

_DESCRIPTION: Final = """Send the tables and the report of a study to Weights & Biases, as one run in the study's group.

  hqlm study report ablation
  hqlm study publish ablation

Its trials are runs of the same group when the study has configs/logger/wandb.yaml among its base files. Without an
account, or while the server does not answer, the run is kept in the study's folder for `wandb sync`.
"""


@quiet()
def main(args: list[str]) -> int:
    """Send what there is."""
    parser = ArgumentParser(prog="hqlm study publish", description=_DESCRIPTION)
    parser.add_argument("folder", type=Path, help="of a study, or its name below studies/")
    parser.add_argument("--project", type=str, default="hqlm", help="on W&B")
    parser.add_argument("--entity", type=str | None, default=None, help="user or team on W&B")
    parser.add_argument("--mode", type=Mode, default="auto", help="offline: write records for `wandb sync`")
    options = parser.parse_args(args)
    folder = next((each for each in (options.folder, STUDIES / options.folder) if (each / STUDY).is_file()), None)
    if folder is None:
        raise RunError(
            f"{options.folder} holds no study: there is no {STUDY}. `hqlm study run --config FILE` makes one"
        )
    publish_study(folder, options.project, options.entity, options.mode)
    if not (folder / PAGE).is_file():
        print(f"there is no {PAGE} yet, so trials were sent without it: hqlm study report {folder.name} writes it")
    return 0
