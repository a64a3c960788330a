"""PennyLane's devices keep the contract; what one of them cannot do is refused by name."""

from types import SimpleNamespace

import pytest
import torch

from hqlm import notices, registry
from hqlm.backends import PennyLaneBackend, StatevectorBackend, pennylane
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import ConfigError, MissingDependency, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.testing import BackendContract
from tests.backends.random_circuits import random_circuit, random_parameters, random_states

qml = pytest.importorskip("pennylane")
F64 = torch.float64
NONE = torch.zeros(0, dtype=F64)
NOISE = Noise(one_qubit=0.01, two_qubit=0.02, amplitude_damping=0.03, phase_damping=0.04)
SIMULATORS = ["default.qubit", "default.mixed", "lightning.qubit"]


class TestLightning(BackendContract):
    @pytest.fixture
    def backend(self):
        return PennyLaneBackend(device="lightning.qubit")


class TestDensityMatrices(BackendContract):
    @pytest.fixture
    def backend(self):
        return PennyLaneBackend(device="default.mixed")


@pytest.mark.slow
class TestADeviceThatOnlyRuns(BackendContract):
    """No derivatives, no initial states and few gates of its own: like hardware, but simulated."""

    @pytest.fixture
    def backend(self):
        return PennyLaneBackend(device="reference.qubit")


class _TwoQubits(qml.devices.Device):
    """A device of a plugin: two qubits, CNOT and RY, shots alone, and no seed."""

    name = "two.qubits"
    lost = 0  # shots

    def __init__(self, wires, region="here"):
        if wires > 2:
            raise ValueError(f"the device in {region} has 2 qubits")
        super().__init__(wires=wires)

    def preprocess_transforms(self, execution_config=None):
        program = qml.CompilePipeline()
        program.add_transform(
            qml.devices.preprocess.decompose, stopping_condition=lambda op: op.name in ("RY", "CNOT"), name=self.name
        )
        return program

    def execute(self, circuits, execution_config=None):
        if not circuits[0].shots:
            raise qml.exceptions.DeviceError("needs shots")
        shots = [circuit.shots.total_shots - self.lost for circuit in circuits]
        return tuple(
            qml.math.zeros((number, circuit.num_wires)) for number, circuit in zip(shots, circuits, strict=True)
        )


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.setitem(qml.plugin_devices, "two.qubits", SimpleNamespace(load=lambda: _TwoQubits))
    for kept in (pennylane._takes_seed, pennylane._cached_device, notices.say_once):
        kept.cache_clear()
    return PennyLaneBackend(device="two.qubits")


def z(n_qubits, *gates):
    return Circuit(n_qubits, gates, (PauliString.z(0, n_qubits),))


@pytest.fixture
def ran(monkeypatch):
    """Names of the devices that run, and what runs on them, each time."""
    found = []
    for name in SIMULATORS:
        device = qml.plugin_devices[name].load()
        run = device.execute

        def spy(self, circuits, execution_config=None, run=run):
            found.append((self.name, [operator.name for operator in circuits[0].operations]))
            return run(self, circuits, execution_config)

        monkeypatch.setattr(device, "execute", spy)
    return found


@pytest.mark.parametrize("shots", [None, 8])
def test_auto_takes_density_matrices_under_noise_only_and_says_so_once(ran, shots, monkeypatch):
    said = []
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    circuit = z(1, Gate("RY", (0,), 0.3))
    for noise in (Noise(), Noise(readout=0.1), NOISE, NOISE):
        PennyLaneBackend().expectations(circuit, NONE, execution=Execution(shots, noise))
    assert [name for name, _ in ran] == ["default.qubit", "default.qubit", "default.mixed", "default.mixed"]
    assert said == [
        "PennyLaneBackend: device=auto is default.qubit without noise",
        "PennyLaneBackend: device=auto is default.mixed under noise",
    ]


@pytest.mark.parametrize("shots", [None, 8])
def test_every_channel_reaches_the_device_after_its_gate(ran, shots):
    gates = (Gate("RY", (0,), 0.3), Gate("H", (0,), noisy=False), Gate("CNOT", (1, 0)))
    PennyLaneBackend().expectations(z(2, *gates), NONE, execution=Execution(shots, NOISE))
    damping = ["AmplitudeDamping", "PhaseDamping"]
    pair = ["QubitChannel", *(2 * [damping[0]]), *(2 * [damping[1]])]
    assert ran[0][1] == ["RY", "DepolarizingChannel", *damping, "Hadamard", "CNOT", *pair]


@pytest.mark.parametrize("shots", [None, 8])
def test_a_batch_is_one_circuit_on_default_qubit(ran, shots):
    circuit = z(2, Gate("RY", (0,), Input(0)), Gate("RX", (1,), Weight(0)), Gate("CNOT", (0, 1)))
    inputs, weights = torch.rand(7, 1, dtype=F64), torch.rand(1, dtype=F64)
    PennyLaneBackend().expectations(circuit, weights, inputs, execution=Execution(shots))
    assert len(ran) == 1


