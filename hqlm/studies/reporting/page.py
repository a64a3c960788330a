"""A report as one self-contained page of HTML, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.files import write_text
from hqlm.studies.reporting.contents import Report

if TYPE_CHECKING:
    import pandas

HTML: Final = "report.html"
MARKDOWN: Final = "report.md"
TABLE: Final = "report.csv"
TRIALS: Final = "trials.csv"


def write(report: Report, results: pandas.DataFrame, folder: Path) -> tuple[Path, ...]:
    """Write `report.html`, `report.md`, `report.csv` (the main table as numbers) and `trials.csv`, each whole."""
    texts = {
        HTML: html(report),
        MARKDOWN: markdown(report),
        TABLE: _csv(report),
        TRIALS: results.map(_cell).to_csv(index=False, lineterminator="\n"),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in texts)


def html(report: Report) -> str:
    """One page that loads nothing; all text in it is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("hqlm.studies.reporting").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report)


def markdown(report: Report) -> str:
    """Words and tables, without plots."""
    parts = [f"# {report.title}", report.design, report.progress, "## What the data says"]
    if report.findings is None:
        parts.append("Too few trials are done to say anything yet.")
    else:
        parts.append(" ".join(report.findings.summary))
        parts += [f"### {table.title}\n\n{table.markdown}\n\n{table.note}".rstrip() for table in report.findings.tables]
    if report.failures:
        parts += ["## Failed trials", "\n".join(f"- {failure}" for failure in report.failures)]
    parts += ["## What the design cannot tell apart", _fenced(report.aliasing)]
    parts += ["## Circuits", *([report.no_circuit] if report.no_circuit else [])]
    for drawing in report.circuits:
        parts += [f"### {drawing.title}", drawing.caption, _fenced(drawing.text)]
    parts += ["## How to repeat it", _fenced("\n".join(report.commands)), "study.yaml:", _fenced(report.study)]
    if report.experiment:
        parts += [f"{report.experiment[0]}:", _fenced(report.experiment[1])]
    parts.append("Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    return "\n\n".join(parts) + "\n"


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def _cell(value: Any) -> Any:
    """A value of a factor as other programs read it: classes with options and lists are JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _csv(report: Report) -> str:
    rows = report.findings.raw if report.findings else []
    text = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
