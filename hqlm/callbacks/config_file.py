"""The resolved configuration of a run, so that it can be repeated from its own folder."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from hqlm.io import write_text


class ConfigFile(Callback):
    """Writes `config.yaml` when model and data have proved sound, before the first step.

    Args:
        text: the configuration as YAML.
        folder: where the file goes.
    """

    def __init__(self, text: str, folder: Path) -> None:
        self.text = text
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, on rank 0."""
        if trainer.is_global_zero:
            write_text(self.folder / "config.yaml", self.text)
