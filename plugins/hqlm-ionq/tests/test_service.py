"""IonQ: a dry run sends nothing, a submission costs at most what was shown, and nothing is submitted twice."""

import math

import fake_ionq
import pytest
import requests
import requests_mock
import torch
from fake_ionq import KEY, Service, _OnFakeService
from hqlm_ionq import IonQBackend, service

from hqlm.backends import StatevectorBackend, remote
from hqlm.circuits import Circuit, Gate, Input, PauliString, RepeatedUpload, RingAnsatz, Weight
from hqlm.errors import ConfigError, NotSubmitted, RemoteError, UnsupportedExecution
from hqlm.execution import Execution, Noise

CIRCUIT = Circuit(
    2,
    (Gate("RY", (0,), Input(0)), Gate("CNOT", (0, 1)), Gate("RY", (1,), Weight(0))),
    (PauliString("ZZ"), PauliString("ZI")),  # one setting; the second value differs from row to row
)
INPUTS = torch.linspace(0.0, 2.0, 5, dtype=torch.float64)[:, None]
PRICE = 12.4166 + 500 * (2 * 0.000220 + 0.000975)


@pytest.fixture(autouse=True)
def ionq(monkeypatch, tmp_path):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    monkeypatch.setattr(remote, "DELAYS", (0.0,) * 4)
    found = Service()
    monkeypatch.setattr(fake_ionq, "SERVICE", found)
    return found


def values(backend, **settings):
    weights = torch.tensor([0.7], dtype=torch.float64)
    return backend.expectations(CIRCUIT, weights, INPUTS, None, Execution(**{"shots": 500, "seed": 1, **settings}))


def paying(limit=1e6, **options):
    return _OnFakeService(dry_run=False, max_cost_usd=limit, **options)


def up(cost):
    return f"{math.ceil(100 * cost) / 100:.2f}"


def head():
    """The second module of the paper: 10 qubits, two re-uploading blocks, two main layers, long-range entanglement."""
    ansatz, z = RingAnsatz(connectivity=2, ry_column=True), (PauliString.z(0, 10),)
    return RepeatedUpload(n_blocks=2, n_main_layers=2, scale=3.14).circuit(10, 1, ansatz, z)


