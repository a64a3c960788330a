"""Training a text encoder: which weights move, the losses, and what is left behind for sentence-transformers."""

import math

import pytest
import torch

from hqlm.encoders import Contrastive, HashingEncoder, LoRA, SentenceTransformerEncoder
from hqlm.encoders.text.contrastive import cosine_loss, supervised_loss, tune
from hqlm.errors import ConfigError, DataError, EncoderError, TrainingError
from tests.tiny_transformer import DIM, save_tiny_transformer

TEXTS = ["the plot is clever", "the service was dull and boring .", "a witty film", "bad soup", "good , very good"]
LABELS = [1, 0, 1, 0, 1]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_tiny_transformer(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def peft():
    return pytest.importorskip("peft")


def encoder(weights, **options):
    return SentenceTransformerEncoder(weights, **{"stage": "end_to_end", "lr": 0.01, **options})


def plain(folder, texts):
    from sentence_transformers import SentenceTransformer

    return torch.from_numpy(SentenceTransformer(str(folder), device="cpu").encode(texts))


def test_an_untrained_body_embeds_as_the_frozen_encoder(weights):
    body = encoder(weights).trainable().eval()
    frozen = SentenceTransformerEncoder(weights).build()
    texts = TEXTS * 4  # more than are encoded at a time, of mixed lengths
    torch.testing.assert_close(body(texts).detach(), frozen(texts), atol=1e-6, rtol=1e-5)
    assert body.dim == DIM
    prompted = encoder(weights, prompt="a film . ").trainable().eval()
    assert (prompted(texts) - body(texts)).abs().max() > 1e-3


def test_every_weight_that_counts_as_trainable_gets_a_gradient(weights):
    body = encoder(weights).trainable()
    body(TEXTS).pow(3).sum().backward()
    trained = {name: value for name, value in body.named_parameters() if value.requires_grad}
    assert all(value.grad is not None for value in trained.values())
    assert body.counts() == {"body": sum(value.numel() for value in trained.values()), "lora": 0}
    idle = [name for name, value in body.named_parameters() if not value.requires_grad]
    assert len(idle) == 2
    assert all("pooler" in name for name in idle)  # beside mean pooling


def test_low_rank_updates_train_alone(weights, peft):
    body = encoder(weights, lora=LoRA(rank=3)).trainable()
    names = [name for name, value in body.named_parameters() if value.requires_grad]
    assert all(".lora_" in name for name in names)
    # per layer four 16x16 matrices of attention, 16x32 and 32x16
    assert body.counts() == {"body": 0, "lora": 2 * 3 * (4 * (16 + 16) + 2 * (16 + 32))}
    frozen = SentenceTransformerEncoder(weights).build()
    torch.testing.assert_close(body.eval()(TEXTS).detach(), frozen(TEXTS), atol=1e-6, rtol=1e-5)


def test_low_rank_updates_have_the_weight_alpha_by_rank(weights, peft):
    body = encoder(weights, lora=LoRA(rank=2, alpha=6)).trainable()
    layers = [module for module in body.modules() if isinstance(module, peft.tuners.lora.LoraLayer)]
    assert {layer.scaling["default"] for layer in layers} == {3.0}


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["all", "lora"])
def test_a_saved_body_loads_in_plain_sentence_transformers(weights, tmp_path, lora, peft):
    body = encoder(weights, lora=lora).trainable()
    tune(body, Contrastive(steps=5), TEXTS, LABELS)
    trained = body.eval()(TEXTS).detach()
    before = SentenceTransformerEncoder(weights).build()(TEXTS)
    assert (trained - before).abs().max() > 1e-3
    body.save(tmp_path / "body")
    body.save(tmp_path / "body")  # in place of the first
    assert [path.name for path in tmp_path.iterdir()] == ["body"]
    torch.testing.assert_close(plain(tmp_path / "body", TEXTS), trained, atol=1e-5, rtol=1e-5)
    assert not list((tmp_path / "body").glob("*adapter*"))
    torch.testing.assert_close(body(TEXTS).detach(), trained)  # saving leaves the body as it was


