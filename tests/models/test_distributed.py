"""Two processes train as one process with the same global batch does."""

import csv
import functools
import json
import os
import subprocess
import sys

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from hqlm.algorithms import QAOA, VQE, IsingChain, MaxCut
from hqlm.data import ReviewsData
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.models.reading import read_checkpoint
from hqlm.run import find_checkpoint
from tests.commands.conftest import TINY
from tests.kernels import share_kernels


def trained(folder, batch_size, **options):
    """The weights after two epochs on the CPU."""
    seed_everything(0, verbose=False)
    model = TextModel(
        text_encoder=HashingEncoder(dim=15),
        head=QuantumHead(QuantumFeatureEncoder(n_qubits=4, n_layers=1)),
        optimizer=functools.partial(torch.optim.SGD, lr=0.05),
        class_names=["negative", "positive"],
        embedding_dim=15,
    )
    model.configure_model()  # here, so that both runs start from the same weights
    before = {name: value.clone() for name, value in model.named_parameters()}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    none_kept = {"logger": False, "enable_checkpointing": False}
    trainer = Trainer(default_root_dir=folder, accelerator="cpu", max_epochs=2, **quiet, **none_kept, **options)
    trainer.fit(model, ReviewsData(batch_size=batch_size, limit_train=64, limit_val=32))
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters())
    return dict(model.named_parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_two_processes_give_the_weights_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    one = trained(tmp_path, 32, devices=1)
    two = trained(tmp_path, 16, devices=2, strategy="ddp_spawn")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-4)


TWO = ["--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.accelerator=cpu"]


def call(folder, *args):
    """A command in a process of its own, which may start others."""
    share_kernels(folder / "cache")
    env = {**os.environ, "HQLM_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "hqlm", *args]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def hqlm(folder, *args):
    """What a command prints."""
    done = call(folder, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fitted(folder, name, *flags):
    """The folder of a run of `hqlm fit`."""
    hqlm(folder, "fit", *TINY, f"--name={name}", *flags)
    return folder / "runs" / name


def validated(run):
    """Rows of `metrics.csv` that a validation wrote: what is measured over the rows of all processes."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val/acc"]]
    return [[float(row[name]) for name in ("step", "val/acc", "val/f1", "val/loss")] for row in rows]


@pytest.mark.slow
def test_the_command_gives_the_same_run_with_two_processes_and_the_same_global_batch(tmp_path):
    odd = "--data.limit_val=31"  # one process validates a row twice, which counts once
    one = fitted(tmp_path, "one", "--data.batch_size=32", "--trainer.devices=1", odd)
    two = fitted(tmp_path, "two", "--data.batch_size=16", *TWO, odd)
    assert {run.name for run in (tmp_path / "runs").iterdir()} == {"one", "two"}
    assert len(validated(one)) == 2
    torch.testing.assert_close(torch.tensor(validated(two)), torch.tensor(validated(one)), atol=1e-4, rtol=1e-4)
    weights, expected = (read_checkpoint(find_checkpoint(run, "last"))["state_dict"] for run in (two, one))
    torch.testing.assert_close(weights, expected, atol=1e-4, rtol=1e-4)
    counts, others = (json.loads((run / "summary.json").read_text())["parameters"] for run in (two, one))
    assert counts == others


@pytest.mark.slow
@pytest.mark.parametrize("rows", [21, 1])
def test_two_processes_measure_every_row_once_into_a_folder_of_their_own(tmp_path, rows):
    run = fitted(tmp_path, "a", "--trainer.max_epochs=1")
    flags = ["--ckpt_path=a", f"--data.limit_test={rows}", "--data.limit_val=21", "--data.batch_size=4"]
    for command in ("test", "predict") if rows > 1 else ("predict",):
        hqlm(tmp_path, command, *flags)
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        out = hqlm(tmp_path, command, *flags, *TWO)
        assert out.count("results in") == 1
        assert {path: path.read_bytes() for path in before} == before
        one, two = ((run / f"{command}-{number}/predictions.tsv").read_text() for number in (1, 2))
        assert len(one.splitlines()) == rows + 1
        assert two == one
        if command == "test":
            one, two = (json.loads((run / f"test-{number}/metrics.json").read_text()) for number in (1, 2))
            assert two == pytest.approx(one, rel=1e-6)


@pytest.mark.slow
def test_two_processes_do_not_replace_the_test_of_an_algorithm(tmp_path):
    flags = ["--model=VQE", "--model.problem=IsingChain", "--model.problem.n_qubits=3", "--trainer.accelerator=cpu"]
    hqlm(tmp_path, "fit", *flags, "--model.steps_per_epoch=2", "--trainer.max_epochs=1", "--name=a")
    refused = call(tmp_path, "fit", *flags, "--name=b", *TWO)
    assert refused.returncode == 2
    assert "VQE has no rows that processes could share. Set trainer.devices=1" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "runs/b").exists()
    hqlm(tmp_path, "test", "--ckpt_path=a")
    metrics = tmp_path / "runs/a/test-1/metrics.json"
    before = metrics.stat()
    hqlm(tmp_path, "test", "--ckpt_path=a", *TWO)
    assert (metrics.stat().st_ino, metrics.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert json.loads((tmp_path / "runs/a/test-2/metrics.json").read_text()) == json.loads(metrics.read_text())


@pytest.mark.parametrize(
    "model", [VQE(problem=IsingChain(n_qubits=2)), QAOA(problem=MaxCut(((0, 1), (1, 2))))], ids=["VQE", "QAOA"]
)
def test_processes_do_not_share_out_the_steps_of_an_algorithm(model):
    model.trainer = Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False)
    with pytest.raises(ConfigError, match=r"Set trainer\.devices=1"):
        model.setup("fit")
    model.setup("test")


def test_more_processes_than_training_rows_are_refused():
    """Some would repeat the rows of others."""
    data = ReviewsData(limit_train=2)
    data.setup("fit")
    data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    assert len(data.train_dataloader()) == 1
    data.trainer = Trainer(accelerator="cpu", devices=3, strategy="ddp", logger=False, enable_checkpointing=False)
    with pytest.raises(ConfigError, match=r"3 processes cannot share 2 training rows\. Set trainer.devices to 2"):
        data.train_dataloader()
