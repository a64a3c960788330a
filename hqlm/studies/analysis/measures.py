"""Figures that are measured of a trial, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Measure:
    """A column of the results.

    Args:
        key: its name there, such as `test/acc`.
        title: for sentences and axes.
        unit: of values as they are shown.
        difference_unit: of differences between them.
        scale: what a stored value is multiplied by.
        digits: after the decimal point.
    """

    key: str
    title: str
    unit: str = ""
    difference_unit: str = ""
    scale: float = 1.0
    digits: int = 4

    @property
    def label(self) -> str:
        """Title with unit, for axes."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def show(self, value: float | None) -> str:
        """Return a value; a dash for none."""
        return "-" if value is None or value != value else f"{self.scale * value:,.{self.digits}f}"

    def show_difference(self, value: float | None) -> str:
        """Return a difference, with its sign."""
        return "-" if value is None or value != value else f"{self.scale * value:+,.{self.digits}f}"

    def interval(self, low: float | None, high: float | None) -> str:
        """Return an interval of differences; a dash for none."""
        if low is None or high is None:
            return "-"
        return f"[{self.show_difference(low)}, {self.show_difference(high)}]"


_KNOWN: Final = (
    Measure("test/acc", "test accuracy", "%", "points", 100.0, 2),
    Measure("val/acc", "validation accuracy", "%", "points", 100.0, 2),
    Measure("test/f1", "test macro-F1", "%", "points", 100.0, 2),
    Measure("test/loss", "test loss", "nats", "nats"),
    Measure("val/loss", "validation loss", "nats", "nats"),
    Measure("test/energy", "energy", digits=6),
    Measure("test/error", "energy above the exact one", digits=6),
    Measure("test/ratio", "approximation ratio"),
    Measure("step_seconds", "training step", "ms", "ms", 1000.0, 2),
    Measure("training_seconds", "training time", "s", "s", 1.0, 2),
    Measure("parameters", "trainable parameters", "", "", 1.0, 0),
)


def measure(key: str) -> Measure:
    """Return the measure of a column; one that is not known is shown as it is stored."""
    return next((known for known in _KNOWN if known.key == key), Measure(key, key))
