"""A report as one self-contained page of HTML, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.files import write_text
from hqlm.studies.formatting import plain
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
        TRIALS: results.map(_cell).rename(columns=_cell).to_csv(index=False, lineterminator="\n"),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in texts)


def html(report: Report) -> str:
    """Return one page that loads nothing; all text in it is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("hqlm.studies.reporting").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report)


def markdown(report: Report) -> str:
    """Return words and tables, without plots."""
    parts = [f"# {plain(report.title)}", plain(report.design), plain(report.progress), "## What the data says"]
    if report.findings is None:
        parts.append("Too few trials are done to say anything yet.")
    else:
        parts.append(plain(" ".join(report.findings.summary)))
        for table in report.findings.tables:
            parts.append(f"### {plain(table.title)}\n\n{table.markdown}\n\n{plain(table.note)}".rstrip())
    if report.failures:
        parts += ["## Failed trials", "\n".join(f"- {plain(failure)}" for failure in report.failures)]
    parts += ["## What the design cannot tell apart", _fenced(report.aliasing)]
    parts += ["## Circuits", *([plain(report.no_circuit)] if report.no_circuit else [])]
    for drawing in report.circuits:
        parts += [f"### {plain(drawing.title)}", plain(drawing.caption), _fenced(drawing.text)]
    parts += ["## How to repeat it", _fenced("\n".join(report.commands)), "study.yaml:", _fenced(report.study)]
    if report.experiment:
        parts += [f"{plain(report.experiment[0])}:", _fenced(report.experiment[1])]
    parts.append(plain("Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items())))
    return "\n\n".join(parts) + "\n"


def _fenced(text: str) -> str:
    fence = max(["``", *re.findall("`+", text)], key=len) + "`"  # longer than what stands in the text
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _cell(value: Any) -> Any:
    """Return a value as other programs read it: classes and lists as JSON, and no text as a formula."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and re.match(r"[=+\-@\t\r]", value) else value


def _csv(report: Report) -> str:
    rows = report.findings.raw if report.findings else []
    text = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()
