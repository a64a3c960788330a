"""Paid backends: what a call costs is shown and allowed before anything is submitted, the gradient included."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
import torch

from hqlm.backends import BACKENDS, StatevectorBackend, paid
from hqlm.backends.paid import Budget, PaidBackend, Plan
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import CacheError, CircuitError, ConfigError, NotSubmitted, UnsupportedExecution
from hqlm.execution import Execution
from hqlm.testing import BackendContract

PRICE = 0.1
GATES = (Gate("RY", (0,), Input(0)), Gate("CRY", (0, 1), Weight(0)), Gate("RX", (1,), Weight(0)), Gate("RY", (0,), 0.3))
CIRCUIT = Circuit(2, GATES, (PauliString("ZI"), PauliString("IX")))  # one setting
TWO = Circuit(2, GATES, (PauliString("ZI"), PauliString("XX")))
SUBMITTED = []  # circuits of each submission


@dataclass(frozen=True)
class _Paid(PaidBackend):
    """Charges a dime a circuit."""

    device: str = field(default="toy")

    def plan(self, circuits, forward, backward, shots):
        return Plan(self.device, forward, backward, shots, 4, 1, PRICE)

    def bits(self, circuit, angles, states, noise, shots, seed):
        self.budget.take(len(angles) * PRICE)
        SUBMITTED.append(len(angles))
        return StatevectorBackend().bits(circuit, angles, states, noise, shots, seed)


@pytest.fixture(autouse=True)
def nothing_submitted():
    SUBMITTED.clear()


class TestContract(BackendContract):
    examples = 5

    @pytest.fixture
    def backend(self):
        return _Paid(dry_run=False, max_cost_usd=1e9)


def run(backend, circuit=CIRCUIT, weights=True, inputs=True, **settings):
    w = torch.tensor([0.7], requires_grad=weights)
    x = torch.linspace(0.0, 2.0, 5)[:, None].requires_grad_(inputs)
    return backend.expectations(circuit, w, x, None, Execution(**{"shots": 50, **settings}))


def test_a_base_class_is_not_a_component():
    assert "PaidBackend" not in BACKENDS


@pytest.mark.parametrize(
    ("options", "repeats"),
    [
        ({}, 2 + 4 + 2),  # a rotation twice, a controlled one four times
        ({"weights": False}, 2),
        ({"inputs": False}, 4 + 2),
        ({"weights": False, "inputs": False}, 0),
        ({"gradient": "spsa", "spsa_samples": 3}, 6),
        ({"gradient": "spsa", "weights": False, "inputs": False}, 0),
        ({"gradient": "surrogate"}, 0),
        ({"circuit": TWO}, 8),
    ],
)
def test_the_plan_counts_what_is_submitted(options, repeats):
    forward = 5 * (2 if "circuit" in options else 1)
    parts = rf" \({forward} for the values, {forward * repeats} for their gradient\)" if repeats else ""
    with pytest.raises(NotSubmitted, match=rf" {forward * (1 + repeats)} circuits{parts} of 50 shots to toy, each of"):
        run(_Paid(), **options)
    values = run(_Paid(dry_run=False, max_cost_usd=100.0), **options)
    assert sum(SUBMITTED) == forward
    if values.requires_grad:
        values.sum().backward()
    assert sum(SUBMITTED) == forward * (1 + repeats)


def test_a_weight_that_is_not_there_costs_what_its_rule_does():
    circuit = Circuit(1, (Gate("RY", (0,), 0.5),), (PauliString("Z"),))
    weights = torch.zeros(0, requires_grad=True)
    for rule, expected in (("parameter_shift", 1), ("spsa", 3)):
        SUBMITTED.clear()
        backend = _Paid(rule, dry_run=False, max_cost_usd=expected * PRICE)
        backend.budget.file.unlink(missing_ok=True)
        backend.expectations(circuit, weights, execution=Execution(shots=5, gradient=rule)).sum().backward()
        assert sum(SUBMITTED) == expected


def test_without_grad_there_is_no_gradient_to_pay():
    with torch.no_grad(), pytest.raises(NotSubmitted, match=" 5 circuits of 50 shots"):
        run(_Paid())


def test_a_dry_run_is_the_default_and_says_how_to_go_on():
    message = r"dry run, nothing was submitted.*at most 4\.50 USD.*dry_run=false.*max_cost_usd.*4\.50 or more"
    with pytest.raises(NotSubmitted, match=message):
        run(_Paid(max_cost_usd=1e9))
    with pytest.raises(NotSubmitted, match=r"7 circuits of 3 shots.*at most 0\.70 USD"):
        _Paid().sample(Circuit(1, (), ()), torch.zeros(0), torch.zeros(7, 0), None, Execution(shots=3))
    assert SUBMITTED == []


def test_the_limit_that_a_refusal_names_is_enough():
    with pytest.raises(
        NotSubmitted, match=r"max_cost_usd is 4\.49, of which 0\.00 are committed so far\. Set it to 4\.50 or more"
    ):
        run(_Paid(dry_run=False, max_cost_usd=4.49))
    assert SUBMITTED == []
    run(_Paid(dry_run=False, max_cost_usd=4.50)).sum().backward()


def test_the_limit_is_that_of_all_calls_and_copies_together():
    backend = _Paid(dry_run=False, max_cost_usd=1.4)
    for twin in (backend, pickle.loads(pickle.dumps(backend))):
        run(twin, weights=False, inputs=False)
    with pytest.raises(NotSubmitted, match=r"1\.00 are committed so far\. Set it to 1\.50"):
        run(copy.deepcopy(backend), weights=False, inputs=False)
    assert sum(SUBMITTED) == 10


def test_a_budget_is_that_of_a_class_whatever_its_options_and_its_limit():
    run(_Paid("one", dry_run=False, max_cost_usd=0.6), weights=False, inputs=False)
    with pytest.raises(
        NotSubmitted, match=r"0\.50 are committed so far\. Set it to 1\.00.*Deleting .*/budgets/_Paid.json"
    ):
        run(_Paid("other", dry_run=False, max_cost_usd=0.7), weights=False, inputs=False)
    budget = _Paid(dry_run=False, max_cost_usd=0.5).budget
    assert budget.spent == pytest.approx(0.5)
    budget.file.unlink()
    run(_Paid("other", dry_run=False, max_cost_usd=0.7), weights=False, inputs=False)


SPENDING = """
import sys, time
from pathlib import Path
from hqlm.backends.paid import Budget
from hqlm.errors import NotSubmitted

