"""Feature maps against closed forms and Qiskit."""

import numpy as np
import pytest
import torch

from hqlm.algorithms import FEATURE_MAPS, AmplitudeMap, QuantumKernel, UploadMap, ZZFeatureMap
from hqlm.circuits import InterleavedUpload
from hqlm.errors import ConfigError, DataError

X = np.random.default_rng(0).normal(size=(7, 3))


@pytest.mark.parametrize("offset", [0.0, 0.7])
def test_the_fidelity_of_amplitudes_is_a_polynomial_kernel(offset):
    def inner(x, y):
        return x @ y.T + offset**2

    lengths = np.sqrt(np.diag(inner(X, X)))
    expected = (inner(X, X) / np.outer(lengths, lengths)) ** 2
    np.testing.assert_allclose(QuantumKernel(AmplitudeMap(offset))(X), expected, atol=1e-12)
    states = AmplitudeMap(offset).states(torch.tensor([[3.0, 4.0, 0.0, 0.0]]))
    expected = [3.0, 4.0, 0.0, 0.0, *([offset, 0.0, 0.0, 0.0] if offset else [])]
    torch.testing.assert_close(states, torch.nn.functional.normalize(torch.tensor([expected])))


@pytest.mark.parametrize(("pairs", "entanglement"), [("all", "full"), ("neighbours", "linear")])
def test_the_zz_map_is_that_of_qiskit(pairs, entanglement):
    from qiskit.circuit.library import zz_feature_map
    from qiskit.quantum_info import Statevector

    circuit = zz_feature_map(3, reps=2, entanglement=entanglement)
    states = [Statevector(circuit.assign_parameters(row).reverse_bits()).data for row in X]
    expected = np.abs(np.conj(states) @ np.transpose(states)) ** 2
    found = QuantumKernel(ZZFeatureMap(n_layers=2, pairs=pairs))(X)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_without_pairs_the_zz_map_is_a_product():
    assert ZZFeatureMap(pairs="none").ablated("long_range").pairs == "none"
    found = QuantumKernel(ZZFeatureMap(n_layers=1, pairs="none"))(X)
    np.testing.assert_allclose(found, np.cos(X[:, None] - X[None]).prod(-1) ** 2, atol=1e-12)


@pytest.mark.parametrize("name", list(FEATURE_MAPS))
def test_every_map_makes_normalised_states_of_any_rows(name):
    feature_map = FEATURE_MAPS[name]()
    for dim in (2, 5):
        x = torch.from_numpy(np.random.default_rng(1).normal(size=(4, dim)))
        states = QuantumKernel(feature_map).represent(x, QuantumKernel(feature_map).initial_weights(dim))
        assert states.shape == (4, 2 ** feature_map.circuit(dim).n_qubits)
        torch.testing.assert_close(torch.linalg.vector_norm(states, dim=1), torch.ones(4, dtype=torch.float64))


def test_the_upload_map_has_weights_to_train():
    assert UploadMap().circuit(3).n_weights > 0
    assert AmplitudeMap().circuit(3).n_weights == ZZFeatureMap().circuit(3).n_weights == 0


def test_what_no_state_holds_is_refused():
    with pytest.raises(DataError, match="row 1 is a zero vector"):
        QuantumKernel(AmplitudeMap(offset=0.0))([[1.0, 2.0], [0.0, 0.0]])
    assert QuantumKernel(AmplitudeMap(offset=1.0))([[0.0, 0.0]]) == 1.0
    with pytest.raises(ConfigError, match="offset must be 0 or more"):
        AmplitudeMap(offset=-1.0)
    with pytest.raises(ConfigError, match=r"trainable_scale=false"):
        UploadMap(InterleavedUpload(trainable_scale=True))
    with pytest.raises(ConfigError, match="n_layers must be 1 or more"):
        ZZFeatureMap(n_layers=0)
