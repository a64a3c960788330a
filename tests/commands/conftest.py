"""A folder of its own for every test, and a way to run commands in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from hqlm.commands import main
from tests.kernels import share_kernels

ROOT = Path(__file__).parents[2]
SMALL = [  # data and training of any model of texts
    "--model.text_encoder=HashingEncoder",
    "--model.text_encoder.dim=15",
    "--data=ReviewsData",
    "--data.limit_train=64",
    "--data.limit_val=32",
    "--data.limit_test=32",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
]
TINY = [
    "--model=TextModel",
    *SMALL,
    "--model.head.feature_encoder.n_qubits=4",
    "--model.head.feature_encoder.n_layers=1",
]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a command in an empty folder: `run("fit", "--flag=value")`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    share_kernels(tmp_path / "cache")

    def call(*args: str) -> Result:
        code = main(list(args))
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def fit(run):
    """Train a tiny model: `fit("--flag=value")`."""

    def call(*args: str) -> Result:
        return run("fit", *TINY, *args)

    return call


@pytest.fixture
def trained(fit):
    """The folder of a trained tiny run."""
    result = fit("--name=tiny")
    assert result.code == 0, result.err
    return Path("runs/tiny")
