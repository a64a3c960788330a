"""Every feature encoder of the registry, and what is special about each."""

import pytest
import torch

from hqlm.circuits import RingAnsatz
from hqlm.encoders import (
    FEATURE_ENCODERS,
    LinearFeatureEncoder,
    ProjectionFeatureEncoder,
    QuantumFeatureEncoder,
)
from hqlm.errors import ConfigError
from hqlm.testing import FeatureEncoderContract
from tests.registries import shipped

SMALL = {
    "LinearFeatureEncoder": LinearFeatureEncoder(n_qubits=3),
    "ProjectionFeatureEncoder": ProjectionFeatureEncoder(features=6, groups=2),
    "QuantumFeatureEncoder": QuantumFeatureEncoder(n_qubits=3, n_encoders=2, center=True, offset=0.5),
}
X = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))


def test_every_registered_encoder_is_tested_here():
    assert set(SMALL) == shipped(FEATURE_ENCODERS)


class TestRegisteredFeatureEncoders(FeatureEncoderContract):
    @pytest.fixture(params=SMALL.values(), ids=SMALL)
    def feature_encoder(self, request):
        return request.param


@pytest.mark.parametrize(("merge", "size", "groups"), [("concat", 6, 1), ("mean", 3, 1), ("alternate", 6, 2)])
def test_merging_two_encoders(merge, size, groups):
    recipe = QuantumFeatureEncoder(n_qubits=3, n_encoders=2, merge=merge)
    assert (recipe.n_features, recipe.n_groups) == (size, groups)
    module = recipe.build(8)
    outputs = [encoder(states=module.amplitudes(X[:, :1].expand(5, 8) + 1.0)) for encoder in module.encoders]
    expected = sum(outputs) / 2 if merge == "mean" else torch.cat(outputs, 1)
    torch.testing.assert_close(module(X[:, :1].expand(5, 8) + 1.0), expected)


def test_each_encoder_has_layers_times_qubits_times_connectivity_weights_and_the_column():
    recipe = QuantumFeatureEncoder(n_qubits=4, n_layers=3, n_encoders=2, ansatz=RingAnsatz(2))
    assert sum(p.numel() for p in recipe.build(16).parameters()) == 2 * (4 * 3 * 2 + 4)


def test_what_is_linear_in_the_embedding_is_lost_without_an_offset():
    """<Z> is even in the amplitudes: an embedding and its negative look alike."""
    plain = QuantumFeatureEncoder(n_qubits=3).build(7)
    torch.testing.assert_close(plain(X), plain(-X))
    offset = QuantumFeatureEncoder(n_qubits=3, offset=1.0).build(7)
    assert (offset(X) - offset(-X)).abs().max() > 0.1


def test_words_that_ablate_the_quantum_encoder():
    recipe = QuantumFeatureEncoder(n_qubits=3, offset=1.0, center=True, ansatz=RingAnsatz(2))
    assert recipe.ablated("offset").offset == 0.0
    assert recipe.ablated("offset").center
    assert recipe.ablated("long_range").ansatz.connectivity == 1
    assert all(len(g.wires) == 1 for g in recipe.ablated("entanglement").circuit.gates)


@pytest.mark.parametrize("size", ["n_qubits", "n_layers", "n_encoders"])
def test_sizes_below_one_are_refused(size):
    with pytest.raises(ConfigError, match=size):
        QuantumFeatureEncoder(**{size: 0})


def test_the_projection_is_the_same_for_the_same_seed_only():
    a, b, c = (ProjectionFeatureEncoder(4, seed=seed).build(7)(X) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
