"""What an optimisation algorithm found, as a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from hqlm.algorithms import QAOA
from hqlm.files import write_text


class SolutionFile(Callback):
    """`solution.json`, when a `QAOA` is tested: the best bits, and the energies of `hqlm.algorithms.Solution`.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if isinstance(pl_module, QAOA) and trainer.is_global_zero:
            write_text(self.path, json.dumps(asdict(pl_module.solution()), indent=2) + "\n")
