"""What training and an evaluation will take is said before it starts; what it took is measured over all sittings."""

import re
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.backends.paid import PaidBackend, Plan
from hqlm.callbacks import StepTime, TrainingTime, times
from hqlm.circuits import Circuit, Gate, Input, PauliString
from hqlm.cost import seconds
from hqlm.layer import QuantumLayer
from tests.commands.conftest import fit, run, trained  # noqa: F401 (fixtures)

COMPILED = set()
CLOCK = SimpleNamespace(seconds=0.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that only backends move."""
    monkeypatch.setattr(seconds, "time", SimpleNamespace(perf_counter=lambda: CLOCK.seconds))


@dataclass(frozen=True)
class _Timed(QuantumBackend):
    """Takes a known time for a call and for a row."""

    call: float = 0.02
    row: float = 0.03

    def values(self, circuit, angles, states, noise):
        CLOCK.seconds += self.call + self.row * len(angles)
        return StatevectorBackend().values(circuit, angles, states, noise)


@dataclass(frozen=True)
class SlowBackend(_Timed):
    """The same, where the command line finds it."""

    row: float = 0.2


@dataclass(frozen=True)
class CountedBackend(_Timed):
    """Hardware, which must not be asked without need."""

    row: float = 0.2
    seeded: ClassVar[bool] = False


def layer(backend):
    return QuantumLayer(Circuit(1, (Gate("RY", (0,), Input(0)),), (PauliString("Z"),)), backend)


@pytest.mark.parametrize(("call", "row"), [(0.02, 0.03), (0.0, 1.1)])
def test_calls_and_rows_are_told_apart(call, row):
    backend = _Timed(call, row)
    found = seconds.circuit_seconds(layer(backend), rows=100, batches=10)
    assert found == pytest.approx(10 * call + 100 * row)


@dataclass(frozen=True)
class CompilingBackend(_Timed):
    """Compiles for ten seconds before the first call of each size."""

    def values(self, circuit, angles, states, noise):
        if len(angles) not in COMPILED:
            COMPILED.add(len(angles))
            CLOCK.seconds += 10.0
        return super().values(circuit, angles, states, noise)


def test_compiling_is_not_counted():
    COMPILED.clear()
    found = seconds.circuit_seconds(layer(CompilingBackend()), rows=100, batches=10)
    assert found == pytest.approx(10 * 0.02 + 100 * 0.03)


def test_a_slow_training_says_so_before_its_first_epoch(fit, caplog):  # noqa: F811
    start = CLOCK.seconds
    result = fit(f"--model.head.backend={__name__}.SlowBackend")
    said = result.out + result.err + caplog.text
    assert result.code == 0, result.err
    words = r"about (\d+) min for an epoch of 64 rows, (\d+) min for 2 epochs, most of it on SlowBackend"
    ((one, both),) = re.findall(words, said)  # once, validation included
    assert float(both) == pytest.approx((CLOCK.seconds - start) / 60.0, rel=0.2)
    assert int(both) == 2 * int(one)
    assert "takes fewer rows" not in said
    caplog.clear()
    quick = fit()
    assert "for an epoch" not in quick.out + quick.err + caplog.text


@pytest.mark.parametrize(("command", "limit"), [("validate", "val"), ("test", "test"), ("predict", "test")])
def test_a_long_evaluation_says_so_first(run, trained, caplog, command, limit):  # noqa: F811
    flags = ["--ckpt_path=tiny", f"--model.head.backend={__name__}.SlowBackend", f"--data.limit_{limit}=300"]
    result = run(command, *flags)
    assert result.code == 0, result.err
    said = result.out + result.err + caplog.text
    assert "about 61 s for 300 rows, most of it on SlowBackend(call=0.02, row=0.2)" in said
    assert f"--data.limit_{limit}=200 takes fewer rows" in said


def test_few_rows_get_no_hint(run, trained, caplog):  # noqa: F811
    said = run("test", "--ckpt_path=tiny", f"--model.head.backend={__name__}.SlowBackend", "--data.limit_test=30")
    assert "about 7 s for 30 rows" in said.out + said.err + caplog.text
    assert "takes fewer rows" not in said.out + said.err + caplog.text


def test_layers_add_up(monkeypatch):
    said = []
    monkeypatch.setattr(times, "rank_zero_info", said.append)
    module = torch.nn.ModuleList([layer(_Timed(0.0, 0.3)), layer(_Timed(0.0, 0.3))])
    rows = torch.utils.data.DataLoader(range(10), batch_size=5)
    times._tell(module, [2], rows, "limit_test")
    assert said[0].startswith("about 6 s for 10 rows")


def test_a_short_one_and_hardware_are_not_timed(run, trained, caplog):  # noqa: F811
    quick = run("test", "--ckpt_path=tiny")
    hardware = run("test", "--ckpt_path=tiny", f"--model.head.backend={__name__}.CountedBackend")
    assert quick.code == hardware.code == 0
    assert "takes fewer rows" not in quick.out + quick.err + hardware.out + hardware.err + caplog.text


@dataclass(frozen=True)
class PricedBackend(PaidBackend):
    """Hardware at a dollar a circuit."""

    seeded: ClassVar[bool] = False

    def plan(self, circuits, forward, backward, shots):
        return Plan("toy", forward, backward, shots, 4, 1, 1.0)

    def bits(self, circuit, angles, states, noise, shots, seed):
        self.budget.take(float(len(angles)))
        return StatevectorBackend().bits(circuit, angles, states, noise, shots, seed)


def test_all_rows_must_be_paid_for_before_the_first_is_submitted(run, trained):  # noqa: F811
    words = [
        "test",
        "--ckpt_path=tiny",
        f"--model.head.backend={__name__}.PricedBackend",
        "--model.head.execution.shots=5",
    ]
    words += ["--data.limit_test=40", "--data.batch_size=32"]
    dry = run(*words)
    assert dry.code == 2
    assert "40 circuits of 5 shots to toy" in dry.err
    assert "at most 40.00 USD" in dry.err
    few = run(*words, "--model.head.backend.dry_run=false", "--model.head.backend.max_cost_usd=35")
    assert few.code == 2
    assert "0.00 are committed so far. Set it to 40.00 or more" in few.err
    assert run(*words, "--model.head.backend.dry_run=false", "--model.head.backend.max_cost_usd=40").code == 0


def test_the_median_of_the_steps_and_of_the_sitting_before():
    first = StepTime()
    assert first.seconds is None
    for pause in (0.0, 0.01, 0.1):
        first.on_train_batch_start(None, None, None, 0)
        time.sleep(pause)
        first.on_train_batch_end(None, None, None, None, 0)
    assert 0.01 <= first.seconds < 0.03
    second = StepTime()
    second.load_state_dict(first.state_dict())
    assert second.seconds == first.seconds


def test_seconds_add_up_over_sittings():
    first = TrainingTime()
    assert first.seconds == 0.0
    first.on_train_start(None, None)
    time.sleep(0.02)
    assert first.seconds >= 0.02  # a checkpoint is written before the end
    first.on_train_end(None, None)
    stopped = first.seconds
    time.sleep(0.01)
    assert first.seconds == stopped
    second = TrainingTime()
    second.load_state_dict(first.state_dict())
    second.on_train_start(None, None)
    second.on_train_end(None, None)
    assert stopped <= second.seconds < stopped + 0.01
