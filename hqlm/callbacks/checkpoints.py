"""The two checkpoints of a run: the best on the validation data, and the last finished epoch."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from hqlm.io import BEST, CHECKPOINTS, LAST
from hqlm.models import HqlmModule

# Both are taken after a whole epoch, so that a resumed run repeats nothing and leaves out nothing, and under names
# without a counter, so that it overwrites what the killed one left.


class BestCheckpoint(ModelCheckpoint):
    """`best-epoch<k>-acc<value>.ckpt`, chosen by `val/acc` or by what else is the score of the model.

    Args:
        folder: of the run.
        model: what is trained.
    """

    def __init__(self, folder: Path, model: HqlmModule) -> None:
        super().__init__(
            dirpath=folder / CHECKPOINTS,
            filename=BEST + "-epoch{epoch:02d}-" + f"{model.score.rpartition('/')[2]}{{{model.score}:.6g}}",
            auto_insert_metric_name=False,  # it would put the slash of val/acc into the file name
            monitor=model.score,
            mode=model.score_mode,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing after an epoch without validation (`trainer.check_val_every_n_epoch`), which has no score."""
        every = trainer.check_val_every_n_epoch
        is_due = trainer.enable_validation and every is not None and (trainer.current_epoch + 1) % every == 0
        if is_due or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)


class LastCheckpoint(ModelCheckpoint):
    """`last.ckpt` after every epoch; `save_last` of Lightning writes it only when the best one changes.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder / CHECKPOINTS, filename=LAST, save_on_train_epoch_end=True, enable_version_counter=False
        )
