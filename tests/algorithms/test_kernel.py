"""Gram matrices against other libraries, density matrices and statistics."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from hqlm.backends import CirqBackend, PennyLaneBackend, StatevectorBackend
from hqlm.errors import ConfigError, DataError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.kernels import AmplitudeMap, QuantumKernel, UploadMap, ZZFeatureMap, quantum_kernel
from hqlm.testing.strategies import all_observables

X = np.random.default_rng(0).uniform(-1.5, 1.5, size=(6, 3))
Y = np.random.default_rng(1).uniform(-1.5, 1.5, size=(4, 3))


@pytest.mark.parametrize("backend", [PennyLaneBackend(), CirqBackend()], ids=lambda backend: type(backend).__name__)
def test_fidelity_is_the_chance_of_zeros_after_one_map_and_the_inverse_of_the_other(backend):
    quantum = QuantumKernel(UploadMap(), seed=3)
    circuit = UploadMap().circuit(3)
    # |0><0| is the mean of all strings of I and Z
    both = replace(circuit.then(circuit.inverse().shift_inputs(3)), observables=all_observables(3, "IZ"))
    pairs = torch.from_numpy(np.concatenate((np.repeat(X, len(Y), 0), np.tile(Y, (len(X), 1))), axis=1))
    expected = backend.expectations(both, quantum.initial_weights(3), pairs).mean(1).reshape(len(X), len(Y))
    np.testing.assert_allclose(quantum(X, Y), expected, atol=1e-6)


def test_a_projected_kernel_compares_the_states_of_single_qubits():
    quantum = QuantumKernel(UploadMap(), kind="projected", gamma=0.8)
    psi = StatevectorBackend().states(UploadMap().circuit(3), quantum.initial_weights(3), torch.from_numpy(X))
    psi = psi.reshape(-1, 2, 2, 2).numpy()
    rho = [np.einsum(terms, psi, psi.conj()) for terms in ("rabc,rxbc->rax", "rabc,raxc->rbx", "rabc,rabx->rcx")]
    distance = sum((np.abs(one[:, None] - one[None]) ** 2).sum((-1, -2)) for one in rho)
    np.testing.assert_allclose(quantum(X), np.exp(-0.8 * distance), atol=1e-12)
    other = replace(quantum, backend=CirqBackend())
    np.testing.assert_allclose(other(X, Y), quantum(X, Y), atol=1e-6)


@pytest.mark.parametrize("kind", ["fidelity", "projected"])
def test_sampled_values_scatter_around_exact_ones(kind):
    exact = QuantumKernel(ZZFeatureMap(n_layers=1), kind=kind)
    sampled = replace(exact, execution=Execution(shots=4000, seed=1))
    for given in ((X,), (X, Y)):
        expected, found = exact(*given), sampled(*given)
        spread = np.sqrt(expected * (1 - expected) / 4000) if kind == "fidelity" else 9 / np.sqrt(4000)
        assert (np.abs(found - expected) <= 5 * spread + 5 / 4000).all()
    np.testing.assert_array_equal(sampled(X), sampled(X, X))  # as scikit-learn asks for it
    assert (replace(exact, execution=Execution(shots=4000, seed=2))(X) != sampled(X)).any()


@pytest.mark.parametrize("kind", ["fidelity", "projected"])
@pytest.mark.parametrize("execution", [Execution(), Execution(shots=5, seed=1)], ids=["exact", "sampled"])
def test_values_lie_between_0_and_1_with_1_on_the_diagonal(kind, execution):
    quantum = QuantumKernel(UploadMap(), kind=kind, execution=execution)
    alike = 0.3 * np.concatenate((X, Y, X))  # nearly equal states: their Gram matrix is close to singular
    gram = quantum(alike)
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_array_equal(np.diag(gram), 1.0)
    for found in (gram, quantum(alike, alike[:7])):
        assert found.min() >= 0.0
        assert found.max() <= 1.0


def test_a_sampled_symmetric_matrix_is_unbiased():
    exact = QuantumKernel(ZZFeatureMap(n_layers=1))(X)
    grams = [QuantumKernel(ZZFeatureMap(n_layers=1), execution=Execution(shots=4, seed=seed))(X) for seed in range(400)]
    error = np.sqrt(exact * (1.0 - exact) / (4 * 400))
    assert (np.abs(np.mean(grams, axis=0) - exact) <= 4.5 * error + 1e-9).all()


def test_noise_lowers_the_fidelity_of_a_vector_with_itself():
    noisy = QuantumKernel(ZZFeatureMap(), execution=Execution(shots=500, noise=Noise(two_qubit=0.1)))
    assert (noisy(X[:1], X[:1] + 1e-9) < 0.8).all()
    with pytest.raises(UnsupportedExecution, match=r"Set execution\.shots, or kind=projected"):
        QuantumKernel(ZZFeatureMap(), execution=Execution(noise=Noise(two_qubit=0.1)))(X)
    projected = QuantumKernel(ZZFeatureMap(), kind="projected", execution=Execution(noise=Noise(one_qubit=0.75)))
    np.testing.assert_allclose(projected(X), 1.0)  # every qubit is fully mixed


def test_blocks_change_nothing(monkeypatch):
    quantum = QuantumKernel(UploadMap())
    whole = quantum(X), quantum(X, Y)
    monkeypatch.setattr(quantum_kernel, "_AT_ONCE", 16)  # two rows of three qubits
    for found, expected in zip((quantum(X), quantum(X, Y)), whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-14)


def test_each_vector_becomes_a_state_once(monkeypatch):
    rows = []
    states = StatevectorBackend.states

    def counted(self, circuit, weights, inputs=None, given=None):
        rows.append(len(inputs))
        return states(self, circuit, weights, inputs, given)

    monkeypatch.setattr(StatevectorBackend, "states", counted)
    quantum = QuantumKernel(UploadMap())
    quantum(X)
    quantum(Y, X)
    assert rows == [len(X), len(Y)]


def test_vectors_that_are_asked_for_again_stay_known(monkeypatch):
    represent, rows = QuantumKernel.represent, []
    monkeypatch.setattr(QuantumKernel, "represent", lambda *args: rows.append(len(args[1])) or represent(*args))
    quantum = QuantumKernel(UploadMap())
    for shift in range(6):
        quantum(Y + shift, X)
    assert sorted(rows) == [len(Y)] * 6 + [len(X)]


@pytest.mark.parametrize("kind", ["fidelity", "projected"])
def test_other_calls_have_errors_of_their_own(monkeypatch, kind):
    sampled = QuantumKernel(UploadMap(), kind=kind, execution=Execution(shots=50))
    np.testing.assert_array_equal(sampled(X[:1], Y), sampled(X[:1], Y))
    assert (sampled(X[:1], Y) != sampled(X[:2], Y)[:1]).any()
    assert (sampled(X[:1], Y) != sampled(X[:1], Y[::-1])[:, ::-1]).any()
    monkeypatch.setattr(quantum_kernel, "_AT_ONCE", 1)  # a pair at a time
    if kind == "fidelity":
        assert len(set(sampled(X[:1], Y[[0] * 8]).flat)) > 1


def test_it_pickles_without_the_states_it_keeps():
    quantum = QuantumKernel(UploadMap(), weights=tuple(range(UploadMap().circuit(3).n_weights)))
    gram = quantum(X)
    again = pickle.loads(pickle.dumps(quantum))
    assert again == quantum
    assert "_memory" not in again.__dict__
    np.testing.assert_array_equal(again(X), gram)


def test_bad_vectors_and_weights_are_refused():
    quantum = QuantumKernel(UploadMap())
    for bad, message in (
        ([1.0, 2.0], "given \\(2,\\)"),
        ([[1.0, np.nan]], "finite"),
        (np.empty((0, 3)), "given \\(0, 3\\)"),
        ([["a", "b"]], "vectors of numbers"),
        ([[1.0], [2.0, 3.0]], "vectors of numbers"),
        ([[1e200, 1.0]], "squares of some values overflow"),
    ):
        with pytest.raises(DataError, match=message):
            quantum(bad)
    with pytest.raises(DataError, match="x has vectors of 3 values, y of 2"):
        quantum(X, Y[:, :2])
    with pytest.raises(DataError, match="weights for vectors of 3 values, given 1"):
        replace(quantum, weights=(0.1,))(X)
    with pytest.raises(UnsupportedExecution, match="AmplitudeMap prepares amplitudes in a simulator"):
        QuantumKernel(AmplitudeMap(), execution=Execution(shots=10))(X)
    with pytest.raises(UnsupportedExecution, match="Use StatevectorBackend"):
        QuantumKernel(UploadMap(), backend=PennyLaneBackend())(X)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "projektive"},
        {"gamma": 0.0},
        {"gamma": float("nan")},
        {"gamma": "a"},
        {"seed": -1},
        {"feature_map": 5},
        {"backend": None},
        {"execution": {"shots": 5}},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=f"QuantumKernel: {next(iter(options))}"):
        QuantumKernel(**options)
