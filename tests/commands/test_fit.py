"""What a run leaves behind, how it is called, and what it never does."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

from hqlm.errors import TrainingError
from hqlm.models import TextModel
from tests.commands.conftest import TINY

INTERRUPT = """
from lightning.pytorch import Callback

class Interrupt(Callback):
    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_batch_start(self, trainer, *args):
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt
"""


def test_a_run_leaves_its_folder(trained):
    files = sorted(str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file())
    assert files[0].startswith("checkpoints/best-epoch")
    assert files[1:] == ["checkpoints/last.ckpt", "config.yaml", "metrics.csv", "summary.json"]


def test_the_summary_says_what_was_reached_and_what_to_type_next(fit):
    result = fit("--name=tiny")
    summary = json.loads(Path("runs/tiny/summary.json").read_text())
    assert f"validation accuracy   {summary['val_acc']:.4f}" in result.out
    assert f"{summary['parameters']['quantum']} quantum, {summary['parameters']['classical']} classical" in result.out
    assert "hqlm test --ckpt_path tiny" in result.out
    assert "hqlm predict --ckpt_path tiny" in result.out
    assert "hqlm.load('tiny')" in result.out
    assert Path(summary["checkpoint"]).is_file()
    assert Path(summary["config"]).is_file()
    assert summary["epochs"] == 2


def test_nothing_is_said_that_teaches_nothing(fit):
    result = fit()
    for word in ("Tip", "available", "Seed set", "Loading", "stopped", "num_workers", "Warning", "fsspec"):
        assert word not in result.err + result.out


def test_metrics_are_rows_of_steps_and_of_validations(fit):
    fit("--name=tiny", "--trainer.log_every_n_steps=1")
    with Path("runs/tiny/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "train/loss", "val/acc", "val/f1", "val/loss"]
    assert [(row["epoch"], row["step"], row["train/loss"] == "") for row in rows] == [
        *[("0", "0", False), ("0", "1", False), ("0", "1", True)],
        *[("1", "2", False), ("1", "3", False), ("1", "3", True)],
    ]


def test_the_best_checkpoint_is_one_of_the_validated_epochs(fit):
    result = fit("--name=tiny", "--trainer.max_epochs=3", "--trainer.check_val_every_n_epoch=2")
    assert result.code == 0, result.err
    assert [path.name[:12] for path in Path("runs/tiny/checkpoints").glob("best*")] == ["best-epoch01"]
    assert torch.load("runs/tiny/checkpoints/last.ckpt", weights_only=True)["epoch"] == 2


def test_the_best_checkpoint_is_that_of_the_highest_accuracy(fit):
    result = fit("--name=tiny", "--trainer.max_epochs=5", "--model.optimizer.lr=0.1")
    assert result.code == 0, result.err
    with Path("runs/tiny/metrics.csv").open() as file:
        scores = {int(row["epoch"]): float(row["val/acc"]) for row in csv.DictReader(file) if row["val/acc"]}
    assert len(set(scores.values())) > 1
    (best,) = Path("runs/tiny/checkpoints").glob("best*")
    assert scores[torch.load(best, weights_only=True)["epoch"]] == max(scores.values())
    assert json.loads(Path("runs/tiny/summary.json").read_text())["val_acc"] == pytest.approx(max(scores.values()))


@pytest.mark.parametrize("flag", ["--trainer.limit_val_batches=0", "--trainer.check_val_every_n_epoch=3"])
def test_without_validation_there_is_no_best_checkpoint(fit, run, flag):
    result = fit("--name=tiny", flag)
    assert result.code == 0, result.err
    assert "none measured" in result.out
    assert [path.name for path in Path("runs/tiny/checkpoints").iterdir()] == ["last.ckpt"]


def test_last_is_the_last_epoch_and_checkpoints_hold_no_objects(trained):
    last = torch.load(trained / "checkpoints/last.ckpt", weights_only=True)
    assert last["epoch"] == 1
    assert last["hyper_parameters"]["class_names"] == ["negative", "positive"]
    for path in (trained / "checkpoints").iterdir():
        torch.load(path, weights_only=True)


def test_a_run_is_called_as_its_configuration_and_never_overwrites(run):
    Path("small.yaml").write_text("seed_everything: 1\n")
    assert "runs/small/" in run("fit", "--config=small.yaml", *TINY).out
    assert "the run runs/small exists; this one is runs/small-2" in run("fit", "--config=small.yaml", *TINY).out
    assert run("fit", "--config=runs/small/config.yaml", "--trainer.max_epochs=1").code == 0
    assert Path("runs/small-3/config.yaml").is_file()


def test_a_given_name_that_is_taken_is_refused(fit, trained):
    before = (trained / "config.yaml").read_bytes()
    result = fit("--name=tiny")
    assert result.code == 2
    assert "the run runs/tiny exists" in result.err
    assert (trained / "config.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["../tiny", "a/b", ".hidden", "a b"])
def test_a_name_is_no_path(fit, name):
    result = fit(f"--name={name}")
    assert result.code == 2
    assert not Path("runs").exists()


def test_a_saved_configuration_repeats_its_run(run, trained):
    assert run("fit", f"--config={trained}/config.yaml").code == 0
    assert Path("runs/tiny-2/metrics.csv").read_text() == (trained / "metrics.csv").read_text()
    assert Path("runs/tiny-2/config.yaml").read_text() == (trained / "config.yaml").read_text()


def test_short_names_and_several_files(run):
    Path("a.yaml").write_text(
        yaml.safe_dump({"model": {"head": {"class_path": "QuantumHead", "init_args": {"readout": 2}}}})
    )
    Path("b.yaml").write_text("model: {head: {ansatz: BrickWallAnsatz}}\n")
    flags = [
        "--model.head.ablate=[main_circuit]",
        "--model.head.execution.noise.two_qubit=0.1",
        "--model.head.backend=StatevectorBackend",
    ]
    assert run("fit", "--config=a.yaml", "-c", "b.yaml", *TINY, *flags).code == 0
    model = yaml.safe_load(Path("runs/a/config.yaml").read_text())["model"]["init_args"]["head"]["init_args"]
    assert model["readout"] == 2
    assert model["ansatz"]["class_path"].endswith("BrickWallAnsatz")
    assert model["ablate"] == ["main_circuit"]
    assert model["execution"]["noise"]["two_qubit"] == 0.1


def test_fast_dev_run_writes_nothing(fit):
    assert fit("--trainer.fast_dev_run=true").code == 0
    assert not Path("runs").exists()
    assert not list(Path().glob("*.ckpt"))


def test_a_run_that_fails_before_its_first_step_leaves_no_folder(fit):
    result = fit("--model.head.feature_encoder.n_qubits=3")  # 8 amplitudes for an embedding of 15
    assert result.code == 2
    assert "Traceback" not in result.err
    assert not list(Path("runs").iterdir())


@pytest.mark.parametrize("option", ["lr", "weight_decay"])
def test_an_optimizer_beyond_the_type_of_the_weights_is_refused(fit, option):
    result = fit("--model.optimizer=SGD", "--model.schedule=constant", f"--model.optimizer.{option}=1e39")
    assert result.code == 2
    assert result.err.endswith(f"model.optimizer.{option}=1e+39 is too large. Weights can be at most 3.4e+38\n")


def test_a_run_that_fails_in_its_first_step_leaves_its_name_free(fit, monkeypatch, tmp_path):
    def fail(*args):
        assert Path("runs/tiny/config.yaml").is_file()
        raise TrainingError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr(TextModel, "training_step", fail)
        assert fit("--name=tiny").code == 2
    assert not Path("runs/tiny").exists()


@pytest.mark.parametrize(
    ("epoch", "said"), [(1, "runs/tiny/checkpoints/last.ckpt"), (0, "the same command starts again")]
)
def test_ctrl_c_keeps_the_checkpoint_and_says_where(fit, monkeypatch, tmp_path, epoch, said):
    monkeypatch.syspath_prepend(tmp_path)
    Path(f"interrupt{epoch}.py").write_text(INTERRUPT)
    callback = f'[{{"class_path": "interrupt{epoch}.Interrupt", "init_args": {{"epoch": {epoch}}}}}]'
    result = fit("--name=tiny", f"--trainer.callbacks={callback}", "--trainer.log_every_n_steps=1")
    assert result.code == 130
    assert said in result.err
    assert "Traceback" not in result.err
    assert not Path("runs/tiny/summary.json").exists()
    assert Path("runs/tiny").exists() == (epoch > 0)


def test_a_continued_run_keeps_its_name_and_says_what_changed(run, trained):
    refused = run("fit", "--ckpt_path=tiny", "--name=elsewhere")
    assert refused.code == 2
    assert "resumes in its own run tiny" in refused.err
