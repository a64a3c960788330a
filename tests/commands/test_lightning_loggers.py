"""Loggers of Lightning, chosen on the command line: they report what metrics.csv holds, into the folder of the run."""

import csv
import importlib
import json
import struct
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import SMALL

CLASSICAL = ["--model.head=LinearHead", *SMALL, "--trainer.log_every_n_steps=1"]


def measured(name):
    """Values of a metric in metrics.csv, in order."""
    with Path("runs/a/metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def read_csv(folder, name):
    (path,) = folder.glob("lightning_logs/version_0/metrics.csv")
    with path.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def read_tensorboard(folder, name):
    tensorboardx = importlib.import_module("tensorboardX")
    (path,) = folder.glob("lightning_logs/version_0/events.out.tfevents.*")
    data, values = path.read_bytes(), []
    while data:  # records of length, checksum, event, checksum
        (length,) = struct.unpack("<Q", data[:8])
        event = tensorboardx.proto.event_pb2.Event.FromString(data[12 : 12 + length])
        values += [value.simple_value for value in event.summary.value if value.tag == name]
        data = data[16 + length :]
    return values


def read_mlflow(folder, name):
    (path,) = folder.glob(f"mlruns/[0-9]*/*/metrics/{name}")
    return [float(line.split()[1]) for line in path.read_text().splitlines()]


@pytest.mark.filterwarnings("ignore:The filesystem tracking backend")
@pytest.mark.parametrize(
    ("logger", "package", "read"),
    [("CSVLogger", "csv", read_csv), ("TensorBoardLogger", "tensorboardX", read_tensorboard),
     ("MLFlowLogger", "mlflow", read_mlflow)],
)  # fmt: skip
def test_a_logger_holds_what_the_metrics_file_holds(run, monkeypatch, logger, package, read):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its default is a database, which mlflow-skinny lacks
    store = "mlruns" if package == "mlflow" else "runs/a"  # MLflow compares runs, which one store holds
    result = run("fit", *CLASSICAL, f"--trainer.logger={logger}", f"--trainer.logger.save_dir={store}", "--name=a")
    assert result.code == 0, result.err
    for name in ("train/loss", "val/acc"):
        assert len(measured(name)) >= 2
        assert read(Path("runs/a" if store != "mlruns" else "."), name) == pytest.approx(measured(name))
    assert {path.name for path in Path().iterdir()} <= {"runs", "cache", "mlruns"}
    kept = yaml.safe_load(Path("runs/a/config.yaml").read_text())["trainer"]["logger"]
    assert kept["class_path"].endswith(f".{logger}")
    assert run("test", "--ckpt_path=a").code == 0
    assert json.loads(Path("runs/a/test-1/metrics.json").read_text())["test/acc"] > 0.0


def test_no_logger_leaves_no_metrics(run):
    result = run("fit", *CLASSICAL, "--trainer.logger=false", "--name=a")
    assert result.code == 0, result.err
    assert not Path("runs/a/metrics.csv").exists()


@pytest.mark.parametrize("logger", ["TensorBoardLogger", "MLFlowLogger"])
def test_a_logger_without_its_package_says_what_to_install(run, monkeypatch, logger):
    modules = {
        "TensorBoardLogger": "lightning.fabric.loggers.tensorboard",
        "MLFlowLogger": "lightning.pytorch.loggers.mlflow",
    }
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE", "_MLFLOW_AVAILABLE"):
        monkeypatch.setattr(f"{modules[logger]}.{name}", False, raising=False)
    result = run("fit", *CLASSICAL, f"--trainer.logger={logger}", "--trainer.logger.save_dir=runs/a")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert not Path("runs").exists()
