"""The stages of the text encoder under both kinds of head: what is trained, kept and restored."""

import functools

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from hqlm.circuits import RingAnsatz
from hqlm.data import ReviewsData
from hqlm.encoders import Contrastive, EmbeddingCache, LoRA, QuantumFeatureEncoder, SentenceTransformerEncoder
from hqlm.errors import CheckpointError, ConfigError
from hqlm.heads import LinearHead, QuantumHead
from hqlm.models import TextModel
from tests.tiny_transformer import DIM, save_tiny_transformer

SETTINGS = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_tiny_transformer(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))


def hybrid(text_encoder, **options):
    features = QuantumFeatureEncoder(n_qubits=5, n_layers=1, center=True, offset=1.0, ansatz=RingAnsatz(1))
    return TextModel(text_encoder, QuantumHead(features, ansatz=RingAnsatz(1)), **options)


def linear(text_encoder, **options):
    return TextModel(text_encoder, LinearHead(), **options)


@pytest.fixture(params=[hybrid, linear], ids=["hybrid", "classical"])
def make(request):
    return functools.partial(request.param, optimizer=functools.partial(torch.optim.AdamW, lr=0.05))


def encoder(weights, stage, **options):
    return SentenceTransformerEncoder(weights, stage=stage, contrastive=Contrastive(steps=3), **options)


def fit(model, tmp_path, epochs=1, ckpt_path=None, **options):
    seed_everything(0, verbose=False)
    trainer = Trainer(default_root_dir=tmp_path, max_epochs=epochs, **SETTINGS, **options)
    data = ReviewsData(limit_train=32, limit_val=16, limit_test=16, batch_size=16)
    trainer.fit(model, data, ckpt_path=ckpt_path, weights_only=True)
    return trainer


def test_gradients_reach_the_body_through_the_head(make, weights):
    model = make(encoder(weights, "end_to_end"), class_names=["a", "b"], embedding_dim=DIM)
    model.configure_model()
    rows = model.body(["the film was dull", "clever plot ."])
    torch.nn.functional.cross_entropy(model(rows), torch.tensor([0, 1])).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            # a key's offset adds the same to every score of a softmax
            assert parameter.grad.abs().max() > 0.0 or name.endswith(("key.bias", "weights")), name


def test_end_to_end_training_moves_body_and_head_at_their_own_rates(make, weights, tmp_path):
    model = make(encoder(weights, "end_to_end", lr=0.001), schedule="constant")
    trainer = fit(model, tmp_path)
    head, body = trainer.optimizers[0].param_groups
    assert (head["lr"], body["lr"]) == (0.05, 0.001)
    fresh = encoder(weights, "end_to_end").trainable()
    moved = [not torch.equal(one, other) for one, other in zip(body["params"], trained(fresh), strict=True)]
    assert all(moved)
    counts = model.parameter_counts()
    assert counts["body"] == sum(value.numel() for value in body["params"])
    assert counts["quantum"] + counts["classical"] == sum(value.numel() for value in head["params"])


def test_end_to_end_training_embeds_the_training_texts_once_and_keeps_no_table(make, weights, tmp_path, monkeypatch):
    calls, embed = [], EmbeddingCache.embed

    def counted(self, module, texts):
        calls.append(len(texts))
        return embed(self, module, texts)

    monkeypatch.setattr(EmbeddingCache, "embed", counted)
    model = make(encoder(weights, "end_to_end"))
    fit(model, tmp_path)
    assert calls == [32]
    assert not model._embeddings


def trained(module):
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


@pytest.mark.slow
def test_both_rates_warm_up(make, weights, tmp_path):
    rates = []
    model = make(encoder(weights, "end_to_end", lr=0.001), schedule="linear_warmup")
    model.on_train_batch_start = lambda *args: rates.append([g["lr"] for g in model.trainer.optimizers[0].param_groups])
    fit(model, tmp_path, epochs=10)  # 20 steps, 2 of them to warm up
    assert rates[0] == pytest.approx([0.025, 0.0005])
    assert rates[1] == pytest.approx([0.05, 0.001])
    assert rates[-1] == pytest.approx([0.05 / 18, 0.001 / 18])


