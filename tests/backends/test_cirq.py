"""Cirq's simulators and samplers keep the contract; what one of them cannot do is refused by name."""

import math

import pytest
import torch

from hqlm import notices, registry
from hqlm.backends import CirqBackend, CirqSamplerBackend, cirq_circuits, cirq_sampler
from hqlm.backends import cirq as cirq_backend
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import ConfigError, MissingDependency, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.testing import BackendContract

cirq = pytest.importorskip("cirq")
F64 = torch.float64
NONE = torch.zeros(0, dtype=F64)
NOISE = Noise(one_qubit=0.01, two_qubit=0.02, amplitude_damping=0.03, phase_damping=0.04)
SAMPLERS = "tests.backends.samplers"


class TestDensityMatrices(BackendContract):
    examples = 8

    @pytest.fixture
    def backend(self):
        return CirqBackend(simulator="density_matrix")


class TestStateVectors(BackendContract):
    examples = 8

    @pytest.fixture
    def backend(self):
        return CirqBackend(simulator="state_vector")


class TestQsim(BackendContract):
    atol = 1e-5  # single precision

    @pytest.fixture
    def backend(self):
        pytest.importorskip("qsimcirq", reason="qsim is tested in tox -e plugins")
        return CirqBackend(simulator="qsim")


@pytest.mark.slow
class TestASamplerOfAUser(BackendContract):
    examples = 8

    @pytest.fixture
    def backend(self):
        return CirqSamplerBackend(sampler=f"{SAMPLERS}.on_a_grid")


def z(n_qubits, *gates):
    return Circuit(n_qubits, gates, (PauliString.z(0, n_qubits),))


@pytest.mark.parametrize("shots", [None, 8])
def test_auto_takes_density_matrices_under_noise_only_and_says_so_once(monkeypatch, shots):
    said, ran, make = [], [], cirq_backend._simulator
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    monkeypatch.setattr(cirq_backend, "_simulator", lambda kind: ran.append(kind) or make(kind))
    for noise in (Noise(), Noise(readout=0.1), NOISE, NOISE):
        CirqBackend().expectations(z(1, Gate("RY", (0,), 0.3)), NONE, execution=Execution(shots, noise))
    assert ran == ["state_vector", "state_vector", "density_matrix", "density_matrix"]
    assert said == [
        "CirqBackend: simulator=auto is state_vector without noise",
        "CirqBackend: simulator=auto is density_matrix under noise",
    ]


def test_every_channel_follows_its_gate():
    gates = (Gate("RY", (0,), 0.3), Gate("H", (0,), noisy=False), Gate("CNOT", (1, 0)))
    first, second = cirq.LineQubit.range(2)
    found = list(cirq_circuits.program(z(2, *gates), NOISE).all_operations())
    channels = [operation for operation in found if not cirq.is_parameterized(operation) and operation.gate != cirq.H]
    assert channels == [
        cirq.depolarize(0.01)(first), cirq.amplitude_damp(0.03)(first), cirq.phase_damp(0.04)(first),
        cirq.CNOT(second, first), cirq.depolarize(0.02, n_qubits=2)(second, first),
        cirq.amplitude_damp(0.03)(second), cirq.amplitude_damp(0.03)(first),
        cirq.phase_damp(0.04)(second), cirq.phase_damp(0.04)(first),
    ]  # fmt: skip


def test_a_circuit_is_translated_once():
    circuits = [z(2, Gate("RY", (0,), Weight(0)), Gate("CRX", (0, 1), Input(0, 2.0))) for _ in range(2)]
    first, second = (cirq_circuits.program(circuit, Noise()) for circuit in circuits)
    assert first is second


def test_rotations_are_those_of_cirq():
    for name, rotation in {"RX": cirq.rx, "RY": cirq.ry, "RZ": cirq.rz, "RXX": lambda t: cirq.ms(t / 2)}.items():
        wires = tuple(range(2 if name == "RXX" else 1))
        program = cirq_circuits.program(z(2, Gate(name, wires, 0.7)), Noise())
        (resolver,) = cirq_circuits.sweep(torch.tensor([[0.7]], dtype=F64))
        cirq.testing.assert_allclose_up_to_global_phase(
            cirq.unitary(cirq.resolve_parameters(program, resolver)), cirq.unitary(rotation(0.7)), atol=1e-12
        )


