"""The summary of a study on W&B, beside the runs of its trials: tables, and the report with its plots."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

import yaml

from hqlm.callbacks.wandb_session import Mode, Session
from hqlm.studies.store import STUDY, read_results

PAGE: Final = "report.html"  # what `hqlm study report` writes: the page, with its plots in it, and its main table
_TABLE: Final = "report.csv"


def publish_study(
    folder: Path, project: str = "hqlm", entity: str | None = None, mode: Mode = "auto", timeout: float = 20.0
) -> None:
    """Send a run of job type `summary` in the study's group: the study file as configuration, all trials as a table.

    The main table and the page of `hqlm study report` go with it where they have been written.

    Args:
        folder: of the study.
        project: on W&B; arguments are those of `WandbRun`.
        entity: user or team.
        mode: `auto`, `online` or `offline`.
        timeout: seconds that the start, and again the end, may wait for the server.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
        RunError: when the folder holds no study.
    """
    results = read_results(folder)
    session = Session(
        folder.resolve(),
        mode,
        timeout,
        project=project,
        entity=entity,
        group=folder.resolve().name,
        job_type="summary",
        name=f"{folder.resolve().name}-summary",
        config=yaml.safe_load((folder / STUDY).read_text(encoding="utf-8")),
    )
    session.try_to(lambda: session.log(_contents(folder, results)))
    session.finish(failed=False)


def _contents(folder: Path, results: Any) -> dict[str, Any]:
    import wandb

    rows = results.astype(object).where(results.notna(), None)
    data = [[str(value) if isinstance(value, list | dict) else value for value in row] for row in rows.values.tolist()]
    columns: list[str | int] = [str(name) for name in rows.columns]
    found: dict[str, Any] = {"study/trials": wandb.Table(columns=columns, data=data)}
    if (folder / _TABLE).is_file():
        with (folder / _TABLE).open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        found["study/table"] = wandb.Table(columns=[*header], data=lines)
    if (folder / PAGE).is_file():
        found["study/report"] = wandb.Html((folder / PAGE).read_text(encoding="utf-8"), inject=False)
    return found
