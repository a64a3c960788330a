"""A killed run goes on as if nothing had happened."""

import json
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

LONG = ["--trainer.max_epochs=4", "--trainer.log_every_n_steps=1", "--model.head.execution.shots=8"]
DROPOUT = """
import torch
from dataclasses import dataclass
from hqlm.heads import LinearHead

@dataclass(frozen=True)
class Forgetful(LinearHead):
    def build(self, dim, n_outputs):
        module = super().build(dim, n_outputs)
        module.layers.insert(0, torch.nn.Dropout(0.5))
        return module
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
    base += ["--plugins=forgetful", "--model.head=Forgetful", "--model.text_encoder=HashingEncoder"]

    def train(*args):
        return run("fit", *base, "--trainer.max_epochs=4", *args)

    assert train("--name=whole").code == 0
    interrupted(train, monkeypatch, tmp_path)
    assert train("--name=broken", "--ckpt_path=last", "--trainer.callbacks=[]").code == 0
    assert_same("whole", "broken")


def test_without_a_file_a_run_goes_on_with_its_own_configuration(run, fit, monkeypatch, tmp_path):
    trusted = "--plugins=interrupt"
    interrupted(fit, monkeypatch, tmp_path, *LONG, trusted)
    text = Path("runs/broken/config.yaml").read_text()
    Path("interrupt.py").write_text(INTERRUPT.replace("raise KeyboardInterrupt", "pass"))
    monkeypatch.delitem(sys.modules, "interrupt")
    result = run("fit", "--ckpt_path=runs/broken/checkpoints/last.ckpt", trusted)
    assert result.code == 0, result.err
    assert weights("broken")[1] == 3
    assert Path("runs/broken/config.yaml").read_text() == text


def test_a_schedule_made_for_other_steps_is_refused(fit):
    assert fit("--name=tiny").code == 0
    result = fit("--name=tiny", "--ckpt_path=last", "--trainer.max_epochs=5")
    assert result.code == 2
    assert "schedule=one_cycle was made for 4 steps" in result.err
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


def optimizer_of(run):
    return torch.load(f"runs/{run}/checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]


ADAM = ["--model.optimizer=torch.optim.AdamW", "--model.optimizer.lr=0.02", "--model.schedule=constant"]


def test_options_of_the_optimizer_take_effect_when_a_run_goes_on(fit):
    assert fit("--name=a", *ADAM, "--trainer.max_epochs=1").code == 0
    changed = ["--model.optimizer.lr=0.5", "--model.optimizer.weight_decay=0.3", "--model.optimizer.betas=[0.5, 0.6]"]
    result = fit("--name=a", "--ckpt_path=last", *ADAM, "--trainer.max_epochs=2", *changed)
    assert result.code == 0, result.err
    assert "lr: 0.02 -> 0.5" in result.out
    (group,) = optimizer_of("a")
    assert (group["lr"], group["weight_decay"], tuple(group["betas"])) == (0.5, 0.3, (0.5, 0.6))


@pytest.mark.parametrize("schedule", ["cosine", "linear_warmup", "one_cycle"])
def test_a_schedule_goes_on_from_where_it_stands_at_the_new_learning_rate(fit, monkeypatch, tmp_path, schedule):
    """As in a run that had the new rate from its beginning."""
    whole = ["--trainer.max_epochs=4", f"--model.schedule={schedule}", "--model.optimizer=torch.optim.SGD"]
    whole.append("--plugins=interrupt")  # which the configuration of the run names
    interrupted(fit, monkeypatch, tmp_path, *whole, "--model.optimizer.lr=0.02")
    fast = ["--model.optimizer.lr=0.1", "--trainer.max_epochs=4"]
    monkeypatch.delitem(sys.modules, "interrupt")
    Path("interrupt.py").write_text(Path("interrupt.py").read_text().replace("raise KeyboardInterrupt", "pass"))
    recorder = "rates.Rates"
    Path("rates.py").write_text(RATES)
    add = f"--trainer.callbacks=[{{'class_path': '{recorder}', 'init_args': {{'name': '%s'}}}}]"
    assert fit("--name=fast", *whole, *fast, add % "fast").code == 0
    result = fit("--name=broken", "--ckpt_path=last", *whole, *fast, add % "broken")
    assert result.code == 0, result.err
    rates = {name: json.loads(Path(f"{name}.json").read_text()) for name in ("fast", "broken")}
    assert 0 < len(rates["broken"]) < len(rates["fast"])
    assert rates["broken"] == pytest.approx(rates["fast"][-len(rates["broken"]) :], rel=1e-9, abs=1e-12)


RATES = """
import json
from lightning.pytorch import Callback

