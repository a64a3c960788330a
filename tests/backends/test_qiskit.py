"""QiskitBackend beyond the contract: cheap batches, devices along their couplings, snapshots of noise, mistakes."""

from dataclasses import replace

import pytest
import torch

from hqlm.backends import QiskitBackend, StatevectorBackend, aer, qiskit_circuits, qiskit_devices
from hqlm.backends.channels import n_channels
from hqlm.circuits import Circuit, Gate, Input, PauliString, RingAnsatz, Weight
from hqlm.errors import ConfigError, MissingDependency, RemoteError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.registry import check_installed
from hqlm.testing import BackendContract
from hqlm.testing.strategies import random_parameters, random_states

FAKES = "tests.backends.qiskit_fakes"
NO_WEIGHTS = torch.zeros(0, dtype=torch.float64)
EVERY_Z = tuple(PauliString.z(wire, 4) for wire in range(4))
RING = Circuit(4, RingAnsatz(connectivity=2).gates(4, 2), EVERY_Z)


class TestQuietDevice(BackendContract):
    """A simulated device without noise keeps the contract, circuits transpiled to a line of qubits."""

    @pytest.fixture
    def backend(self):
        return QiskitBackend(device=f"{FAKES}.quiet")


class TestAer:
    def test_equal_initial_states_share_a_circuit(self, monkeypatch):
        runs = []
        started = qiskit_circuits.started
        monkeypatch.setattr(aer, "started", lambda *args: runs.append(1) or started(*args))
        states = random_states(4, 3)
        weights, _ = random_parameters(RING)
        weights.requires_grad_()
        values = QiskitBackend().expectations(RING, weights, None, states)
        assert len(runs) == 3
        (slope,) = torch.autograd.grad(values.sum(), weights)
        assert len(runs) == 6  # 2 shifts of each of the rotations, in the same three states
        expected = StatevectorBackend().expectations(RING, weights, None, states)
        torch.testing.assert_close(values, expected, atol=1e-9, rtol=0.0)
        (exact,) = torch.autograd.grad(expected.sum(), weights)
        torch.testing.assert_close(slope, exact, atol=1e-9, rtol=0.0)

    def test_rows_are_independent_also_where_each_has_a_circuit(self):
        states = random_states(4, 1).repeat(3, 1)
        plain = Circuit(4, (Gate("H", (0,)),), ())
        rotated = Circuit(4, (Gate("RX", (0,), Weight(0)),), ())
        for circuit in (plain, rotated):
            weights = torch.ones(circuit.n_weights, dtype=torch.float64)
            bits = QiskitBackend().sample(circuit, weights, None, states)
            assert len({row.numpy().tobytes() for row in bits}) == 3

    def test_samples_do_not_depend_on_the_number_of_threads(self):
        noise = Noise(two_qubit=0.1, amplitude_damping=0.1)
        weights, _ = random_parameters(RING)
        before, found = torch.get_num_threads(), []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(QiskitBackend().sample(RING, weights, None, None, Execution(shots=8, noise=noise)))
        torch.set_num_threads(before)
        assert torch.equal(*found)

    def test_every_channel_is_an_instruction_after_its_gate(self):
        noise = Noise(one_qubit=0.1, two_qubit=0.2, phase_damping=0.3)
        gates = (Gate("CRY", (0, 1), 0.3), Gate("RX", (1,), 0.2), Gate("H", (0,), noisy=False))
        circuit = Circuit(2, gates, ())
        program = qiskit_circuits.translated(circuit, noise).circuit
        assert [step.operation.name for step in program.data[-5:]] == [
            "quantum_channel", "rx", "quantum_channel", "quantum_channel", "h",
        ]  # fmt: skip
        assert program.count_ops()["quantum_channel"] == n_channels(circuit, noise) == 5

    def test_a_lost_channel_is_noticed(self, monkeypatch):
        monkeypatch.setattr(qiskit_circuits, "n_channels", lambda *_: 99)
        with pytest.raises(AssertionError, match="channel was lost"):
            QiskitBackend().expectations(RING, random_parameters(RING)[0], execution=Execution(noise=Noise(0.123)))

    def test_a_circuit_is_translated_once(self):
        circuit = Circuit(2, (Gate("RX", (0,), Input(0)), Gate("RZ", (1,), 0.123456)), EVERY_Z[:0])
        first = qiskit_circuits.translated(circuit, Noise())
        assert qiskit_circuits.translated(replace(circuit), Noise()) is first

    def test_too_many_qubits_for_the_memory(self):
        wide = Circuit(60, (Gate("RX", (0,), 0.1),), (PauliString("Z" * 60),))
        with pytest.raises(UnsupportedExecution, match="Aer cannot run the circuit"):
            aer.values(wide, torch.zeros(1, 1).double().numpy(), None, Noise())
        entangled = tuple(Gate("CNOT", (wire, wire + 1)) for wire in range(59))
        rotated = tuple(Gate("RX", (wire,), 0.1) for wire in range(60))
        wide = Circuit(60, rotated + entangled + rotated, ())
        with pytest.raises(UnsupportedExecution, match="Aer cannot run the circuit"):
            aer.bits(wide, torch.zeros(1, 120).double().numpy(), None, Noise(0.1), 5, 0)


