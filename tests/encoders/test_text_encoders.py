"""Every text encoder of the registry, and what is special about each."""

import json
import shutil
import zlib
from pathlib import Path

import pytest
import torch

import hqlm.encoders.text.sentence_transformer as sentence_transformer
from hqlm.data import ReviewsData
from hqlm.encoders import TEXT_ENCODERS, HashingEncoder, SentenceTransformerEncoder
from hqlm.encoders.text import precision
from hqlm.errors import ConfigError, EncoderError
from hqlm.testing import TextEncoderContract
from tests.registries import shipped

TEXTS = ["a gorgeous , witty film", "dull", "never boring , never clever", "dull"]
RECIPES = {
    "HashingEncoder": HashingEncoder(dim=32),
    "SentenceTransformerEncoder": SentenceTransformerEncoder(),
}


def minilm_folder() -> Path:
    return sentence_transformer.model_folder("all-MiniLM-L6-v2")


def test_every_registered_encoder_is_tested_here():
    assert set(RECIPES) == shipped(TEXT_ENCODERS)


class TestRegisteredTextEncoders(TextEncoderContract):
    @pytest.fixture(params=RECIPES.values(), ids=RECIPES)
    def text_encoder(self, request):
        return request.param


def test_the_hash_of_a_word_is_the_same_for_ever():
    for word, sign in (("film", 1.0), ("plot", -1.0)):  # the last bit of the checksum
        row = HashingEncoder(dim=8, ngrams=1).build()([f"{word} {word.upper()}"])[0]
        assert row.nonzero().tolist() == [[(zlib.crc32(word.encode()) >> 1) % 8]]
        assert row.sum() == sign
    assert HashingEncoder(dim=8).build().content_key != HashingEncoder(dim=9).build().content_key


def test_word_pairs_tell_orders_apart():
    a, b = HashingEncoder(dim=64).build()(["not good but bad", "not bad but good"])
    assert not torch.equal(a, b)
    a, b = HashingEncoder(dim=64, ngrams=1).build()(["not good but bad", "not bad but good"])
    assert torch.equal(a, b)


def test_minilm_embeds_as_the_library_does():
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(minilm_folder())).encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(SentenceTransformerEncoder().build()(TEXTS), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_minilm_reads_a_text_up_to_its_limit(prompt):
    module = SentenceTransformerEncoder(prompt=prompt).build()
    (taken,) = module.lengths([""])
    whole = " ".join(["film"] * (module.limit - taken))
    longer = whole + " film" * 100
    assert module.lengths([whole, longer]) == [module.limit, module.limit + 100]
    short, full, beyond = module([whole.removesuffix(" film"), whole, longer])
    torch.testing.assert_close(full, beyond, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(short, full, atol=1e-5)


def test_bfloat16_is_near_float32_under_a_key_of_its_own():
    if not precision._is_native(torch.device("cpu")):
        pytest.skip("this processor has no instructions for bfloat16")
    exact, rounded = (SentenceTransformerEncoder(precision=word).build() for word in ("float32", "bfloat16"))
    assert exact.content_key != rounded.content_key
    texts = ReviewsData(limit_train=64)
    texts.setup("fit")
    difference = (rounded(texts.texts("train")) - exact(texts.texts("train"))).abs().max()
    assert 0.0 < difference < 0.01
    assert rounded(["film"]).dtype == torch.float32


def test_bfloat16_of_weights_that_are_trained_is_refused():
    with pytest.raises(ConfigError, match=r"Leave precision out, or set trainer\.precision"):
        SentenceTransformerEncoder(stage="end_to_end", precision="bfloat16")


def test_bfloat16_by_emulation_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    with pytest.raises(EncoderError, match=r"text_encoder\.precision=bfloat16 is not supported by this cpu"):
        SentenceTransformerEncoder(precision="bfloat16").build()(["film"])


def test_a_prompt_changes_embeddings_and_their_key():
    plain, prompted = SentenceTransformerEncoder().build(), SentenceTransformerEncoder(prompt="query: ").build()
    assert plain.content_key != prompted.content_key
    assert (plain(["film"]) - prompted(["film"])).abs().max() > 1e-3
    torch.testing.assert_close(prompted(["film"]), plain(["query: film"]), atol=1e-6, rtol=1e-5)


def test_the_key_depends_on_the_pooling_and_not_on_the_place(tmp_path):
    copied = tmp_path / "model"
    shutil.copytree(minilm_folder(), copied)
    assert (
        SentenceTransformerEncoder(str(copied)).build().content_key == SentenceTransformerEncoder().build().content_key
    )
    pooling = copied / "1_Pooling" / "config.json"
    settings = json.loads(pooling.read_text())
    settings |= {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    pooling.write_text(json.dumps(settings))
    assert (
        SentenceTransformerEncoder(str(copied)).build().content_key != SentenceTransformerEncoder().build().content_key
    )


def test_unreachable_weights_say_what_to_install(monkeypatch):
    monkeypatch.setattr(sentence_transformer, "_MINILM_PACKAGE", "no_such_package")
    with pytest.raises(EncoderError, match=r"hqlm\[offline\]"):
        SentenceTransformerEncoder().build()
    with pytest.raises(EncoderError, match="give a local folder"):
        SentenceTransformerEncoder("somebody/no-such-model").build()
    with pytest.raises(EncoderError, match="is not a folder"):
        SentenceTransformerEncoder("./no/such/folder").build()


def test_tampered_weights_of_the_package_are_refused(monkeypatch):
    monkeypatch.setattr(sentence_transformer, "_MINILM_SHA256", "0" * 64)
    with pytest.raises(EncoderError, match="Reinstall"):
        SentenceTransformerEncoder().build()


def test_a_vocabulary_of_any_name_is_part_of_the_key(tmp_path):
    for vocabulary in ("one", "another"):
        folder = tmp_path / vocabulary
        folder.mkdir()
        (folder / "sentencepiece.bpe.model").write_text(vocabulary)
        (folder / "README.md").write_text("the same")
    keys = {SentenceTransformerEncoder(str(tmp_path / name)).build().content_key for name in ("one", "another")}
    assert len(keys) == 2


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"it has no modules\.json"):
        SentenceTransformerEncoder(str(tmp_path)).build()(["film"])
