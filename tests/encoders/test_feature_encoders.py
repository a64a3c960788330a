"""Every feature encoder of the registry, and what is special about each."""

import itertools

import pytest
import torch

from hqlm.circuits import NoEntanglementAnsatz, RingAnsatz
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
    "correlators": QuantumFeatureEncoder(n_qubits=3, n_encoders=2, offset=0.5, rotate=True, correlators=1),
}
X = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))


def test_every_registered_encoder_is_tested_here():
    assert {type(recipe).__name__ for recipe in SMALL.values()} == shipped(FEATURE_ENCODERS)


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


@pytest.mark.parametrize(("merge", "size", "groups"), [("concat", 20, 2), ("mean", 10, 2), ("alternate", 20, 4)])
def test_merging_two_encoders_with_correlators(merge, size, groups):
    """A group holds one distance: of every encoder in turn, of their mean, or of one encoder."""
    recipe = QuantumFeatureEncoder(n_qubits=5, n_encoders=2, merge=merge, correlators=1)
    assert (recipe.n_features, recipe.n_groups) == (size, groups)
    module = recipe.build(7)
    one, other = (encoder(states=module.amplitudes(X)) for encoder in module.encoders)
    expected = {
        "concat": torch.cat((one[:, :5], other[:, :5], one[:, 5:], other[:, 5:]), 1),
        "mean": (one + other) / 2,
        "alternate": torch.cat((one, other), 1),
    }
    torch.testing.assert_close(module(X), expected[merge])


def test_correlators_of_a_product_state_are_products():
    """Without entangling gates <Z_q Z_p> = <Z_q><Z_p>; the amplitudes of |00000> are 1, 0, 0, ..."""
    recipe = QuantumFeatureEncoder(n_qubits=5, correlators=2, ansatz=NoEntanglementAnsatz(RingAnsatz(1)))
    z, near, far = recipe.build(1)(torch.ones(1, 1))[0].split(5)
    assert z.abs().max() > 0.1
    torch.testing.assert_close(near, z * z.roll(-1))
    torch.testing.assert_close(far, z * z.roll(-2))


def test_correlators_of_an_odd_number_of_qubits_reach_every_pair_once():
    observables = QuantumFeatureEncoder(n_qubits=5, correlators=2).circuit.observables
    assert {observable.support for observable in observables[5:]} == set(itertools.combinations(range(5), 2))
    assert len(observables) == 5 + 10


@pytest.mark.parametrize(("n_qubits", "correlators"), [(4, 2), (5, 3), (9, -1)])
def test_correlators_that_repeat_a_pair_are_refused_with_the_largest(n_qubits, correlators):
    with pytest.raises(ConfigError, match=f"correlators={correlators}.*between 0 and {(n_qubits - 1) // 2}"):
        QuantumFeatureEncoder(n_qubits=n_qubits, correlators=correlators)


def test_each_encoder_turns_the_embedding_in_its_own_way_and_leaves_the_offset():
    module = QuantumFeatureEncoder(n_qubits=3, n_encoders=2, offset=0.5, rotate=True).build(5)
    states = module.amplitudes(X[:, :5])
    turned = [rotation(states) for rotation in module.rotations]
    for other in turned:
        torch.testing.assert_close(other[:, :5] @ other[:, :5].T, states[:, :5] @ states[:, :5].T)
        assert torch.equal(other[:, 5:], states[:, 5:])
        assert (other - states).abs().max() > 0.1
    assert (turned[0] - turned[1]).abs().max() > 0.1


def test_rotations_are_the_same_in_every_model_and_not_in_the_checkpoint():
    recipe = QuantumFeatureEncoder(n_qubits=3, rotate=True)
    one, other = recipe.build(8), recipe.build(8)
    assert torch.equal(one.rotations[0].matrix, other.rotations[0].matrix)
    assert not any("rotation" in name for name in one.state_dict())


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


@pytest.mark.parametrize("size", ["offset", "jitter"])
def test_negative_lengths_are_refused(size):
    with pytest.raises(ConfigError, match=f"{size} must be 0 or more"):
        QuantumFeatureEncoder(**{size: -0.5})


def test_jitter_moves_the_features_of_training_rows_alone():
    module = QuantumFeatureEncoder(n_qubits=3, jitter=1.0).build(7)
    assert (module(X) - module(X)).abs().max() > 0.01
    module.eval()
    assert torch.equal(module(X), module(X))


def test_the_projection_is_the_same_for_the_same_seed_only():
    a, b, c = (ProjectionFeatureEncoder(4, seed=seed).build(7)(X) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    torch.testing.assert_close(ProjectionFeatureEncoder(4).build(7)(3.0 * X), a)  # the direction alone counts
