"""Devices of AWS: nothing is submitted before its cost is shown and allowed, and nothing is submitted twice."""

import inspect
from types import SimpleNamespace

import fake_aws
import pytest
import torch
from fake_aws import ARN, OPERATIONS, FakeDevice, _OnFakeDevice
from hqlm_braket import BraketBackend, devices

from hqlm.backends import StatevectorBackend, remote
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import ConfigError, NotSubmitted, RemoteError, UnsupportedExecution
from hqlm.execution import Execution, Noise

CIRCUIT = Circuit(
    2,
    (Gate("RY", (0,), Input(0)), Gate("CNOT", (0, 1)), Gate("RY", (1,), Weight(0)), Gate("CRZ", (0, 1), 0.4)),
    (PauliString("ZI"), PauliString("IX"), PauliString("XZ")),  # two settings
)
INPUTS = torch.linspace(0.0, 2.0, 5, dtype=torch.float64)[:, None]
PRICE = 0.3 + 500 * 0.08


@pytest.fixture
def device(monkeypatch, tmp_path):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    monkeypatch.setattr(remote, "DELAYS", (0.0,) * 4)
    found = FakeDevice()
    monkeypatch.setattr(_OnFakeDevice, "fake", staticmethod(lambda: found))
    return found


def values(backend, trained=False, **settings):
    weights = torch.tensor([0.7], dtype=torch.float64, requires_grad=trained)
    inputs = INPUTS.clone().requires_grad_(trained)
    return backend.expectations(CIRCUIT, weights, inputs, None, Execution(**{"shots": 500, "seed": 1, **settings}))


def paying(limit=1e6, **options):
    return _OnFakeDevice(ARN, dry_run=False, max_cost_usd=limit, **options)


def test_a_dry_run_is_the_default_and_shows_what_would_be_sent(device):
    message = (
        r"dry run, nothing was submitted.*10 circuits of 500 shots to Fake-1, each of at most 5 one-qubit and 3 "
        rf"two-qubit gates: at most {10 * PRICE:.2f} USD.*dry_run=false.*max_cost_usd.*{10 * PRICE:.2f}"
    )
    with pytest.raises(NotSubmitted, match=message):
        values(_OnFakeDevice(ARN))
    with pytest.raises(NotSubmitted, match="5 circuits of 7 shots"):
        _OnFakeDevice(ARN).sample(CIRCUIT, torch.tensor([0.7]), INPUTS.float(), None, Execution(shots=7))
    assert device.tasks == []


@pytest.mark.parametrize(
    ("settings", "circuits"),
    [({}, 10 * 4), ({"gradient": "spsa", "spsa_samples": 3}, 10 * 6), ({"gradient": "surrogate"}, 0)],
)
def test_the_circuits_of_the_gradient_are_counted(device, settings, circuits):
    backend = paying()
    with pytest.raises(NotSubmitted, match=f"{10 + circuits} circuits" if circuits else "10 circuits of"):
        values(_OnFakeDevice(ARN), True, **settings)
    values(backend, True, **settings).sum().backward()
    assert len(device.tasks) == 10 + circuits
    assert backend.budget.spent == pytest.approx((10 + circuits) * PRICE)


def test_a_call_that_may_exceed_the_limit_is_refused_before_anything_is_sent(device):
    backend = paying(10 * PRICE - 0.01)
    with pytest.raises(NotSubmitted, match=rf"nothing was submitted.*Set it to {10 * PRICE:.2f} or more"):
        values(backend)
    assert device.tasks == []
    assert values(paying(10 * PRICE)).shape == (5, 3)


def test_samples_taken_around_the_plan_are_counted_too(device):
    angles = torch.zeros(1, len(CIRCUIT.rotations), dtype=torch.float64)
    with pytest.raises(RemoteError, match=r"were not submitted: backend\.dry_run is true"):
        _OnFakeDevice(ARN).bits(CIRCUIT, angles, None, Noise(), 500, 0)
    assert device.tasks == []


def test_measured_values_are_right_and_kept(device):
    exact = StatevectorBackend().expectations(CIRCUIT, torch.tensor([0.7], dtype=torch.float64), INPUTS)
    backend = paying(rows_per_job=2)
    found = values(backend)
    assert bool(((found - exact).abs() < 5.0 / 500**0.5).all())
    assert torch.equal(values(backend), found)
    assert len(device.tasks) == 10