@pytest.mark.parametrize("simulator", ["state_vector", "qsim"])
def test_noise_on_state_vectors_names_what_has_it(simulator):
    with pytest.raises(UnsupportedExecution, match=r"two_qubit.*simulator=.*density_matrix or auto"):
        CirqBackend(simulator=simulator).check(z(1), Execution(noise=Noise(two_qubit=0.1)))


def test_an_unknown_simulator_is_answered_with_those_that_there_are():
    with pytest.raises(ConfigError, match="Did you mean 'density_matrix'"):
        CirqBackend(simulator="density_matrices")


def test_qsim_without_its_package_names_it(monkeypatch):
    monkeypatch.setattr(cirq_backend, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install qsimcirq"):
        CirqBackend(simulator="qsim").check(z(1), Execution())


@pytest.mark.parametrize("backend", [CirqBackend(), CirqSamplerBackend()])
def test_without_cirq_the_extra_is_named(monkeypatch, backend):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    registry.check_installed.cache_clear()
    with pytest.raises(MissingDependency, match=r"needs cirq: pip install 'hqlm\[cirq\]'"):
        backend.check(z(1), Execution(shots=8))


def test_a_batch_is_one_sweep_of_a_sampler():
    backend = CirqSamplerBackend(sampler=f"{SAMPLERS}.on_a_grid")
    sampler = cirq_sampler._sampler(backend.sampler)
    before, inputs = sampler.sweeps, torch.tensor([[0.0], [math.pi], [0.0]], dtype=F64)
    bits = backend.sample(z(1, Gate("RX", (0,), Input(0))), NONE, inputs, execution=Execution(shots=2))
    assert bits.tolist() == [[[0], [0]], [[1], [1]], [[0], [0]]]
    assert sampler.sweeps == before + 1


@pytest.mark.parametrize(("rows", "shots"), [(1, 5), (3, 3)])
def test_a_sampler_that_loses_shots_is_refused(rows, shots):
    backend = CirqSamplerBackend(sampler=f"{SAMPLERS}.loses_shots")
    inputs = torch.zeros(rows, 1, dtype=F64)
    with pytest.raises(UnsupportedExecution, match=rf"shape \({rows}, {shots}, 1\), expected \({rows}, 8, 1\)"):
        backend.expectations(z(1, Gate("RX", (0,), Input(0))), NONE, inputs, execution=Execution(shots=8))


def test_what_a_device_does_not_have_is_refused_naming_the_sampler():
    backend = CirqSamplerBackend(sampler=f"{SAMPLERS}.two_qubits")
    assert not backend.sample(z(2, Gate("CNOT", (0, 1))), NONE, execution=Execution(shots=2)).any()
    for circuit, reason in ((z(3), "only 2 qubits"), (z(2, Gate("SWAP", (0, 1))), "no gate SWAP")):
        with pytest.raises(UnsupportedExecution, match=rf"two_qubits rejects the circuit of . qubits: {reason}"):
            backend.sample(circuit, NONE, execution=Execution(shots=2))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_package.sampler", "No module named 'no_such_package'"),
        (f"{SAMPLERS}.nothing", "has no 'nothing'"),
        ("sampler", "backend.sampler=sampler: give the dotted path"),
        (f"{SAMPLERS}.wants_a_name", "is called without arguments"),
        (f"{SAMPLERS}.unreachable", "failed: ConnectionError: no network"),
        (f"{SAMPLERS}.number", "returns a int, not a cirq.Sampler"),
    ],
)
def test_a_path_that_leads_to_no_sampler_is_refused(path, message):
    with pytest.raises(ConfigError, match=message):
        CirqSamplerBackend(sampler=path).check(z(1), Execution(shots=8))


def test_a_sampler_has_shots_alone_and_no_noise_of_ours():
    with pytest.raises(UnsupportedExecution, match=r"no exact values: set execution\.shots"):
        CirqSamplerBackend().check(z(1), Execution())
    with pytest.raises(UnsupportedExecution, match=r"Set execution\.noise\.one_qubit=0"):
        CirqSamplerBackend().check(z(1), Execution(shots=8, noise=Noise(one_qubit=0.1)))