def test_the_centring_mean_stays_that_of_the_initial_embeddings(weights, tmp_path):
    model = hybrid(encoder(weights, "end_to_end", lr=0.01))
    fit(model, tmp_path)
    texts = model.trainer.datamodule.texts("train")
    initial = EmbeddingCache().embed(SentenceTransformerEncoder(weights).build(), texts)
    torch.testing.assert_close(model.head.features.amplitudes.mean, initial.mean(0))
    assert (model.embed(texts) - initial).abs().max() > 1e-3


@pytest.mark.slow
def test_mixed_precision_trains(make, weights, tmp_path):
    model = make(encoder(weights, "end_to_end"))
    trainer = fit(model, tmp_path, precision="bf16-mixed")
    assert trainer.callback_metrics["train/loss"].isfinite()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["all", "lora"])
def test_a_checkpoint_holds_what_was_trained_and_nothing_else(make, weights, tmp_path, lora):
    model = make(encoder(weights, "end_to_end", lora=lora))
    fit(model, tmp_path).save_checkpoint(tmp_path / "model.ckpt")
    state = torch.load(tmp_path / "model.ckpt", weights_only=True)["state_dict"]
    stored = {name for name in state if name.startswith("body.")}
    assert stored == {f"body.{name}" for name, value in model.body.named_parameters() if value.requires_grad}
    loaded = type(model).load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    texts = ["The plot is not dull.", "The plot is dull."]
    assert loaded.predict(texts) == model.predict(texts)
    assert len(loaded.predict(40 * texts)) == 80  # more than a body embeds at a time


@pytest.mark.slow
def test_other_initial_weights_under_low_rank_updates_are_refused(weights, tmp_path):
    model = linear(encoder(weights, "end_to_end", lora=LoRA(rank=2)))
    trainer = fit(model, tmp_path)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    other = save_tiny_transformer(tmp_path / "other", seed=1)
    with pytest.raises(CheckpointError, match="was trained on a text encoder of content"):
        TextModel.load_from_checkpoint(
            tmp_path / "model.ckpt",
            weights_only=True,
            text_encoder=encoder(str(other), "end_to_end", lora=LoRA(rank=2)),
        )


@pytest.mark.slow
def test_the_stages_share_the_initial_head(make, weights):
    states = []
    for stage in ("frozen", "contrastive", "end_to_end"):
        seed_everything(0, verbose=False)
        model = make(encoder(weights, stage), class_names=["a", "b"], embedding_dim=DIM)
        model.configure_model()
        states.append({name: value for name, value in model.state_dict().items() if not name.startswith("body.")})
    for state in states[1:]:
        assert all(torch.equal(states[0][name], value) for name, value in state.items())


def test_a_head_for_embeddings_of_another_size_is_refused(make, weights, tmp_path):
    for stage in ("contrastive", "end_to_end"):
        model = make(encoder(weights, stage), embedding_dim=DIM + 1)
        with pytest.raises(CheckpointError, match=f"embeddings of {DIM + 1} values, given {DIM}"):
            fit(model, tmp_path)


def test_a_contrastive_model_trains_its_head_on_the_tuned_embeddings(make, weights, tmp_path):
    model = make(encoder(weights, "contrastive", lr=0.01))
    with pytest.raises(ConfigError, match="tuned by a fit"):
        model.embed(["film"])
    fit(model, tmp_path)
    data = model.trainer.datamodule
    tuned = encoder(weights, "contrastive", lr=0.01).tuned(data.texts("train"), data.labels("train"), model.device)
    assert torch.equal(model._embeddings["val"], tuned.build()(data.texts("val")))
    assert model.body is None
    counts, all_weights = model.parameter_counts(), encoder(weights, "end_to_end").trainable().counts()
    assert (counts["body"], counts["lora"]) == (all_weights["body"], 0)
    assert counts["quantum"] + counts["classical"] == sum(value.numel() for value in trained(model))


def test_low_rank_updates_are_counted_apart(weights):
    known = {"class_names": ["a", "b"], "embedding_dim": DIM}
    counts = []
    for stage, lora in (("frozen", None), ("contrastive", LoRA(rank=2)), ("end_to_end", LoRA(rank=2))):
        model = hybrid(encoder(weights, stage, lora=lora), **known)
        model.configure_model()
        counts.append(model.parameter_counts())
    assert counts[0] | {"lora": 896} == counts[1] == counts[2]
