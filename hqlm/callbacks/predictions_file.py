"""What a model says of every text, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from hqlm.files import write_text
from hqlm.models import TextClassifier


class PredictionsFile(Callback):
    """`predictions.tsv`: text, label (empty where unknown), predicted class, and the probability of each class.

    It is written when a model of texts is validated, tested or asked to predict. Tabs and line ends within a text
    become spaces; nothing else is changed, since programs read the file back. A spreadsheet must import it as text: it
    would take a text that starts with `=` for a formula.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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
        if not isinstance(model, TextClassifier) or model.evaluation is None or not trainer.is_global_zero:
            return
        assert model.class_names is not None
        found, all_texts = model.evaluation, trainer.datamodule.texts(model.evaluation.split)  # type: ignore[attr-defined]
        texts = [all_texts[row] for row in found.index.tolist()]
        rows = prediction_rows(model.class_names, texts, found.labels.tolist(), found.probabilities.tolist())
        write_table(self.path, prediction_header(model.class_names), rows)


def prediction_header(class_names: Sequence[str]) -> list[str]:
    """Columns of `predictions.tsv`."""
    return ["text", "label", "predicted", *(f"p_{_flat(name)}" for name in class_names)]


def prediction_rows(
    class_names: Sequence[str], texts: Sequence[str], labels: Sequence[int], probabilities: Sequence[Sequence[float]]
) -> list[list[str]]:
    """Rows of `predictions.tsv`: text, label (empty where it is negative), most probable class, its probabilities."""
    names = [_flat(name) for name in class_names]
    rows = []
    for text, label, row in zip(texts, labels, probabilities, strict=True):
        predicted = names[max(range(len(names)), key=row.__getitem__)]
        rows.append([_flat(text), "" if label < 0 else names[label], predicted, *(f"{value:.6f}" for value in row)])
    return rows


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write values without tabs and line ends as TSV, unquoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def _flat(text: str) -> str:
    return text.replace("\t", " ").replace("\n", " ").replace("\r", " ")
