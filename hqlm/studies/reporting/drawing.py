"""Vector graphics that read in grey, on paper and on a phone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

DARK: Final = "#1a1a1a"
MIDDLE: Final = "#6e6e6e"
LIGHT: Final = "#cfcfcf"
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
LINES: Final = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
_LONGEST: Final = 34  # letters of a line of a label
_WIDTH: Final = 4.6  # inches; about as many pixels as a phone has, so that letters stay legible there

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "path",  # letters are drawn, so that no font is missed
    "svg.hashsalt": "hqlm",  # the same drawing is the same file
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.5,
}


class Canvas:
    """A figure in the making; `svg` holds the element when it is done."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def canvas(height: float) -> Iterator[Canvas]:
    """Yield a figure of matplotlib as wide as a column of the report.

    Args:
        height: in inches.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        made = Canvas(Figure(figsize=(_WIDTH, height), layout="constrained"))
        yield made
        text = io.StringIO()
        made.figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    made.svg = text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


def shortened(text: str) -> str:
    """Return a label of one line."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def wrapped(text: str, *marks: str) -> str:
    """Return a label, on two lines where it is long and has one of the marks to break at."""
    mark = next((mark for mark in marks if mark in text), "")
    if len(text) <= _LONGEST or not mark:
        return shortened(text)
    before, _, after = text.partition(mark)
    return f"{shortened(before + mark.rstrip())}\n{shortened(after)}"
