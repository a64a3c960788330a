"""What this process may use, and what is refused before it is allocated."""

import math

import pytest
import torch

from hqlm import memory
from hqlm.algorithms import QuantumKernel
from hqlm.backends import StatevectorBackend
from hqlm.circuits import (
    ANSATZE,
    Circuit,
    Gate,
    Input,
    InterleavedUpload,
    NoUpload,
    PauliString,
    RepeatedUpload,
    RingAnsatz,
    SingleUpload,
    UCCSDAnsatz,
    Weight,
)
from hqlm.circuits.sizes import MOST_GATES
from hqlm.encoders import HashingEncoder, LinearFeatureEncoder, ProjectionFeatureEncoder, QuantumFeatureEncoder
from hqlm.errors import CircuitError, ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise

READ = (PauliString("ZI"),)


def test_sizes_are_readable_however_large_they_are():
    assert memory.gibibytes(3 * 2**29) == "1.5 GiB"
    assert memory.gibibytes(2**10000) == "2^9970 GiB"
    assert memory.gibibytes(math.inf) == "unlimited memory"


HUGE = 10**12


@pytest.mark.parametrize("name", sorted(set(ANSATZE) - {"UCCSDAnsatz", "TreeAnsatz"}))
@pytest.mark.parametrize(("n_qubits", "n_layers"), [(4, HUGE), (HUGE, 1), (4, 10**5)])
def test_ansatze_refuse_circuits_that_no_memory_holds_before_they_are_built(name, n_qubits, n_layers):
    with pytest.raises(CircuitError, match="a circuit can have at most"):
        ANSATZE[name]().gates(n_qubits, n_layers)


def test_excitations_are_counted_before_they_are_listed():
    with pytest.raises(CircuitError, match="a circuit can have at most 250,000 gates"):
        UCCSDAnsatz(n_electrons=40).gates(80, 1)
    with pytest.raises(CircuitError, match="have no excitation that keeps the spin"):
        UCCSDAnsatz(n_electrons=HUGE).gates(4, 1)


@pytest.mark.parametrize(
    "scheme",
    [
        RepeatedUpload(n_blocks=HUGE),
        RepeatedUpload(n_main_layers=HUGE),
        InterleavedUpload(n_uploads=HUGE),
        NoUpload(n_main_layers=HUGE),
        SingleUpload(n_main_layers=HUGE),
    ],
)
def test_schemes_refuse_circuits_that_no_memory_holds_before_they_are_built(scheme):
    with pytest.raises(CircuitError, match="a circuit can have at most"):
        scheme.circuit(4, 1, RingAnsatz(), ())
    with pytest.raises(CircuitError, match="a circuit can have at most 4,096 qubits"):
        scheme.circuit(HUGE, 1, RingAnsatz(), ())


def test_weights_of_many_blocks_are_numbered_as_those_of_few():
    blocks = RepeatedUpload(n_blocks=3, n_main_layers=1).circuit(2, 1, RingAnsatz(), ())
    indices = [gate.angle.index for gate in blocks.gates if isinstance(gate.angle, Weight)]
    assert indices == list(range(8))
    shared = RepeatedUpload(n_blocks=3, n_main_layers=1, share_weights=True).circuit(2, 1, RingAnsatz(), ())
    assert [gate.angle.index for gate in shared.gates if isinstance(gate.angle, Weight)] == [0, 1, 0, 1, 0, 1, 2, 3]
    woven = InterleavedUpload(n_uploads=2).circuit(2, 1, RingAnsatz(), ())
    assert [gate.angle.index for gate in woven.gates if isinstance(gate.angle, Weight)] == list(range(6))


def test_a_hundred_thousand_gates_run():
    gates = RingAnsatz().gates(2, 25_000)
    assert 100_000 <= len(gates) < MOST_GATES
    with torch.no_grad():
        values = StatevectorBackend().expectations(Circuit(2, gates, READ), torch.zeros(50_002, dtype=torch.float64))
    assert float(values) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: QuantumFeatureEncoder(n_qubits=HUGE, pad="truncate").build(16), UnsupportedExecution),
        (lambda: QuantumFeatureEncoder(n_qubits=4, n_encoders=HUGE).build(16), CircuitError),
        (lambda: QuantumFeatureEncoder(n_qubits=22, rotate=True, pad="truncate").build(2**22), ConfigError),
        (lambda: LinearFeatureEncoder(n_qubits=HUGE).build(16), ConfigError),
        (lambda: ProjectionFeatureEncoder(HUGE).build(16), ConfigError),
        (lambda: HashingEncoder(dim=10**9), ConfigError),
        (lambda: StatevectorBackend(trajectories=HUGE), ConfigError),
        (lambda: Execution(shots=2**31), ConfigError),
        (lambda: PauliString.z(0, HUGE), CircuitError),
    ],
)
def test_recipes_refuse_what_fits_no_memory(make, error):
    with pytest.raises(error, match=r"at most|GiB|lie between"):
        make()