class TestDevices:
    def test_two_qubit_gates_lie_on_the_couplings(self):
        device = qiskit_devices.device(f"{FAKES}.quiet")
        edges = {frozenset(edge) for edge in device.coupling_map.get_edges()}
        for level in (0, 1, 2, 3):
            whole = qiskit_devices.transpile(f"{FAKES}.quiet", level, RING).circuit
            pairs = [
                frozenset(whole.find_bit(qubit).index for qubit in step.qubits)
                for step in whole.data
                if step.operation.num_qubits == 2
            ]
            assert len(pairs) >= sum(len(gate.wires) == 2 for gate in RING.gates)
            assert set(pairs) <= edges
            assert {step.operation.name for step in whole.data} <= {"rz", "sx", "x", "cx", "measure", "barrier"}

    def test_bits_keep_our_order_whatever_the_layout(self):
        gates = (Gate("X", (1,)), *(Gate("CNOT", pair) for pair in ((0, 3), (1, 3), (3, 2), (2, 0), (0, 2))))
        circuit = Circuit(4, gates, ())
        expected = StatevectorBackend().sample(circuit, NO_WEIGHTS, None, None, Execution(shots=3))
        assert expected[0, 0].tolist() == [1, 1, 0, 1]
        for level in (0, 3):
            backend = QiskitBackend(f"{FAKES}.quiet", optimization_level=level)
            assert torch.equal(backend.sample(circuit, NO_WEIGHTS, None, None, Execution(shots=3)), expected)

    def test_jobs_are_bounded_and_differ(self):
        inputs = torch.full((5, 1), 1.5, dtype=torch.float64)
        circuit = Circuit(1, (Gate("RX", (0,), Input(0)),), ())
        backend = QiskitBackend(f"{FAKES}.quiet", rows_per_job=2)
        bits = backend.sample(circuit, NO_WEIGHTS, inputs, None, Execution(shots=64))
        assert bits.shape == (5, 64, 1)
        assert len({row.numpy().tobytes() for row in bits}) == 5

    def test_a_snapshot_of_noise_equals_density_matrices(self):
        from qiskit_aer import AerSimulator

        path, shots = f"{FAKES}.noisy", 20_000
        weights, _ = random_parameters(RING)
        backend = QiskitBackend(path)
        values = backend.expectations(RING, weights, execution=Execution(shots=shots, seed=3))[0]
        ideal = StatevectorBackend().expectations(RING, weights)[0]
        assert 0.03 < float((values - ideal).abs().max()) < 0.8
        program = qiskit_devices.transpile(path, backend.optimization_level, RING)
        angles = torch.stack([weights[gate.angle.index] for gate in RING.rotations])[None].numpy()
        bound = program.circuit.assign_parameters(program.parameters(angles)[0])
        simulator = AerSimulator.from_backend(qiskit_devices.device(path), method="density_matrix")
        counts = simulator.run(bound, shots=10 * shots, seed_simulator=1).result().get_counts()
        signs = torch.tensor([[1.0 - 2.0 * int(bit) for bit in outcome] for outcome in counts], dtype=torch.float64)
        expected = (torch.tensor(list(counts.values()))[:, None] * signs).sum(0) / (10 * shots)
        sigma = ((1.0 - expected**2) * 1.1 / shots).sqrt()
        assert bool(((values - expected).abs() < 5.0 * sigma).all())

    def test_gradients_of_a_batch_with_trainable_inputs(self):
        gates = (Gate("RY", (0,), Input(0)), Gate("CNOT", (0, 1)), Gate("RY", (1,), Weight(0)))
        circuit = Circuit(2, gates, (PauliString("IZ"),))
        backend, shots = QiskitBackend(f"{FAKES}.quiet"), 4000
        weights = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
        inputs = torch.tensor([[0.3], [1.2], [-0.7]], dtype=torch.float64, requires_grad=True)
        values = backend.expectations(circuit, weights, inputs, None, Execution(shots=shots))
        found = torch.autograd.grad(values.sum(), (weights, inputs))
        exact = torch.autograd.grad(
            StatevectorBackend().expectations(circuit, weights, inputs).sum(), (weights, inputs)
        )
        assert bool(((found[1] - exact[1]).abs() < 5.0 / (2 * shots) ** 0.5).all())
        assert float((found[0] - exact[0]).abs()) < 5.0 * (3 / (2 * shots)) ** 0.5

    def test_a_device_has_no_exact_values(self):
        with pytest.raises(UnsupportedExecution, match=r"execution\.shots"):
            QiskitBackend(f"{FAKES}.quiet").expectations(RING, random_parameters(RING)[0])

    def test_only_a_device_that_takes_a_seed_is_seeded(self):
        assert QiskitBackend().seeded
        assert QiskitBackend(f"{FAKES}.quiet").seeded
        assert not QiskitBackend(f"{FAKES}.remote").seeded


