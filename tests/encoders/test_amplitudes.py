import pytest
import torch

from hqlm.encoders import QuantumFeatureEncoder
from hqlm.encoders.feature.amplitudes import AmplitudeEncoding, Rotation
from hqlm.errors import ConfigError, EncoderError

X = torch.tensor([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0]])


def test_states_are_padded_and_normalised():
    states = AmplitudeEncoding(3, 2, "zeros", center=False, offset=0.0)(X)
    expected = torch.tensor([[0.6, 0.8, 0.0, 0.0], [1 / 3, 2 / 3, 2 / 3, 0.0]])
    torch.testing.assert_close(states, expected)


def test_the_offset_stands_beside_an_embedding_of_norm_one():
    states = AmplitudeEncoding(3, 3, "zeros", center=False, offset=1.5)(X)
    scale = (1 + 1.5**2) ** 0.5
    torch.testing.assert_close(states[0], torch.tensor([0.6, 0.8, 0.0, 1.5, 0, 0, 0, 0]) / scale)
    torch.testing.assert_close(states.norm(dim=1), torch.ones(2))


def test_centring_subtracts_the_mean_of_the_training_embeddings():
    encoding = AmplitudeEncoding(3, 2, "zeros", center=True, offset=0.0)
    encoding.fit(X)
    half = (X[0] - X[1]) / 2
    torch.testing.assert_close(encoding(X)[0, :3], half / half.norm())
    assert "mean" in encoding.state_dict()


def test_without_centring_fit_changes_nothing():
    encoding = AmplitudeEncoding(3, 2, "zeros", center=False, offset=0.0)
    encoding.fit(X)
    assert encoding.mean.abs().max() == 0


def test_jitter_turns_states_of_training_rows_only():
    """The angle to the embedding is arctan(jitter) in many dimensions, where noise is nearly orthogonal to it."""
    rows = torch.randn(200, 1000, generator=torch.Generator().manual_seed(0))
    plain, moved = (AmplitudeEncoding(1000, 10, "zeros", False, 1.0, jitter=jitter) for jitter in (0.0, 0.5))
    torch.manual_seed(1)
    states, clean = moved(rows), plain(rows)
    assert torch.equal(states[:, 1000:], clean[:, 1000:])
    torch.testing.assert_close(states.norm(dim=1), torch.ones(200))
    cosines = 2 * (states * clean)[:, :1000].sum(1)
    torch.testing.assert_close(cosines.mean(), torch.tensor(1 / 1.25**0.5), atol=0.01, rtol=0)
    assert torch.equal(moved.eval()(rows), clean)


def test_truncation_keeps_the_first_values():
    states = AmplitudeEncoding(3, 1, "truncate", center=False, offset=0.0)(X)
    torch.testing.assert_close(states[1], torch.tensor([1.0, 2.0]) / 5**0.5)
    beside = AmplitudeEncoding(3, 1, "truncate", center=False, offset=1.0)(X)  # the offset takes a place
    torch.testing.assert_close(beside, torch.full((2, 2), 0.5**0.5))


def test_rotations_favour_no_direction():
    corners = torch.tensor([Rotation(2, seed).matrix[0, 0] for seed in range(300)])
    assert abs(corners.mean()) < 4 * (0.5 / 300) ** 0.5  # the mean of a cosine is 0, that of its square 1/2


@pytest.mark.parametrize(("dim", "offset", "needed"), [(5, 0.0, 3), (4, 1.0, 3), (385, 0.0, 9), (512, 1.0, 10)])
def test_too_few_qubits_are_refused_with_the_number_needed(dim, offset, needed):
    with pytest.raises(ConfigError, match=f"n_qubits={needed} or more"):
        AmplitudeEncoding(dim, 2, "zeros", center=False, offset=offset)
    AmplitudeEncoding(dim, needed, "zeros", center=False, offset=offset)


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_an_embedding_that_no_state_can_hold_is_refused_by_row(bad):
    rows = X.clone()
    rows[1] = bad
    with pytest.raises(EncoderError, match="row 1 of a batch"):
        AmplitudeEncoding(3, 2, "zeros", center=False, offset=0.0)(rows)


def test_lengths_show_beside_the_offset_when_all_rows_share_a_norm():
    encoding = AmplitudeEncoding(3, 2, "zeros", center=True, offset=0.5, norm="data")
    rows = torch.cat((X, torch.ones(1, 3)))
    encoding.fit(rows)
    centred = torch.cat((rows - rows.mean(0), torch.zeros(1, 3)))  # the mean itself has a state too
    scaled = centred / (centred[:3].norm(dim=1).square().mean().sqrt())
    expected = torch.nn.functional.normalize(torch.cat((scaled, torch.full((4, 1), 0.5)), dim=1))
    torch.testing.assert_close(encoding(torch.cat((rows, rows.mean(0, keepdim=True)))), expected)
    assert {"mean", "radius"} == set(encoding.state_dict())


def test_training_rows_that_are_all_alike_need_no_scale():
    encoding = AmplitudeEncoding(3, 2, "zeros", center=True, offset=1.0, norm="data")
    encoding.fit(X[[0, 0]])
    torch.testing.assert_close(encoding(X[:1]), torch.tensor([[0.0, 0.0, 0.0, 1.0]]))


def test_values_that_are_not_finite_are_refused_under_a_shared_norm_too():
    encoding = AmplitudeEncoding(3, 2, "zeros", center=False, offset=1.0, norm="data")
    with pytest.raises(EncoderError, match="row 1"):
        encoding(torch.tensor([[0.0, 0.0, 0.0], [float("nan"), 0.0, 0.0]]))


def test_lengths_need_an_offset_to_show_beside():
    with pytest.raises(ConfigError, match=r"feature_encoder.offset=1"):
        QuantumFeatureEncoder(norm="data")
    assert QuantumFeatureEncoder(norm="data", offset=1.0).ablated("offset").norm == "row"


def test_rows_that_are_all_alike_are_refused_where_each_is_divided_by_its_norm():
    rows = torch.full((7, 3), 0.1)  # whose mean is not 0.1 in float32
    with pytest.raises(EncoderError, match=r"all 7 training embeddings are equal, and feature_encoder\.center=true"):
        AmplitudeEncoding(3, 2, "zeros", center=True, offset=1.0).fit(rows)
    shared = AmplitudeEncoding(3, 2, "zeros", center=True, offset=1.0, norm="data")
    shared.fit(rows)
    torch.testing.assert_close(shared(rows), torch.eye(4)[3].expand(7, 4))  # nothing but the offset