def test_density_matrices_that_do_not_fit_are_refused_with_what_helps():
    circuit = Circuit(20, (Gate("RY", (0,), Weight(0)),), (PauliString.z(0, 20),))
    noisy = Execution(noise=Noise(one_qubit=0.1))
    with pytest.raises(ConfigError, match=r"density matrices of 20 qubits .*\.density_matrix_qubits"):
        StatevectorBackend(density_matrix_qubits=20).check(circuit, noisy)
    StatevectorBackend().check(circuit, noisy)  # trajectories


def test_the_copies_that_a_gradient_of_density_matrices_takes_are_counted(monkeypatch):
    circuit = Circuit(5, RingAnsatz().gates(5, 20), (PauliString("ZIIII"),))
    noisy, weights = Execution(noise=Noise(one_qubit=0.1)), torch.zeros(circuit.n_weights, requires_grad=True)
    monkeypatch.setattr("hqlm.memory.physical_memory", lambda: 2.0**20)
    with pytest.raises(ConfigError, match=r"\d+ density matrices of 5 qubits"):
        StatevectorBackend().expectations(circuit, weights, execution=noisy)
    with torch.no_grad():
        assert StatevectorBackend().expectations(circuit, weights, execution=noisy).shape == (1, 1)


def test_rules_that_shift_angles_count_what_they_take(monkeypatch):
    circuit = Circuit(2, (*RingAnsatz().gates(2, 2), Gate("RY", (0,), Input(0))), READ)
    weights, inputs = torch.zeros(circuit.n_weights, requires_grad=True), torch.zeros(8, 1)
    with pytest.raises(ConfigError, match=r"SPSA samples take .* Lower execution\.spsa_samples"):
        StatevectorBackend().expectations(
            circuit, weights, inputs, execution=Execution(gradient="spsa", spsa_samples=10**10)
        )
    monkeypatch.setattr("hqlm.memory.physical_memory", lambda: 1024.0)
    with pytest.raises(ConfigError, match="the shifted angles of 6 rotations"):
        StatevectorBackend().expectations(circuit, weights, inputs, execution=Execution(gradient="parameter_shift"))


def test_a_gram_matrix_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("hqlm.memory.physical_memory", lambda: 1024.0)
    with pytest.raises(ConfigError, match="Gram matrices of 10 by 10 vectors"):
        QuantumKernel()([[1.0, 2.0]] * 10)


def test_many_shots_are_measured_in_parts_of_bounded_size(monkeypatch):
    circuit = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("CNOT", (0, 1))), (PauliString("ZI"), PauliString("IZ")))
    weights = torch.tensor([0.7], dtype=torch.float64)
    whole = StatevectorBackend().expectations(circuit, weights, execution=Execution(shots=10_000))
    sizes = []
    bits = StatevectorBackend.bits

    def counted(self, circuit, angles, states, noise, shots, seed):
        sizes.append(shots)
        return bits(self, circuit, angles, states, noise, shots, seed)

    monkeypatch.setattr(StatevectorBackend, "bits", counted)
    monkeypatch.setattr("hqlm.backends.base._SPLIT", 2 * 3000)
    parts = StatevectorBackend().expectations(circuit, weights, execution=Execution(shots=10_000))
    assert sizes == [3000, 3000, 3000, 1000]
    assert parts[0].tolist() == pytest.approx([math.cos(0.7)] * 2, abs=5 / 100)
    assert whole[0].tolist() == pytest.approx([math.cos(0.7)] * 2, abs=5 / 100)
    samples = StatevectorBackend().sample(circuit, weights, execution=Execution(shots=10_000))
    assert samples.shape == (1, 10_000, 2)
    assert float(samples[0, :3000].double().mean()) != float(samples[0, 3000:6000].double().mean())  # other seeds