def test_qubits_may_be_measured_in_any_order():
    result = SimpleNamespace(measured_qubits=[2, 0, 1], measurements=[[1, 0, 0], [0, 0, 1]])
    task = SimpleNamespace(id="task", result=lambda: result)
    assert devices._bits(task, 3).tolist() == [[0, 0, 1], [0, 1, 0]]


def test_the_fewest_and_the_most_shots_are_taken(device):
    device.properties = fake_aws.capabilities(shots=(500, 500))
    assert values(paying()).shape == (5, 3)


def test_a_task_that_cannot_be_submitted_ends_the_call_and_keeps_the_rest(device):
    device.failures = [None] * 4 + [ConnectionError("cable")]
    backend = paying(rows_per_job=3)
    message = r"job 2 of 2.*could not be submitted: ConnectionError: cable; before it were submitted: task-3.*1 of 2"
    with pytest.raises(RemoteError, match=message):
        values(backend)
    assert len(device.tasks) == 4
    assert backend.budget.spent == pytest.approx(5 * PRICE)  # the failed one may be charged
    values(backend)
    assert len(device.tasks) == 4 + 2 + 5


def test_a_result_is_asked_for_again_but_not_run_again(device):
    device.lost = 2
    values(paying())
    assert len(device.tasks) == 10


def test_a_task_without_a_result_is_named(device, monkeypatch):
    monkeypatch.setattr(fake_aws.Task, "result", lambda self: None)
    with pytest.raises(RemoteError, match="task task-0 ended without a result, in state COMPLETED"):
        values(paying())


def test_a_device_has_the_gates_that_it_says(device):
    device.properties = fake_aws.capabilities(operations=OPERATIONS)
    assert {"CNOT", "RXX", "SX", "CRZ"} <= _OnFakeDevice(ARN).gates
    assert not {"CZ", "CRX", "CRY", "I"} & _OnFakeDevice(ARN).gates
    with pytest.raises(UnsupportedExecution, match="no gate CZ"):
        paying().sample(Circuit(2, (Gate("CZ", (0, 1)),), ()), torch.zeros(0))


@pytest.mark.parametrize(
    ("changes", "message"), [({"unit": "minute"}, "0.08 USD a minute"), ({"price": 0}, "no price")]
)
def test_a_device_whose_cost_has_no_bound_is_refused(device, changes, message):
    device.properties = fake_aws.capabilities(**changes)
    with pytest.raises(ConfigError, match=message):
        values(paying())


def test_a_price_that_changed_is_that_of_the_device(device):
    device.properties = fake_aws.capabilities(price=0.001)
    with pytest.raises(NotSubmitted, match=rf"at most {10 * (0.5 + 0.5):.2f} USD"):
        values(_OnFakeDevice(ARN, price_per_task=0.5))


def test_what_a_device_does_not_have_is_refused(device):
    device.properties = fake_aws.capabilities(qubits=1, shots=(1, 400))
    with pytest.raises(UnsupportedExecution, match="has 1 qubits, the circuit needs 2"):
        values(paying())
    one = Circuit(1, (), (PauliString("Z"),))
    none = torch.zeros(0)
    with pytest.raises(UnsupportedExecution, match=r"1 to 400 shots, execution\.shots is 500"):
        paying().expectations(one, none, execution=Execution(shots=500))
    for execution in (Execution(), Execution(shots=4, noise=Noise(one_qubit=0.1)), Execution(4, Noise(readout=0.1))):
        with pytest.raises(UnsupportedExecution):
            paying().expectations(one, none, execution=execution)


def test_a_device_that_cannot_be_reached_is_refused(monkeypatch):
    from braket import aws

    def refused(arn):
        raise PermissionError("no such account")

    monkeypatch.setattr(aws, "AwsDevice", refused)
    devices.found.cache_clear()
    with pytest.raises(ConfigError, match=f"{ARN} cannot be reached: PermissionError: no such account"):
        values(BraketBackend(ARN))


def test_the_real_device_is_asked_in_its_own_words():
    from braket.aws import AwsDevice

    inspect.signature(AwsDevice.run).bind(None, "circuit", shots=1, inputs={})
    assert {"properties", "name", "arn"} <= {name for kind in AwsDevice.__mro__ for name in vars(kind)}


@pytest.mark.parametrize(
    "options",
    [{"device": "braket_tn"}, {"rows_per_job": 0}, {"price_per_task": -1.0}, {"max_cost_usd": -1.0},
     {"max_cost_usd": float("nan")}],
)  # fmt: skip
def test_options_outside_what_is_possible_are_refused(options):
    with pytest.raises(ConfigError, match=f"backend.{next(iter(options))}"):
        BraketBackend(**options)
