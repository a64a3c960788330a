"""Study folders that somebody has edited, cut off or emptied: a sentence with the file and what to do, no traceback."""

import csv
import io

import pytest

from hqlm.commands import main
from hqlm.studies.designs import Ablation, FullFactorial
from hqlm.studies.store import read_results
from tests.studies.test_study_report import make

FACTORS = {"model.head.feature_encoder.n_layers": [1, 2], "model.optimizer.lr": {"low": 0.001, "high": 0.1}}
NOT_OURS = [b"", b"{", b"[]", b"null", b"5", b'"text"', b"\xff\xfe", b"[" * 100_000, b"{}", b'{"status": "done"}']


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "study", FullFactorial(), FACTORS, lambda values: 0.7)


def refused(folder, capsys, *words):
    assert main(["study", "report", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said) < 700
    for word in words:
        assert word in said
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "text",
    [
        *NOT_OURS,
        b'{"status": "finished"}',
        b'{"status": "done", "metrics": []}',
        b'{"status": "done", "metrics": {"test/acc": "high"}}',
        b'{"status": "done", "metrics": {"test/acc": [1]}}',
        b'{"status": "failed", "error": null}',
        b'{"status": "failed", "error": "x", "ended": "today"}',
        b'{"status": "done", "metrics": {}, "seconds": "1"}',
        b'{"status": "done", "metrics": {}, "versions": 5}',
        b'{"status": true}',
        b'{"status": ["done"]}',
    ],
    ids=lambda text: text[:50].decode(errors="replace"),
)
def test_a_damaged_record_is_named_with_what_to_do(folder, capsys, text):
    path = folder / "trials/k3/trial.json"
    path.write_bytes(text)
    refused(folder, capsys, str(path), f"Remove the folder {path.parent}: the trial is run again")


def test_a_record_that_is_a_folder_is_named(folder, capsys):
    (folder / "trials/k3/trial.json").unlink()
    (folder / "trials/k3/trial.json").mkdir()
    refused(folder, capsys, "k3/trial.json")


def edited(folder, change):
    """Change design.csv as a spreadsheet would: `change(rows)`."""
    rows = list(csv.reader(io.StringIO((folder / "design.csv").read_text())))
    change(rows)
    with (folder / "design.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def cell(row, column, value):
    def change(rows):
        rows[row][column] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.clear(),
        lambda rows: rows.__delitem__(slice(1, None)),
        lambda rows: rows.pop(0),
        lambda rows: rows[3].pop(),
        lambda rows: rows[3].append("more"),
        lambda rows: [row.pop(0) for row in rows],
        lambda rows: [row.pop() for row in rows],
        cell(2, 0, "first"),
        cell(2, 0, "0"),
        cell(2, 1, "../../elsewhere"),
        cell(2, 1, ""),
        cell(2, 2, "center of all"),
        cell(2, 3, "1e99"),
        cell(2, 5, "9" * 5000),
        cell(2, 5, "-1"),
        cell(2, 6, "3"),
        cell(2, 6, "{"),
        cell(2, 6, "[[[" * 1000),
        cell(2, 6, '"two"'),
        cell(2, 7, '"low"'),
        cell(2, 7, "null"),
        cell(2, 7, "1e300"),
        cell(0, 6, "model.other"),
    ],
)
def test_a_damaged_design_is_named_with_what_to_do(folder, capsys, change):
    edited(folder, change)
    refused(folder, capsys, "design.csv", f"`hqlm study run --config {folder / 'study.yaml'}` writes it again")


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe\x00", b"\0\0", b'"' * 200_001], ids=["empty", "utf16", "nul", "quotes"]
)
def test_a_design_that_is_no_table_is_named(folder, capsys, text):
    (folder / "design.csv").write_bytes(text)
    refused(folder, capsys, "design.csv")


def test_predictions_that_are_no_table_are_named(tmp_path, capsys):
    folder = make(tmp_path / "study", Ablation(words=("offset",)), {}, lambda values: 0.7)
    path = folder / "trials/k1/test/predictions.tsv"
    path.parent.mkdir()
    for text in (b"\xff", b"text\tlabel\nx\ty\n"):
        path.write_bytes(text)
        refused(folder, capsys, str(path), "Remove the folder")


def test_results_of_a_study_whose_design_was_written_by_us_are_read(folder):
    assert len(read_results(folder)) == 12
