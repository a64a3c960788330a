"""The summary of a study on W&B, beside the runs of its trials: its words, tables, plots, circuits and its report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from filelock import FileLock

from hqlm.callbacks.wandb_logger import WandbRun, finish_open_run
from hqlm.callbacks.wandb_report import page
from hqlm.config.sources import Config
from hqlm.experiment import Experiment
from hqlm.studies.formatting import plain
from hqlm.studies.reporting.contents import Drawing, Figure, Report
from hqlm.studies.reporting.page import html
from hqlm.studies.store import STUDY

if TYPE_CHECKING:
    import pandas

_LOCK: Final = "wandb.lock"


def wandb_logger(config: Config) -> WandbRun | None:
    """Return the W&B logger of a resolved configuration of the user; None where there is none."""
    return next(iter(Experiment.from_config(config).parts.wandb_loggers), None)


def publish(folder: Path, report: Report, results: pandas.DataFrame, logger: WandbRun) -> None:
    """Record a run of job type `summary` in the study's group, or record it anew: a study has one.

    Its configuration is the study file; its notes are the report's words. What W&B fails at is printed and stops
    nothing; one process does it at a time.

    Args:
        folder: of the study.
        report: what is to be told.
        results: all trials.
        logger: where the trials are reported: project, entity, group, mode and timeout.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
    """
    name = folder.resolve().name
    contents = _contents(report, results)
    counts = {f"trials/{status}": int(count) for status, count in results["status"].value_counts().items()}
    logger.unharmed = "the study is complete all the same"
    with FileLock(folder / _LOCK):
        logger.begin(
            folder,
            group=logger.group or name,
            job_type="summary",
            name=f"{name}-summary",
            notes="\n\n".join(map(plain, [report.progress, *(report.findings.summary if report.findings else ())])),
        )
        logger.log_hyperparams(yaml.safe_load((folder / STUDY).read_text(encoding="utf-8")))
        logger.attempt(lambda run: run.log(contents))
        logger.attempt(lambda run: run.summary.update(counts))
        recorded = logger.version is not None
        finish_open_run()
    if recorded:
        print(f"recorded for W&B: what the study shows, as the run {name}-summary of the group {logger.group or name}")


def _contents(report: Report, results: pandas.DataFrame) -> dict[str, Any]:
    rows = results.astype(object).where(results.notna(), None).values.tolist()
    found = {"study/trials": _table([str(name) for name in results.columns], rows), "study/report": page(html(report))}
    for drawing in report.circuits:
        found[f"circuit/{_key(drawing.title)}"] = page(_captioned(drawing))
    if report.findings is None:
        return found
    raw = report.findings.raw
    found["study/table"] = _table([*raw[0]], [[*row.values()] for row in raw])
    for table in report.findings.tables:
        found[f"table/{_key(table.title)}"] = _table(table.header, table.rows)
    for figure in report.findings.figures:
        found[f"plot/{_key(figure.title)}"] = page(_captioned(figure))
    return found


def _captioned(drawing: Drawing | Figure) -> str:
    return f"{drawing.svg}<p>{escape(drawing.caption)}</p>"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    import wandb

    cells = [[str(value) if isinstance(value, list | dict) else value for value in row] for row in rows]
    return wandb.Table(columns=[*header], data=cells, allow_mixed_types=True)  # levels of a factor may be mixed


def _key(title: str) -> str:
    """Return a title as W&B names what is logged."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")
