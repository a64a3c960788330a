"""What an epoch of SST-2 costs around the kernels, against a bare Lightning loop over the same batches.

    python benchmarks/lightning_loop.py

needs the folder sst2/ here or below HQLM_DATA, and embeds its texts first unless the cache has them. Epochs alternate:
the model of sst2.yaml, the same without its kernels, and a linear head with the same loader
and the same logging. The ratio of the last two is what everything outside the kernels costs.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
import yaml
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import Tensor, nn

from hqlm.backends.kernels import engine
from hqlm.circuits import RepeatedUpload, RingAnsatz
from hqlm.data import FileData
from hqlm.encoders import QuantumFeatureEncoder
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.quiet import quiet

CONFIG = Path(__file__).parents[2] / "configs" / "sst2.yaml"
ROUNDS = 3


class Bare(LightningModule):
    """A linear head on embeddings in memory; loss and accuracy are logged as in TextModel."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.head = nn.Linear(embeddings.shape[1], 2)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.head(self.embeddings[batch[0]]), batch[2])
        self.log("train/loss", loss, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def nothing(*arguments):
    """In place of the compiled kernels: values and gradients stay the zeros that they would be added to."""


def hybrid() -> TextModel:
    model = yaml.safe_load(CONFIG.read_text())["model"]
    options = model["head"]["init_args"]
    ansatz = RingAnsatz(**options["ansatz"]["init_args"])
    encoder = dict(options["feature_encoder"]["init_args"])
    encoder["ansatz"] = RingAnsatz(**encoder["ansatz"]["init_args"])
    reuploading = RepeatedUpload(**options["reuploading"]["init_args"])
    head = QuantumHead(QuantumFeatureEncoder(**encoder), reuploading, ansatz, readout=options["readout"])
    return TextModel(head=head, optimizer=partial(torch.optim.AdamW, **model["optimizer"]["init_args"]))


def seconds(model: LightningModule, data: FileData) -> float:
    """Of one training epoch, without what comes before the first step."""
    marks: list[float] = []
    model.on_train_epoch_start = lambda: marks.append(time.perf_counter())
    model.on_train_epoch_end = lambda: marks.append(time.perf_counter())
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, limit_val_batches=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    return marks[1] - marks[0]


@quiet()
def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    found: dict[str, list[float]] = {"whole": [], "outside the kernels": [], "bare": []}
    for _ in range(ROUNDS):
        data = FileData(folder="sst2", batch_size=32)
        model = hybrid()
        found["whole"].append(seconds(model, data))
        found["bare"].append(seconds(Bare(model._embeddings["train"]), data))
        with patch.object(engine, "forward", nothing), patch.object(engine, "backward", nothing):
            found["outside the kernels"].append(seconds(hybrid(), data))
    bare = median(found["bare"])
    for name, spent in found.items():
        print(f"{name:20s} {median(spent):6.2f} s an epoch, {median(spent) / bare:5.2f}x bare")


if __name__ == "__main__":
    main()