def test_a_dry_run_of_a_training_step_of_the_paper_shows_its_plan_and_reaches_nobody(monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    circuit, shots = head(), 1000
    weights = torch.zeros(circuit.n_weights, requires_grad=True)
    inputs = torch.zeros(32, circuit.n_inputs, requires_grad=True)
    one, two = (sum(len(gate.wires) == size for gate in circuit.gates) for size in (1, 2))
    n_shifted = sum(not isinstance(gate.angle, float | None) for gate in circuit.gates)
    circuits = 32 * (1 + 2 * n_shifted)
    cost = circuits * (12.4166 + shots * (one * 0.000220 + two * 0.000975))
    message = (
        rf"{circuits:,} circuits \(32 for the values, {circuits - 32:,} for their gradient\) of 1,000 shots to "
        rf"qpu\.forte-1, each of at most {one} one-qubit and {two} two-qubit gates: at most {up(cost)} USD.*"
        r"dry_run=false.*max_cost_usd"
    )
    with requests_mock.Mocker() as network:  # which raises for every address
        with pytest.raises(NotSubmitted, match=message):
            IonQBackend().expectations(circuit, weights, inputs, None, Execution(shots=shots))
        assert network.call_count == 0


def test_gates_are_counted_as_they_are_submitted(ionq):
    gates = [Gate("SWAP", (0, 1)), Gate("CRY", (0, 1), 0.3), Gate("RXX", (0, 1), 0.2), Gate("T", (0,)), Gate("I", (1,))]
    circuit = Circuit(2, tuple(gates), ())
    one, two = service.n_gates(circuit)
    assert two == 3 + 2 + 1
    paying().sample(circuit, torch.zeros(0), None, None, Execution(shots=10))
    sent = ionq.jobs[0]["input"]["circuit"]
    assert len(sent) == one + two
    assert sum(len(gate.get("controls", [])) + len(gate["targets"]) == 2 for gate in sent) == two


def test_a_job_is_what_was_shown_without_debiasing(ionq):
    exact = StatevectorBackend().expectations(CIRCUIT, torch.tensor([0.7], dtype=torch.float64), INPUTS)
    backend = paying(rows_per_job=2)
    found = values(backend)
    assert bool(((found - exact).abs() < 5.0 / 500**0.5).all())
    assert backend.budget.spent == pytest.approx(5 * PRICE)
    for job in ionq.jobs:
        assert job["backend"] == "qpu.forte-1"
        assert job["shots"] == 500
        assert job["settings"]["error_mitigation"] == {"debiasing": False}
        assert len(job["input"]["circuit"]) == 3
    assert torch.equal(values(backend), found)  # kept, and not paid again
    assert len(ionq.jobs) == 5


def test_a_call_that_may_exceed_the_limit_is_refused_before_anything_is_sent(ionq):
    with pytest.raises(NotSubmitted, match=f"Set it to {up(5 * PRICE)} or more"):
        values(paying(5 * PRICE - 0.01))
    assert ionq.jobs == []


def test_prices_are_options():
    free = {"price_one_qubit": 0.0, "price_two_qubit": 0.0, "price_minimum": 0.0}
    for name, cost in (("price_one_qubit", 2 * 500), ("price_two_qubit", 500), ("price_minimum", 1)):
        with pytest.raises(NotSubmitted, match=rf"at most {5 * cost}.00 USD"):
            values(IonQBackend(**{**free, name: 1.0}))


def test_the_simulator_of_the_service_costs_nothing(ionq):
    with pytest.raises(NotSubmitted, match=r"5 circuits of 500 shots to simulator.*at most 0\.00 USD"):
        values(IonQBackend("simulator"))
    values(_OnFakeService("simulator", dry_run=False))
    assert {job["backend"] for job in ionq.jobs} == {"simulator"}


def test_a_submission_that_fails_ends_the_call_and_keeps_the_rest(ionq):
    ionq.failures = [None] * 3 + [requests.exceptions.ConnectionError("cable")]
    backend = paying(rows_per_job=2)
    message = r"job 2 of 3.*could not be submitted: ConnectionError: cable; before it were submitted: 2\. 1 of 3 jobs"
    with pytest.raises(RemoteError, match=message) as failure:
        values(backend)
    assert KEY not in str(failure.value)
    assert len(ionq.jobs) == 3
    assert backend.budget.spent == pytest.approx(4 * PRICE)  # the failed one may be charged
    values(backend)
    assert len(ionq.jobs) == 3 + 3


def test_what_the_service_refuses_is_said(ionq, caplog):
    ionq.failures = [403]
    with pytest.raises(RemoteError, match=r"IonQAPIError.*status_code=403") as failure:
        values(paying())
    assert KEY not in str(failure.value) + caplog.text
    assert ionq.jobs == []


def test_a_job_that_failed_is_named(ionq):
    ionq.states = ["failed"]
    with pytest.raises(RemoteError, match=r"job 0.*QuantumCircuitComplexityError: too deep"):
        values(paying())


def test_a_result_is_asked_for_again_but_not_run_again(ionq):
    ionq.states = [TimeoutError("queue"), TimeoutError("queue")]
    values(paying())
    assert len(ionq.jobs) == 5


def test_lost_shots_are_refused(ionq, monkeypatch):
    monkeypatch.setattr(Service, "probabilities", lambda *_: {"0": 0.5, "3": 0.25})
    with pytest.raises(RemoteError, match="job 0 returned 375 shots, asked for 500"):
        values(paying())


def test_without_a_key_nothing_is_tried(ionq, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    with pytest.raises(ConfigError, match="IONQ_API_KEY"):
        values(paying())
    assert ionq.jobs == []


@pytest.mark.parametrize(
    "execution", [Execution(), Execution(9, Noise(two_qubit=0.1)), Execution(9, Noise(readout=0.1))]
)
def test_what_the_device_does_itself_is_refused(execution):
    with pytest.raises(UnsupportedExecution):
        IonQBackend().expectations(CIRCUIT, torch.zeros(1), torch.zeros(1, 1), None, execution)


@pytest.mark.parametrize(
    "options",
    [
        {"device": "forte-1"},
        {"rows_per_job": 0},
        {"price_minimum": -1.0},
        {"price_two_qubit": float("nan")},
        {"price_one_qubit": float("inf")},
    ],
)
def test_options_outside_what_is_possible_are_refused(options):
    with pytest.raises(ConfigError, match=rf"backend\.{next(iter(options))}"):
        IonQBackend(**options)
