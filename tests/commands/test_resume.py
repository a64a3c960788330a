"""A killed run goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.commands.conftest import ROOT, TINY
from tests.commands.test_fit import INTERRUPT

LONG = ["--trainer.max_epochs=4", "--trainer.log_every_n_steps=1", "--model.execution.shots=8"]
DROPOUT = """
import torch
from hqlm.models import ClassicalClassifier

class Forgetful(ClassicalClassifier):
    def build_head(self, embedding_dim: int, n_classes: int) -> None:
        super().build_head(embedding_dim, n_classes)
        self.head = torch.nn.Sequential(torch.nn.Dropout(0.5), self.head)
"""


def weights(run):
    checkpoint = torch.load(f"runs/{run}/checkpoints/last.ckpt", weights_only=True)
    return checkpoint["state_dict"], checkpoint["epoch"]


def assert_same(one, other):
    (state, epoch), (state2, epoch2) = weights(one), weights(other)
    assert epoch == epoch2
    assert state.keys() == state2.keys()
    assert all(torch.equal(state[key], state2[key]) for key in state)
    assert Path(f"runs/{one}/metrics.csv").read_text() == Path(f"runs/{other}/metrics.csv").read_text()


def interrupted(fit, monkeypatch, tmp_path, *args):
    monkeypatch.syspath_prepend(tmp_path)
    Path("interrupt.py").write_text(INTERRUPT)
    stop = '--trainer.callbacks=[{"class_path": "interrupt.Interrupt", "init_args": {"epoch": 2}}]'
    assert fit("--name=broken", stop, *args).code == 130


@pytest.mark.parametrize(
    "args",
    [[], ["--model.schedule=torch.optim.lr_scheduler.StepLR", "--model.schedule.step_size=1"]],
    ids=["", "steps"],
)
def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(fit, monkeypatch, tmp_path, args):
    assert fit("--name=whole", *LONG, *args).code == 0
    interrupted(fit, monkeypatch, tmp_path, *LONG, *args)
    result = fit("--name=broken", "--ckpt_path=last", "--trainer.callbacks=[]", *LONG, *args)
    assert result.code == 0
    assert "runs/broken" in result.out
    assert_same("whole", "broken")


def test_random_draws_of_a_model_go_on_too(run, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    Path("forgetful.py").write_text(DROPOUT)
    base = [flag for flag in TINY if not flag.startswith("--model")]
    base += ["--plugins=forgetful", "--model=Forgetful", "--model.text_encoder=HashingEncoder"]

    def train(*args):
        return run("fit", *base, "--trainer.max_epochs=4", *args)

    assert train("--name=whole").code == 0
    interrupted(train, monkeypatch, tmp_path)
    assert train("--name=broken", "--ckpt_path=last", "--trainer.callbacks=[]").code == 0
    assert_same("whole", "broken")


def test_without_a_file_a_run_goes_on_with_its_own_configuration(run, fit, monkeypatch, tmp_path):
    interrupted(fit, monkeypatch, tmp_path, *LONG)
    text = Path("runs/broken/config.yaml").read_text()
    Path("interrupt.py").write_text(INTERRUPT.replace("raise KeyboardInterrupt", "pass"))
    monkeypatch.delitem(sys.modules, "interrupt")
    result = run("fit", "--ckpt_path=runs/broken/checkpoints/last.ckpt")
    assert result.code == 0
    assert weights("broken")[1] == 3
    assert Path("runs/broken/config.yaml").read_text() == text


def test_a_schedule_made_for_other_steps_is_refused(fit):
    assert fit("--name=tiny").code == 0
    result = fit("--name=tiny", "--ckpt_path=last", "--trainer.max_epochs=5")
    assert result.code == 2
    assert "schedule=one_cycle was made for the 4 steps of the run" in result.err
    flags = ["--name=flat", "--model.schedule=constant"]
    assert fit(*flags).code == 0
    assert fit(*flags, "--ckpt_path=last", "--trainer.max_epochs=5").code == 0
    assert weights("flat")[1] == 4


def test_last_is_that_of_the_newest_run_of_the_configuration(run):
    Path("small.yaml").write_text("seed_everything: 1\n")
    for _ in range(2):
        run("fit", "--config=small.yaml", *TINY)
    run("fit", "--name=other", *TINY)
    result = run("fit", "--config=small.yaml", *TINY, "--ckpt_path=last")
    assert result.code == 0
    assert "runs/small-2/config.yaml" in result.out


def test_a_missing_last_is_an_error(fit):
    result = fit("--ckpt_path=last")
    assert result.code == 2
    assert "ckpt_path=last: no run" in result.err
    assert fit("--name=nobody", "--ckpt_path=last").code == 2


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_a_whole_one(fit, tmp_path):
    args = [*LONG, "--trainer.max_epochs=8", "--data.limit_train=256"]
    assert fit("--name=whole", *args).code == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "hqlm", "fit", *TINY, *args, "--name=killed"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = Path("runs/killed/metrics.csv")
    while not metrics.exists() or ",20," not in metrics.read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert weights("killed")[1] < 7
    assert fit("--name=killed", "--ckpt_path=last", *args).code == 0
    assert_same("whole", "killed")