MISTAKES = {
    "ibm_brisbane": "give 'aer', or the dotted path",
    "no_such_package.device": "cannot import no_such_package",
    f"{FAKES}.quite": "Did you mean 'quiet'",
    f"{FAKES}.CONSTANT": "is a int; it must be a class or a function",
    f"{FAKES}.something_else": "returned a int; it must return a Qiskit BackendV2",
    f"{FAKES}.wants_a_name": "is called without arguments: missing a required argument: 'name'",
    f"{FAKES}.broken": "failed: PermissionError: no such account",
}


class TestMistakes:
    @pytest.mark.parametrize("path", MISTAKES)
    def test_devices_that_are_none(self, path):
        with pytest.raises(ConfigError, match=MISTAKES[path]):
            QiskitBackend(path).check(RING, Execution(shots=10))

    def test_a_device_that_is_too_narrow(self):
        with pytest.raises(UnsupportedExecution, match="generic_backend_1q has 1 qubits, the circuit needs 4"):
            QiskitBackend(f"{FAKES}.narrow").check(RING, Execution(shots=10))

    @pytest.mark.parametrize(
        ("options", "message"),
        [({"optimization_level": 4}, "0, 1, 2 or 3, given 4"), ({"rows_per_job": 0}, "1 or more, given 0")],
    )
    def test_options_outside_what_is_possible(self, options, message):
        with pytest.raises(ConfigError, match=message):
            QiskitBackend(**options)

    def test_without_the_sdk(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        check_installed.cache_clear()
        with pytest.raises(MissingDependency, match=r"qiskit, qiskit_aer: pip install 'hqlm\[qiskit\]'"):
            QiskitBackend().check(RING, Execution())
        check_installed.cache_clear()

    def test_a_sampler_that_returns_fewer_shots(self, monkeypatch):
        sampler = qiskit_devices._sampler

        class Short:
            def __init__(self, *args):
                self.whole = sampler(*args)

            def run(self, pubs, shots):
                return self.whole.run(pubs, shots=shots - 1)

        monkeypatch.setattr(qiskit_devices, "_sampler", Short)
        with pytest.raises(RemoteError, match=r"samples of shape \(1, 9, 4\), expected \(1, 10, 4\)"):
            QiskitBackend(f"{FAKES}.quiet").sample(RING, random_parameters(RING)[0], None, None, Execution(shots=10))