class Rates(Callback):
    def __init__(self, name: str) -> None:
        self.name, self.rates = name, []

    def on_train_batch_start(self, trainer, *args):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_end(self, trainer, *args):
        with open(f"{self.name}.json", "w") as file:
            json.dump(self.rates, file)
"""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model.schedule=cosine"], "model.schedule: a resumed run cannot change it from constant to cosine"),
        (["--model.optimizer=torch.optim.SGD", "--model.optimizer.momentum=0.9"], "cannot change it from torch.optim"),
    ],
    ids=["schedule", "optimizer"],
)
def test_what_cannot_change_when_a_run_goes_on_is_refused_before_anything_is_written(fit, flags, words):
    assert fit("--name=a", *ADAM, "--trainer.max_epochs=1").code == 0
    before = {path: path.read_bytes() for path in Path("runs/a").rglob("*") if path.is_file()}
    result = fit("--name=a", "--ckpt_path=last", *ADAM, "--trainer.max_epochs=2", *flags)
    assert result.code == 2
    assert words in result.err
    assert "--model.init_from" in result.err
    assert {path: path.read_bytes() for path in Path("runs/a").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("files", [[], ["--config=whole.yaml"]], ids=["flags", "file"])
def test_another_seed_is_refused_when_a_run_goes_on(fit, run, files):
    assert fit("--name=a", *ADAM, "--trainer.max_epochs=1", "--seed_everything=5").code == 0
    config = Path("runs/a/config.yaml").read_text()
    Path("whole.yaml").write_text(config.replace("seed_everything: 5", "seed_everything: 7"))
    more = ["--name=a", "--ckpt_path=last", "--trainer.max_epochs=2", *files]
    result = run("fit", *more, *([] if files else ["--seed_everything=7"]))
    assert result.code == 2
    assert "cannot change it from 5 to 7. Set --seed_everything=5" in result.err
    assert Path("runs/a/config.yaml").read_text() == config
    assert run("fit", *more, *(["--seed_everything=5"] if files else [])).code == 0


def test_options_of_a_schedule_of_torch_are_refused(fit):
    step = ["--model.schedule=torch.optim.lr_scheduler.StepLR", "--model.schedule.step_size=1"]
    assert fit("--name=a", *step, "--trainer.max_epochs=1").code == 0
    result = fit("--name=a", "--ckpt_path=last", *step, "--trainer.max_epochs=2", "--model.schedule.gamma=0.5")
    assert result.code == 2
    assert "gamma=0.5" in result.err


@pytest.mark.parametrize(
    ("optimizer", "changed"),
    [("SPSA", {"lr": 0.7, "perturbation": 0.3}), ("QuantumNaturalGradient", {"lr": 0.7, "damping": 0.1})],
)
def test_options_of_optimizers_of_circuits_take_effect_too(run, optimizer, changed):
    base = ["--model=VQE", "--model.problem=IsingChain", "--model.problem.n_qubits=3", "--trainer.accelerator=cpu"]
    base += [f"--model.optimizer=hqlm.algorithms.optimizers.{optimizer}", "--trainer.enable_progress_bar=false"]
    base += ["--model.steps_per_epoch=2", "--model.schedule=constant"]
    result = run("fit", *base, "--name=a", "--trainer.max_epochs=1")
    assert result.code == 0, result.err
    flags = [f"--model.optimizer.{name}={value}" for name, value in changed.items()]
    result = run("fit", *base, "--name=a", "--trainer.max_epochs=2", "--ckpt_path=last", *flags)
    assert result.code == 0, result.err
    (group,) = optimizer_of("a")
    assert {name: group[name] for name in changed} == changed


def test_the_patience_of_early_stopping_takes_effect(fit):
    def early(patience):
        options = {"monitor": "val/acc", "mode": "max", "patience": patience}
        return "--trainer.callbacks=" + json.dumps([{"class_path": "EarlyStopping", "init_args": options}])

    assert fit("--name=a", *ADAM, early(5), "--trainer.max_epochs=1").code == 0
    assert fit("--name=a", "--ckpt_path=last", *ADAM, early(9), "--trainer.max_epochs=2").code == 0
    states = torch.load("runs/a/checkpoints/last.ckpt", weights_only=True)["callbacks"]
    (state,) = (state for name, state in states.items() if name.startswith("EarlyStopping"))
    assert state["patience"] == 9


COUNTER = """
from lightning.pytorch import Callback

