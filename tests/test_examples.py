"""The notebooks in examples/ run from top to bottom, and show what they promise."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.kernels import share_kernels

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    share_kernels(tmp_path / "cache")
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {kind for cell in notebook.cells for each in cell.get("outputs", []) for kind in each.get("data", {})}
    assert {"text/html", "image/svg+xml"} <= shown
    assert (tmp_path / "runs/first/test-2/metrics.json").is_file()
    assert (tmp_path / "studies/heads/table.md").is_file()
    assert (tmp_path / "studies/depth/report.html").is_file()
