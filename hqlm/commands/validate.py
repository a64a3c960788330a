"""`hqlm validate`: measure a checkpoint on the validation data."""

from __future__ import annotations

from hqlm.commands.evaluation import evaluate


def main(args: list[str]) -> int:
    """Measure a checkpoint on the validation data."""
    return evaluate("validate", "Measure a checkpoint on the validation data.", args)
