"""What a model says of every text, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from hqlm.files import write_text


def prediction_header(class_names: Sequence[str]) -> list[str]:
    """Return the columns of `predictions.tsv`."""
    return ["text", "label", "predicted", *(f"p_{_flat(name)}" for name in class_names)]


def prediction_rows(
    class_names: Sequence[str], texts: Sequence[str], labels: Sequence[int], probabilities: Sequence[Sequence[float]]
) -> list[list[str]]:
    """Return rows of `predictions.tsv`: text, label (empty if negative), most probable class, all probabilities."""
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
