"""How reports of comparisons and of studies show figures and tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hqlm.studies.statistics import ALPHA

NONE: Final = "-"  # in place of a figure that is not there


def show_p(value: float | None) -> str:
    """Return a p-value, on its side of the limit; a dash for none."""
    if value is None:
        return NONE
    if round(value, 4) == ALPHA > value:
        return f"< {ALPHA}"
    digits = 3 if round(value, 3) != ALPHA else 4
    return "< 0.001" if value < 0.001 else f"{value:.{digits}f}"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is written, in one line: names and errors bring no HTML and no links."""
    return re.sub(r"\\|<(?=[A-Za-z/!?])|(?<=\])\(", lambda found: f"\\{found[0]}", " ".join(text.splitlines()))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns of one width, the header first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