def test_a_body_that_cannot_be_written_leaves_the_old_one(weights, tmp_path, monkeypatch):
    body = encoder(weights).trainable()
    body.save(tmp_path / "body")
    before = plain(tmp_path / "body", TEXTS)
    tune(body, Contrastive(steps=1), TEXTS, LABELS)
    monkeypatch.setattr(type(body.model[1]), "save", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        body.save(tmp_path / "body")
    assert torch.equal(plain(tmp_path / "body", TEXTS), before)
    assert [path.name for path in tmp_path.iterdir()] == ["body"]


class Recording(torch.nn.Module):
    """A body that remembers its batches."""

    lr = 0.1

    def __init__(self):
        super().__init__()
        self.seen = []
        self.rows = torch.nn.Embedding(10, 3)

    def forward(self, texts):
        self.seen.append(texts)
        return self.rows(torch.tensor([int(text) for text in texts]))


def test_every_text_is_in_one_batch_of_each_round_and_steps_share_no_gradient():
    body, texts = Recording(), [str(row) for row in range(10)]
    tune(body, Contrastive(steps=4, batch_size=5), texts, [row % 2 for row in range(10)])
    rounds = [body.seen[0] + body.seen[1], body.seen[2] + body.seen[3]]
    assert [sorted(each) for each in rounds] == [texts, texts]
    assert rounds[0] != rounds[1]
    assert body.rows.weight.grad is None


def test_the_cosine_loss_is_that_of_sentence_transformers_over_all_pairs(weights):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    pairs = [(i, j) for i in range(len(TEXTS)) for j in range(i)]
    model = SentenceTransformer(weights, device="cpu")
    features = [model.preprocess([TEXTS[pair[side]] for pair in pairs]) for side in (0, 1)]
    targets = torch.tensor([float(LABELS[i] == LABELS[j]) for i, j in pairs])
    expected = CosineSimilarityLoss(model)(features, targets)
    body = encoder(weights).trainable().eval()
    torch.testing.assert_close(cosine_loss(body(TEXTS), torch.tensor(LABELS)), expected)


def test_the_supervised_loss_follows_its_formula():
    z = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    labels = torch.tensor([0, 0, 1, 1, 1, 2])  # the last one has no partner
    terms = []
    for i in range(5):
        own = [p for p in range(6) if p != i and labels[p] == labels[i]]
        total = sum(math.exp(float(z[i] @ z[a]) / 0.07) for a in range(6) if a != i)
        terms.append(-sum(math.log(math.exp(float(z[i] @ z[p]) / 0.07) / total) for p in own) / len(own))
    assert float(supervised_loss(z, labels)) == pytest.approx(sum(terms) / 5, rel=1e-5)


@pytest.mark.parametrize("loss", ["cosine", "supervised"])
def test_tuning_draws_texts_of_a_class_together(weights, loss):
    options = {"stage": "contrastive", "contrastive": Contrastive(loss, steps=30)}
    tuned = encoder(weights, **options).tuned(TEXTS, LABELS, CPU)
    assert tuned.stage == "frozen"
    before, after = (each.build()(TEXTS) for each in (SentenceTransformerEncoder(weights), tuned))
    alike = torch.tensor(LABELS)[:, None] == torch.tensor(LABELS)

    def gap(rows):
        cosines = rows @ rows.T
        return cosines[alike].mean() - cosines[~alike].mean()

    assert gap(after) > gap(before) + 0.1


def test_a_tuned_encoder_is_a_function_of_settings_and_rows(weights, monkeypatch):
    recipe = encoder(weights, stage="contrastive", contrastive=Contrastive(steps=2))
    state = torch.get_rng_state()
    first = recipe.tuned(TEXTS, LABELS, CPU)
    assert torch.equal(torch.get_rng_state(), state)  # what is drawn after it does not depend on the cache
    keys = {first.build().content_key, SentenceTransformerEncoder(weights).build().content_key}
    assert len(keys) == 2
    for other in (
        encoder(weights, stage="contrastive", contrastive=Contrastive(steps=2, seed=1)).tuned(TEXTS, LABELS, CPU),
        encoder(weights, stage="contrastive", contrastive=Contrastive(steps=2), lr=0.02).tuned(TEXTS, LABELS, CPU),
        recipe.tuned(TEXTS, [0, 0, 1, 0, 1], CPU),
        recipe.tuned(TEXTS[::-1], LABELS[::-1], CPU),
    ):
        keys.add(other.build().content_key)
    assert len(keys) == 6
    monkeypatch.setattr("hqlm.encoders.text.sentence_transformer.tune", lambda *args: pytest.fail("tuned again"))
    assert recipe.tuned(TEXTS, [5 - label for label in LABELS], CPU) == first  # numbers of classes say nothing


def test_equal_seeds_give_equal_bodies(weights, tmp_path, monkeypatch):
    recipe = encoder(weights, stage="contrastive", contrastive=Contrastive(steps=3))
    keys = set()
    for name in ("one", "other"):
        monkeypatch.setenv("HQLM_CACHE", str(tmp_path / name))
        torch.manual_seed(len(name))
        keys.add(recipe.tuned(TEXTS, LABELS, CPU).build().content_key)
    assert len(keys) == 1


def test_what_would_train_nothing_is_refused(weights, peft):
    with pytest.raises(ConfigError, match="rank 1 or more"):
        LoRA(rank=0)
    with pytest.raises(ConfigError, match=r"lora has no effect with text_encoder\.stage=frozen"):
        SentenceTransformerEncoder(weights, lora=LoRA())
    with pytest.raises(ConfigError, match="lr must be above 0"):
        encoder(weights, lr=0.0)
    with pytest.raises(ConfigError, match="steps of 1 or more"):
        Contrastive(steps=0)
    for call in ("trainable", "tuned", "at", "save"):
        arguments = {"trainable": (), "tuned": (TEXTS, LABELS, CPU)}.get(call, (None,))
        with pytest.raises(EncoderError, match="HashingEncoder has no weights to train"):
            getattr(HashingEncoder(), call)(*arguments)


def test_rows_of_one_class_and_losses_that_are_no_numbers_stop_the_stage(weights, tmp_path):
    recipe = encoder(weights, stage="contrastive")
    with pytest.raises(DataError, match="two or more classes"):
        recipe.tuned(TEXTS, [1] * 5, CPU)
    broken = encoder(weights, stage="contrastive", lr=float("inf"))
    with pytest.raises(TrainingError, match=r"the contrastive loss is nan at step 1\. Lower model\.text_encoder\.lr"):
        broken.tuned(TEXTS, LABELS, CPU)
    assert not list((tmp_path / "cache").glob("bodies/*"))
