"""The conformance suite of text encoders."""

from __future__ import annotations

import pickle
from functools import lru_cache

import pytest
import torch

from hqlm.encoders import TextEncoder, TextModule
from hqlm.testing.recipes import assert_is_recipe

_TEXTS = ["a gorgeous , witty film", "dull", "never boring , never clever", "dull"]


@lru_cache(maxsize=4)
def _built(encoder: TextEncoder) -> TextModule:
    return encoder.build()  # weights may take a while to load


class TextEncoderContract:
    """Everything a `TextEncoder` promises, as tests that a plugin gets in five lines.

    ```python
    class TestMyEncoder(TextEncoderContract):
        @pytest.fixture
        def text_encoder(self):
            return MyEncoder()
    ```
    """

    @pytest.fixture
    def text_encoder(self) -> TextEncoder:
        """The encoder under test; a subclass overrides this fixture."""
        raise NotImplementedError("override the fixture `text_encoder` and return your encoder")

    def test_a_text_encoder_is_a_recipe(self, text_encoder: TextEncoder) -> None:
        """Frozen, hashable, equal to its copies; copies hold no weights."""
        assert_is_recipe(text_encoder)

    def test_embeddings_are_single_precision_rows_of_its_size(self, text_encoder: TextEncoder) -> None:
        """`(batch, dim)`, float32, finite, not all alike."""
        module = _built(text_encoder)
        embeddings = module(_TEXTS)
        assert embeddings.shape == (len(_TEXTS), module.dim)
        assert embeddings.dtype == torch.float32
        assert bool(embeddings.isfinite().all())
        assert not torch.equal(embeddings[0], embeddings[1])

    def test_a_text_is_embedded_alike_whatever_stands_beside_it(self, text_encoder: TextEncoder) -> None:
        """In any batch and at any position in it, so that embeddings can be cached."""
        module = _built(text_encoder)
        embeddings = module(_TEXTS)
        torch.testing.assert_close(embeddings[1], embeddings[3], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(embeddings[1], module([_TEXTS[1]])[0], atol=1e-5, rtol=1e-4)

    def test_every_text_has_a_length(self, text_encoder: TextEncoder) -> None:
        """Lengths grow with the content of a text."""
        lengths = _built(text_encoder).lengths(["one", "one two three four"])
        assert len(lengths) == 2
        assert lengths[0] < lengths[1]

    def test_the_content_key_is_the_same_in_another_build(self, text_encoder: TextEncoder) -> None:
        """A key for everything that an embedding depends on, the same in every process."""
        key = _built(text_encoder).content_key
        assert key
        assert isinstance(key, str)
        assert pickle.loads(pickle.dumps(text_encoder)).build().content_key == key  # noqa: S301

    def test_another_build_gives_the_same_embeddings(self, text_encoder: TextEncoder) -> None:
        """Nothing in a text encoder is random."""
        copied = pickle.loads(pickle.dumps(text_encoder)).build()  # noqa: S301
        torch.testing.assert_close(copied(_TEXTS), _built(text_encoder)(_TEXTS), atol=1e-6, rtol=1e-5)

    def test_a_built_module_pickles(self, text_encoder: TextEncoder) -> None:
        """A built module pickles, so that it can reach another process."""
        module = _built(text_encoder)
        copied = pickle.loads(pickle.dumps(module))  # noqa: S301
        torch.testing.assert_close(copied(_TEXTS[:1]), module(_TEXTS[:1]), atol=1e-6, rtol=1e-5)