@pytest.mark.parametrize("device", SIMULATORS)
def test_gradients_at_zero_are_numbers(device):
    # probabilities of 0, where PennyLane's own expectation values of default.mixed have a slope of NaN
    observables = tuple(PauliString(letters) for letters in ("ZI", "XI", "II", "ZZ"))
    circuit = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("CNOT", (0, 1)), Gate("RY", (0,), Weight(1))), observables)
    weights = torch.zeros(2, dtype=F64, requires_grad=True)
    slopes = [
        torch.autograd.grad(backend.expectations(circuit, weights).sum(), weights)[0]
        for backend in (PennyLaneBackend(device=device), StatevectorBackend())
    ]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("device", SIMULATORS)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_gradients_of_states_equal_those_of_the_native_engine(device, dtype):
    circuit = random_circuit(3, 3, 12, tuple(GATES))
    weights, inputs = random_parameters(3, circuit, 4, dtype)
    slopes = []
    for backend in (PennyLaneBackend(device=device), StatevectorBackend()):
        leaves = [t.clone().requires_grad_() for t in (weights, inputs, random_states(3, 4, 3, dtype.to_complex()))]
        values = backend.expectations(circuit, *leaves)
        factors = torch.linspace(-1.0, 2.0, values.numel(), dtype=dtype).reshape(values.shape)
        slopes.append(torch.autograd.grad((values * factors).sum(), leaves))
    for ours, native in zip(*slopes, strict=True):
        assert ours.dtype == native.dtype
        torch.testing.assert_close(ours, native, atol=1e-5 if dtype == torch.float32 else 1e-7, rtol=0.0)


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit", "reference.qubit"])
def test_noise_on_a_device_without_channels_names_one_that_has_them(device):
    with pytest.raises(UnsupportedExecution, match=r"two_qubit.*device=.*default\.mixed or auto"):
        PennyLaneBackend(device=device).check(z(1), Execution(noise=Noise(two_qubit=0.1)))


@pytest.mark.parametrize("device", SIMULATORS)
def test_backpropagated_and_adjoint_gradients_need_exact_values(device):
    with pytest.raises(UnsupportedExecution, match="adjoint"):
        PennyLaneBackend(device=device).gradient_rule(Execution(shots=8, gradient="adjoint"))


def test_a_device_that_only_runs_has_no_adjoint_gradient():
    with pytest.raises(UnsupportedExecution, match="It supports: parameter_shift, spsa, surrogate"):
        PennyLaneBackend(device="reference.qubit").gradient_rule(Execution(gradient="adjoint"))


def test_an_unknown_device_is_answered_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"Did you mean 'lightning\.qubit'\? Known: auto, default.*reference"):
        PennyLaneBackend(device="lightening.qubit").check(z(1), Execution())


def test_more_qubits_than_a_device_has_are_refused_before_anything_runs(plugin):
    with pytest.raises(UnsupportedExecution, match=r"default\.mixed cannot be created for 24 qubits.*23 wires"):
        PennyLaneBackend().check(z(24), Execution(noise=NOISE))
    with pytest.raises(UnsupportedExecution, match="for 3 qubits: the device in here has 2 qubits"):
        plugin.check(z(3), Execution(shots=8))


def test_options_reach_the_device(plugin):
    there = PennyLaneBackend(device="two.qubits", device_options=(("region", "there"),))
    with pytest.raises(UnsupportedExecution, match="the device in there has 2 qubits"):
        there.check(z(3), Execution(shots=8))
    with pytest.raises(UnsupportedExecution, match=r"cannot be created.*colour.*device_options"):
        PennyLaneBackend(device="two.qubits", device_options=(("colour", "red"),)).check(z(1), Execution(shots=8))


@pytest.mark.parametrize("name", ["wires", "shots", "seed", "readout_prob"])
def test_options_that_are_set_elsewhere_are_refused(name):
    with pytest.raises(ConfigError, match=f"has {name}, but .* sets it"):
        PennyLaneBackend(device_options=((name, 1),))


def test_a_gate_that_a_device_lacks_is_refused(plugin):
    assert plugin.sample(z(2, Gate("CNOT", (0, 1))), NONE, execution=Execution(shots=3)).shape == (1, 3, 2)
    with pytest.raises(UnsupportedExecution, match=r"two\.qubits rejects the circuit: .*RX"):
        plugin.sample(z(2, Gate("RX", (0,), 0.4)), NONE, execution=Execution(shots=3))


def test_exact_values_of_a_device_that_has_shots_alone_are_refused(plugin):
    with pytest.raises(UnsupportedExecution, match="needs shots"):
        plugin.expectations(z(2, Gate("RY", (0,), 0.1)), NONE)


def test_a_device_that_loses_shots_is_refused(plugin, monkeypatch):
    monkeypatch.setattr(_TwoQubits, "lost", 3)
    with pytest.raises(UnsupportedExecution, match=r"shape \(1, 5, 2\), expected \(1, 8, 2\)"):
        plugin.expectations(z(2, Gate("RY", (0,), 0.1)), NONE, execution=Execution(shots=8))


def test_a_device_without_seeds_says_so_once(plugin, monkeypatch):
    said = []
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    assert not plugin.seeded
    for _ in range(2):
        plugin.sample(z(1, Gate("RY", (0,), 0.1)), NONE, execution=Execution(shots=8))
    assert len(said) == 1
    assert "execution.seed" in said[0]


def test_without_pennylane_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    registry.check_installed.cache_clear()
    with pytest.raises(MissingDependency, match=r"PennyLaneBackend needs pennylane: pip install 'hqlm\[pennylane\]'"):
        PennyLaneBackend().expectations(z(1), NONE)
