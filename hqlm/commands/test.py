"""`hqlm test`: measure a checkpoint on the test data."""

from __future__ import annotations

from hqlm.commands.evaluation import evaluate


def main(args: list[str]) -> int:
    """Measure a checkpoint on the test data."""
    return evaluate("test", "Measure a checkpoint on the test data.", args)
