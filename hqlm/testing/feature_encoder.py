"""The conformance suite of feature encoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hqlm.encoders import FeatureEncoder, FeatureModule
from hqlm.testing.recipes import assert_is_recipe

_DIM = 7


def _embeddings(rows: int = 5) -> Tensor:
    return torch.randn(rows, _DIM, generator=torch.Generator().manual_seed(0))


def _build_fitted(encoder: FeatureEncoder) -> FeatureModule:
    module = encoder.build(_DIM)
    module.fit(_embeddings())
    return module


class FeatureEncoderContract:
    """Everything a `FeatureEncoder` promises, as tests that a plugin gets in five lines.

    ```python
    class TestMyEncoder(FeatureEncoderContract):
        @pytest.fixture
        def feature_encoder(self):
            return MyEncoder()
    ```
    """

    @pytest.fixture
    def feature_encoder(self) -> FeatureEncoder:
        """The encoder under test; a subclass overrides this fixture."""
        raise NotImplementedError("override the fixture `feature_encoder` and return your encoder")

    def test_a_feature_encoder_is_a_recipe(self, feature_encoder: FeatureEncoder) -> None:
        """Frozen, hashable, equal to its copies; copies hold no tensors."""
        assert_is_recipe(feature_encoder)

    def test_features_come_in_equal_groups_of_the_promised_size(self, feature_encoder: FeatureEncoder) -> None:
        """`(batch, n_features)`, finite, `n_groups` dividing them."""
        features = _build_fitted(feature_encoder)(_embeddings())
        assert features.shape == (5, feature_encoder.n_features)
        assert feature_encoder.n_features % feature_encoder.n_groups == 0
        assert bool(features.isfinite().all())

    def test_features_lie_between_minus_one_and_one(self, feature_encoder: FeatureEncoder) -> None:
        """They are uploaded as angles, times the scale of the scheme; larger ones would wrap around."""
        features = _build_fitted(feature_encoder)(10.0 * _embeddings(50)).detach()
        assert float(features.abs().max()) <= 1.0 + 1e-6

    def test_every_parameter_and_the_embedding_get_a_gradient(self, feature_encoder: FeatureEncoder) -> None:
        """No trainable parameter is unused, and a text encoder below can be trained."""
        module, embeddings = _build_fitted(feature_encoder), _embeddings().requires_grad_()
        module(embeddings).square().sum().backward()
        for name, tensor in (("the embedding", embeddings), *module.named_parameters()):
            assert tensor.grad is not None, f"{name} gets no gradient"
            assert float(tensor.grad.abs().max()) > 0, f"the gradient of {name} is zero"

    def test_a_batch_equals_its_rows_one_by_one(self, feature_encoder: FeatureEncoder) -> None:
        """Features of a row do not depend on the other rows."""
        module, embeddings = _build_fitted(feature_encoder), _embeddings()
        torch.testing.assert_close(module(embeddings), torch.cat([module(row[None]) for row in embeddings]))

    def test_what_is_fitted_travels_in_the_state_dict(self, feature_encoder: FeatureEncoder) -> None:
        """A newly built module with loaded weights gives the same features, without being fitted."""
        module, copied = _build_fitted(feature_encoder), feature_encoder.build(_DIM)
        copied.load_state_dict(module.state_dict())
        assert torch.equal(module(_embeddings()), copied(_embeddings()))

    def test_ablating_it_leaves_a_fixed_projection_of_the_same_size(self, feature_encoder: FeatureEncoder) -> None:
        """`ablated("feature_encoder")` has nothing to train; a second ablation changes nothing more."""
        ablated = feature_encoder.ablated("feature_encoder")
        assert (ablated.n_features, ablated.n_groups) == (feature_encoder.n_features, feature_encoder.n_groups)
        assert not list(ablated.build(_DIM).parameters())
        assert ablated.ablated("feature_encoder") == ablated

    @pytest.mark.parametrize("word", ["entanglement", "long_range", "offset", "nonsense"])
    def test_an_ablated_encoder_has_the_same_size(self, feature_encoder: FeatureEncoder, word: str) -> None:
        """So that the modules after it fit, whatever the ablation."""
        ablated = feature_encoder.ablated(word)
        assert isinstance(ablated, FeatureEncoder)
        assert (ablated.n_features, ablated.n_groups) == (feature_encoder.n_features, feature_encoder.n_groups)
