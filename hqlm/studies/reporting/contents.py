"""Contents of a report, before it has a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hqlm.studies.formatting import aligned, plain


@dataclass(frozen=True)
class Table:
    """Figures with a title.

    Args:
        title: what stands above.
        header: names of the columns.
        rows: cells as they are shown.
        note: what the columns mean.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def markdown(self) -> str:
        """The table in Markdown."""
        safe = [[plain(cell).replace("|", "\\|") for cell in row] for row in [self.header, *self.rows]]
        return aligned(safe)


@dataclass(frozen=True)
class Figure:
    """A plot with a caption.

    Args:
        title: what stands above, also for those who cannot see it.
        svg: the drawing, an `<svg>` element.
        caption: how to read it.
    """

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Drawing:
    """A circuit.

    Args:
        title: whose it is.
        svg: the drawing, an `<svg>` element.
        text: the same in letters.
        caption: what it is made of.
    """

    title: str
    svg: str
    text: str
    caption: str


@dataclass(frozen=True)
class Findings:
    """Findings of an analysis.

    Args:
        summary: in plain words, a sentence an item.
        tables: the main one first.
        figures: plots.
        raw: the main table as numbers, a row each.
    """

    summary: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    raw: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Args:
        title: name of the study.
        design: what was planned, a paragraph.
        progress: how many trials are done, missing or failed.
        findings: what the results say; None while there are too few.
        aliasing: which effects the design cannot tell apart.
        trials: all trials with their settings and results.
        failures: trials that failed, with their errors.
        commands: how to repeat it.
        study: the study file, resolved.
        versions: of software and code.
        circuits: of one trial.
        no_circuit: why there is none.
        experiment: what trials have in common, the configuration of one of them, with what it is.
    """

    title: str
    design: str
    progress: str
    findings: Findings | None
    aliasing: str
    trials: Table
    failures: Sequence[str] = ()
    commands: Sequence[str] = ()
    study: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    circuits: Sequence[Drawing] = ()
    no_circuit: str = ""
    experiment: tuple[str, str] | None = None
