"""What a model says of every text, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from hqlm.files import write_text
from hqlm.models import TextModel


class PredictionsFile(Callback):
    """`predictions.tsv`: text, label (empty where unknown), predicted class, and the probability of each class.

    It is written when a model of texts is validated, tested or asked to predict. Tabs and line ends within a text
    become spaces; nothing else is changed, since programs read the file back. A spreadsheet must import it as text: it
    would take a text that starts with `=` for a formula.

    Args:
        folder: where the file goes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "predictions.tsv"

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, model: LightningModule) -> None:
        if not isinstance(model, TextModel) or model.evaluation is None or not trainer.is_global_zero:
            return
        assert model.class_names is not None
        found, all_texts = model.evaluation, trainer.datamodule.texts(model.evaluation.split)  # type: ignore[attr-defined]
        texts = [all_texts[row] for row in found.index.tolist()]
        rows = model.task.table(texts, found.targets, found.outputs, model.class_names)
        write_table(self.path, model.task.header(model.class_names), rows)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write values without tabs and line ends as TSV, unquoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
