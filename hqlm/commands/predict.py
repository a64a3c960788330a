"""`hqlm predict`: classes and probabilities of the texts to predict."""

from __future__ import annotations

from hqlm.commands.evaluation import evaluate


def main(args: list[str]) -> int:
    """Classes and probabilities of the texts to predict."""
    return evaluate("predict", "Classes and probabilities of the texts to predict.", args)