class Counter(Callback):
    def __init__(self, seen: int = 0) -> None:
        self.seen = seen

    def on_train_batch_end(self, *args):
        self.seen += 1

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]
"""


def test_the_state_of_other_callbacks_goes_on(fit, monkeypatch, tmp_path):
    """Even where an argument of the constructor has the name of a value in it."""
    monkeypatch.syspath_prepend(tmp_path)
    Path("counter.py").write_text(COUNTER)
    args = ["--name=a", *ADAM, "--trainer.callbacks=[{'class_path': 'counter.Counter'}]", "--plugins=counter"]
    assert fit(*args, "--trainer.max_epochs=1").code == 0
    assert fit(*args, "--trainer.max_epochs=2", "--ckpt_path=last").code == 0
    found = torch.load("runs/a/checkpoints/last.ckpt", weights_only=True)
    assert found["callbacks"]["Counter"] == {"seen": found["global_step"]}


@pytest.mark.parametrize("schedule", ["constant", "torch.optim.lr_scheduler.StepLR"])
def test_a_learning_rate_of_zero_is_raised_without_a_schedule_alone(fit, schedule):
    flags = ["--name=a", "--model.optimizer=torch.optim.SGD", f"--model.schedule={schedule}"]
    flags += ["--model.schedule.step_size=1"] if schedule != "constant" else []
    result = fit(*flags, "--model.optimizer.lr=0", "--trainer.max_epochs=1")
    assert result.code == 0, result.err
    before = {path: path.read_bytes() for path in Path("runs/a").rglob("*") if path.is_file()}
    result = fit(*flags, "--model.optimizer.lr=0.5", "--trainer.max_epochs=2", "--ckpt_path=last")
    if schedule == "constant":
        assert result.code == 0, result.err
        assert [group["lr"] for group in optimizer_of("a")] == [0.5]
    else:
        assert result.code == 2
        assert "a learning rate of 0 in the run so far cannot become 0.5" in result.err
        assert {path: path.read_bytes() for path in Path("runs/a").rglob("*") if path.is_file()} == before


def write_rows(folder, *labels):
    Path(folder).mkdir()
    for split in ("train", "dev", "test"):
        Path(folder, f"{split}.tsv").write_text(
            "text\tlabel\n" + "".join(f"word {i} {label}\t{label}\n" for i in range(8) for label in labels)
        )


def test_other_classes_are_refused_when_a_run_goes_on(fit):
    write_rows("one", "neg", "pos")
    write_rows("other", "pos", "zzz")
    small = [*ADAM, "--data=FileData"]
    assert fit("--name=a", *small, "--data.folder=one", "--trainer.max_epochs=1").code == 0
    before = Path("runs/a/config.yaml").read_text()
    more = ["--name=a", "--ckpt_path=last", "--trainer.max_epochs=2"]
    result = fit(*more, *small, "--data.folder=other")
    assert result.code == 2
    assert "the run has the classes neg, pos, in this order, but the data has pos, zzz" in result.err
    reverse = '--model.class_names=["pos", "neg"]'
    result = fit(*more, *small, "--data.folder=one", reverse)
    assert result.code == 2
    assert "in this order, but the data has pos, neg" in result.err
    assert Path("runs/a/config.yaml").read_text() == before
    assert fit(*more, *small, "--data.folder=one").code == 0


def test_weights_that_do_not_fit_are_named_in_a_sentence(fit):
    assert fit("--name=a", *ADAM, "--trainer.max_epochs=1").code == 0
    more = ["--name=a", "--ckpt_path=last", *ADAM, "--trainer.max_epochs=2"]
    result = fit(*more, "--model.head.readout=2", "--model.head.feature_encoder.n_layers=3")
    assert result.code == 2
    assert "1 missing" not in result.err
    assert "of another shape (" in result.err
    assert "head.linear.weight (2, 1) instead of (2, 2)" in result.err
    assert "--model.init_from=RUN" in result.err
    assert len(result.err) < 600
