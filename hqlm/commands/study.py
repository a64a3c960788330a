"""`hqlm study`: designed experiments over trainings; one file a subcommand, `study_<name>.py`."""

from __future__ import annotations

import importlib
from typing import Final

from hqlm.errors import HqlmError
from hqlm.registry import suggestion

SUBCOMMANDS: Final[dict[str, str]] = {
    "run": "run the trials of a study, or go on with them: hqlm study run --config studies/ablation",
    "report": "what it shows, as a page, Markdown and CSV: hqlm study report studies/ablation",
    "publish": "tables and report of a study on W&B: hqlm study publish ablation",
    "sweep": "write a study as a W&B sweep, for wandb agent: hqlm study sweep --config studies/ablation",
}


def main(args: list[str]) -> int:
    """Run a subcommand."""
    name, *rest = args or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name not in SUBCOMMANDS:
        raise HqlmError(f"there is no such subcommand. {suggestion(name, list(SUBCOMMANDS))}")
    code: int = importlib.import_module(f"hqlm.commands.study_{name}").main(rest)
    return code


def _help() -> str:
    width = max(map(len, SUBCOMMANDS))
    return "\n".join(
        [
            "usage: hqlm study SUBCOMMAND [options]",
            "",
            "Ablations, screening of main effects and scaling, as designed experiments over many trainings.",
            "",
            "subcommands:",
            *(f"  {name:<{width}}  {purpose}" for name, purpose in SUBCOMMANDS.items()),
            "",
            "hqlm study SUBCOMMAND --help shows the options.",
        ]
    )