budget = Budget(False, 1.0, Path("budgets/b.json"))
for _ in range(40):
    try:
        budget.take(0.03)
        print("x", end="")
    except NotSubmitted:
        break
"""


def test_processes_spend_from_one_budget_and_so_do_later_ones(tmp_path):
    start = lambda: subprocess.Popen([sys.executable, "-c", SPENDING], cwd=tmp_path, stdout=subprocess.PIPE, text=True)  # noqa: E731
    submitted = "".join(process.communicate()[0] for process in [start(), start()])
    assert len(submitted) == 33
    assert start().communicate()[0] == ""


def test_what_cannot_be_written_down_is_not_submitted(tmp_path):
    (tmp_path / "budgets").write_text("in the way")
    with pytest.raises(CacheError, match="nothing was submitted"):
        Budget(False, 1.0, tmp_path / "budgets/b.json").take(0.1)


def test_what_goes_around_the_plan_is_stopped_too():
    angles = torch.zeros(3, len(CIRCUIT.rotations))
    for backend in (_Paid(), _Paid(dry_run=False, max_cost_usd=0.29)):
        with pytest.raises(NotSubmitted, match=r"circuits of at most 0\.30 USD were not submitted"):
            backend.bits(CIRCUIT, angles, None, None, 5, 0)
    assert SUBMITTED == []


def test_the_plan_is_shown_before_anything_is_submitted(monkeypatch):
    shown = []
    monkeypatch.setattr(paid, "rank_zero_info", lambda text: shown.append((list(SUBMITTED), text)))
    run(_Paid(dry_run=False, max_cost_usd=10.0))
    assert [submitted for submitted, _ in shown] == [[]]
    assert "45 circuits (5 for the values, 40 for their gradient)" in shown[0][1]


def test_mistakes_are_said_before_costs():
    with pytest.raises(CircuitError):
        _Paid().expectations(CIRCUIT, torch.zeros(3), torch.zeros(1, 1), None, Execution(shots=5))
    with pytest.raises(UnsupportedExecution, match="shots"):
        run(_Paid(), shots=None)
    with pytest.raises(UnsupportedExecution, match="adjoint"):
        run(_Paid(), gradient="adjoint")


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_a_limit_is_a_number_from_0_up(limit):
    with pytest.raises(ConfigError, match="max_cost_usd"):
        _Paid(max_cost_usd=limit)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf"), -1e-9, "1", None])
def test_amounts_that_are_no_amounts_are_refused_and_change_nothing(amount, tmp_path):
    budget = Budget(False, 1.0, tmp_path / "budgets/b.json")
    with pytest.raises(ConfigError, match="a finite number of USD, 0 or more"):
        budget.take(amount)
    budget.take(1.0)
    with pytest.raises(NotSubmitted):
        budget.take(0.01)
    with pytest.raises(ConfigError, match="budget"):
        Budget(False, amount, budget.file)
    budget.file.write_text(json.dumps({"spent_usd": amount}))
    with pytest.raises(CacheError, match=r"b\.json.*cannot be read.*delete it to begin at 0"):
        budget.take(0.0)
    with pytest.raises(ConfigError, match="the price of a circuit on toy"):
        Plan("toy", 1, 0, 10, 1, 1, amount)


def test_counts_and_costs_of_a_plan_cannot_give_credit():
    with pytest.raises(ConfigError, match="counts -1 backward"):
        Plan("toy", 1, -1, 10, 1, 1, PRICE)
    with pytest.raises(ConfigError, match=r"the cost of 20 circuits on toy must be a finite number"):
        Plan("toy", 20, 0, 10, 1, 1, 1e308)
