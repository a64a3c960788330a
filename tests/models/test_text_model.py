"""Training, checkpoints and prediction of every classifier, on hashed reviews and a few qubits."""

import functools
import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything

import hqlm.encoders.cache as cache
from hqlm.callbacks import LastCheckpoint
from hqlm.circuits import RingAnsatz
from hqlm.data import FileData, ReviewsData
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.errors import CheckpointError, ConfigError, DataError, EncoderError, TrainingError
from hqlm.heads import (
    HEADS,
    KernelHead,
    LinearHead,
    LogisticRegressionHead,
    MatchedHead,
    MLPHead,
    QuantumHead,
    RBFSVMHead,
)
from hqlm.kernels import UploadMap
from hqlm.models import TextModel
from tests.registries import shipped

TEXT = HashingEncoder(dim=15)
CENTRED = QuantumFeatureEncoder(n_qubits=4, center=True, offset=1.0, ansatz=RingAnsatz(1))
EVERY = {
    "QuantumHead": QuantumHead(CENTRED, ansatz=RingAnsatz(1)),
    "LinearHead": LinearHead(),
    "MLPHead": MLPHead((4,)),
    "MatchedHead": MatchedHead(200),
    "KernelHead": KernelHead(QuantumFeatureEncoder(n_qubits=4, center=True, offset=1.0), UploadMap(), align=True),
    "LogisticRegressionHead": LogisticRegressionHead(),
    "RBFSVMHead": RBFSVMHead(),
}
MAKERS = {name: functools.partial(TextModel, TEXT, head) for name, head in EVERY.items()}
SOLVED = ("LogisticRegressionHead", "RBFSVMHead")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.fixture
def make_trained(make):
    """Of a head that steps of an optimiser train."""
    if make in [MAKERS[name] for name in SOLVED]:
        pytest.skip("solved in one step")
    return make


def trainer(tmp_path, epochs=1, **options):
    settings = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(default_root_dir=tmp_path, max_epochs=epochs, **settings, **options)


def reviews(**options):
    return ReviewsData(**{"limit_train": 64, "limit_val": 32, "limit_test": 32, **options})


def fitted(make, tmp_path, **options):
    seed_everything(0, verbose=False)
    model = make(optimizer=functools.partial(torch.optim.AdamW, lr=0.05), **options)
    training = trainer(tmp_path)
    training.fit(model, reviews())
    path = tmp_path / "model.ckpt"
    training.save_checkpoint(path, weights_only=False)
    return model, path


def test_every_registered_head_is_tested_here():
    assert {type(head).__name__ for head in EVERY.values()} == shipped(HEADS)


class TestEveryClassifier:
    def test_it_learns(self, make, tmp_path):
        seed_everything(0, verbose=False)
        model = make(optimizer=functools.partial(torch.optim.AdamW, lr=0.05))
        training = trainer(tmp_path, epochs=8)
        data = reviews(limit_train=96)
        training.fit(model, data)
        embeddings = model._embeddings["train"]
        labels = torch.cat([labels for _, _, labels in data.train_dataloader()])
        index = torch.cat([index for index, _, _ in data.train_dataloader()])
        accuracy = (model(embeddings[index]).argmax(1) == labels).float().mean()
        assert accuracy > 0.65

    def test_a_fit_writes_classes_and_size_into_the_hyperparameters(self, make, tmp_path):
        model, _ = fitted(make, tmp_path)
        assert model.hparams["class_names"] == ["negative", "positive"]
        assert model.hparams["embedding_dim"] == 15

    def test_a_checkpoint_loads_with_weights_only_and_predicts_the_same(self, make, tmp_path):
        model, path = fitted(make, tmp_path)
        torch.load(path, weights_only=True)
        loaded = type(model).load_from_checkpoint(path, weights_only=True)
        assert loaded.class_names == ("negative", "positive")
        texts = ["The plot is not dull.", "The plot is dull."]
        assert loaded.predict(texts) == model.predict(texts)

    def test_predictions_name_the_most_probable_class(self, make, tmp_path):
        model, _ = fitted(make, tmp_path)
        (prediction,) = model.predict(["The plot is not dull."])
        assert set(prediction.probabilities) == {"negative", "positive"}
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
        assert prediction.probabilities[prediction.label] == max(prediction.probabilities.values())

    def test_scores_are_over_all_rows_however_they_fall_into_batches(self, make, tmp_path):
        from sklearn import metrics

        model, _ = fitted(make, tmp_path)
        data = reviews(batch_size=20)  # and 12 rows in the second batch
        (scores,) = trainer(tmp_path).test(model, data, verbose=False)
        predictions, labels = model.predict(data.texts("test")), [model.class_names[k] for k in data.labels("test")]
        said = [each.label for each in predictions]
        surprise = [-math.log(each.probabilities[label]) for each, label in zip(predictions, labels, strict=True)]
        expected = {
            "test/loss": sum(surprise) / len(surprise),
            "test/acc": metrics.accuracy_score(labels, said),
            "test/f1": metrics.f1_score(labels, said, average="macro"),
        }
        assert scores == pytest.approx(expected, rel=1e-5)

    def test_a_trained_model_tests_with_its_own_order_of_classes(self, make, tmp_path):
        model, path = fitted(make, tmp_path)
        (first,) = trainer(tmp_path).test(model, reviews(), verbose=False)
        loaded = type(model).load_from_checkpoint(path, weights_only=True)
        (second,) = trainer(tmp_path).test(loaded, reviews(), verbose=False)
        assert first == second
        assert set(first) == {"test/loss", "test/acc", "test/f1"}

    def test_another_data_set_is_embedded_anew(self, make, tmp_path):
        model, _ = fitted(make, tmp_path)
        scores = []
        for name, rows in (("a", [0, 1]), ("b", [1, 0])):
            folder = tmp_path / name
            folder.mkdir()
            texts = ["The plot is not dull.\tpositive", "I hated the soup.\tnegative"]
            (folder / "test.tsv").write_text("\n".join(["text\tlabel", *(texts[row] for row in rows)]))
            (score,) = trainer(tmp_path).test(model, FileData(str(folder)), verbose=False)
            scores.append(score)
        assert scores[0] == pytest.approx(scores[1])

    def test_an_embedding_of_nothing_is_refused_with_its_text(self, make, tmp_path):
        model = make(class_names=["a", "b"], embedding_dim=15)
        plain = model._text_module
        plain.forward = lambda texts: torch.zeros(len(texts), 15)
        with pytest.raises(EncoderError, match=r"of the text 'film' \(row 1 of 1\) has norm 0"):
            model.predict(["film"])

    def test_weights_of_another_shape_are_refused(self, make, tmp_path):
        model, _ = fitted(make, tmp_path)
        other = make(class_names=["a", "b", "c"], embedding_dim=15)
        other.configure_model()
        with pytest.raises(CheckpointError, match="do not fit"):
            other.load_state_dict(model.state_dict())

    def test_equal_seeds_give_equal_weights(self, make, tmp_path):
        states = [fitted(make, tmp_path)[0].state_dict() for _ in range(2)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])

    def test_a_resumed_fit_ends_with_the_weights_of_an_undisturbed_one(self, make, tmp_path):
        def begun(epochs, ckpt_path=None):
            seed_everything(0, verbose=False)
            model = make(optimizer=functools.partial(torch.optim.AdamW, lr=0.05), schedule="constant")
            training = trainer(tmp_path, epochs=epochs)
            training.fit(model, reviews(), ckpt_path=ckpt_path, weights_only=True)
            training.save_checkpoint(tmp_path / f"{epochs}.ckpt")
            return model.state_dict()

        whole = begun(3)
        begun(1)
        resumed = begun(3, tmp_path / "1.ckpt")
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)

    def test_a_second_run_embeds_nothing(self, make, tmp_path, monkeypatch):
        fitted(make, tmp_path)
        monkeypatch.setattr(
            cache, "_encode_chunks", lambda encoder, texts: pytest.fail("embedded again") if texts else ()
        )
        fitted(make, tmp_path)

    def test_the_text_encoder_stays_out_of_the_checkpoint(self, make, tmp_path):
        _, path = fitted(make, tmp_path)
        checkpoint = torch.load(path, weights_only=True)
        assert not any("text" in key for key in checkpoint["state_dict"])
        assert checkpoint["text_encoder_key"] == TEXT.build().content_key

    def test_other_weights_of_the_text_encoder_are_refused(self, make, tmp_path):
        model, path = fitted(make, tmp_path)
        checkpoint = torch.load(path, weights_only=True)
        torch.save({**checkpoint, "text_encoder_key": "another"}, path)
        loaded = type(model).load_from_checkpoint(path, weights_only=True)
        with pytest.raises(CheckpointError, match="content another"):
            loaded.predict(["film"])

    def test_an_infinite_loss_stops_and_names_the_step(self, make_trained, tmp_path):
        model = make_trained(optimizer=functools.partial(torch.optim.SGD, lr=float("inf")))
        with pytest.raises(TrainingError, match="at step 1"):
            trainer(tmp_path).fit(model, reviews())

    @pytest.mark.parametrize("limit_val", [32, 0], ids=["validated", "not validated"])
    def test_spoilt_weights_stop_a_fit_and_the_last_good_checkpoint_stays(self, make_trained, tmp_path, limit_val):
        class Spoil(Callback):
            def on_train_batch_end(self, trainer, module, *args):
                if trainer.global_step == 4:  # after the last step of the second epoch
                    next(module.parameters()).data.fill_(torch.nan)

        callbacks = [Spoil(), LastCheckpoint(tmp_path / "checkpoints/last")]
        training = trainer(tmp_path, 3, callbacks=callbacks, limit_val_batches=limit_val)
        with pytest.raises(TrainingError, match=r"(is nan at|not finite after) step 4.* kept\. Lower"):
            training.fit(make_trained(), reviews())
        checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
        assert checkpoint["epoch"] == 0
        assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())

    def test_a_rate_that_no_optimiser_takes_is_refused(self, make, tmp_path):
        with pytest.raises(ConfigError, match=r"model\.optimizer: Invalid learning rate"):
            trainer(tmp_path).fit(make(optimizer=functools.partial(torch.optim.AdamW, lr=-1.0)), reviews())

    def test_data_of_other_classes_is_refused(self, make, tmp_path):
        for name in ("train", "dev"):
            (tmp_path / f"{name}.tsv").write_text("text\tlabel\ngood\tx\nbad\ty\n")
        model = make(class_names=["negative", "positive"])
        with pytest.raises(DataError, match="has the classes negative, positive, but the training data has x, y"):
            trainer(tmp_path).fit(model, FileData(str(tmp_path)))

    def test_prediction_before_training_and_bad_texts_are_refused(self, make, tmp_path):
        with pytest.raises(ConfigError, match="not fitted yet"):
            make().predict(["film"])
        model = make(class_names=["a", "b"], embedding_dim=15)
        with pytest.raises(ConfigError, match="list of texts"):
            model.predict("film")
        with pytest.raises(ConfigError, match="list of texts"):
            model.predict([None])
        with pytest.raises(DataError, match="text 1 is empty"):
            model.predict(["film", " "])
        for bad in (None, 5, [1.5], [["film"]]):
            with pytest.raises(ConfigError, match="list of texts"):
                model.predict(bad)
        for said in (model.predict, model.embed):
            with pytest.raises(
                DataError, match=r"the text 'ok \\ud83d' \(row 2 of 2\) contains half of a surrogate pair"
            ):
                said(["film", "ok \ud83d"])
        assert model.predict([]) == []

    def test_any_collection_of_texts_is_predicted(self, make, tmp_path):
        model, _ = fitted(make, tmp_path)
        texts = ["The plot is not dull.", "I hated the soup."]
        expected = model.predict(texts)
        for given in (tuple(texts), np.array(texts), iter(texts)):
            assert model.predict(given) == expected

    def test_embeddings_that_are_all_equal_are_refused(self, make, tmp_path):
        model = make()
        model._text_module.forward = lambda texts: torch.ones(len(texts), 15)
        with pytest.raises(DataError, match=r"the embeddings of all 64 training texts are equal.*text_encoder"):
            trainer(tmp_path).fit(model, reviews())

    def test_six_classes_with_names(self, make, tmp_path):
        from sklearn import metrics

        for name in ("train", "dev", "test"):
            numbers = [n * n % 6 for n in range(36)] if name == "test" else [n % 6 for n in range(36)]
            rows = [f"word{number} {name} {n}\tclass {number}" for n, number in enumerate(numbers)]
            (tmp_path / f"{name}.tsv").write_text("\n".join(["text\tlabel", *rows]))
        model = make(optimizer=functools.partial(torch.optim.AdamW, lr=0.05))
        trainer(tmp_path, epochs=4).fit(model, FileData(str(tmp_path)))
        found = model.predict([row.partition("\t")[0] for row in rows])
        labels, predicted = [f"class {number}" for number in numbers], [each.label for each in found]
        (score,) = trainer(tmp_path).test(model, FileData(str(tmp_path)), verbose=False)
        assert score["test/acc"] == pytest.approx(metrics.accuracy_score(labels, predicted))
        assert score["test/f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
        surprises = [-math.log(each.probabilities[label]) for each, label in zip(found, labels, strict=True)]
        table = torch.tensor([list(each.probabilities.values()) for each in found])
        for batch in trainer(tmp_path).predict(model, FileData(str(tmp_path))):
            torch.testing.assert_close(batch["probabilities"], table[batch["index"]])
        assert score["test/loss"] == pytest.approx(sum(surprises) / len(surprises), rel=1e-4)


def test_metrics_are_on_the_device_of_the_model(tmp_path):
    """Where collective calls of NCCL find them."""
    model, _ = fitted(MAKERS["MLPHead"], tmp_path)
    logged = {}
    model.log_dict = lambda metrics, **options: logged.update(metrics)
    model._batches = [(torch.arange(2), torch.tensor([0, 1]), torch.eye(2))]
    model._device = torch.device("meta")
    model.on_validation_epoch_end()
    assert {name: str(value.device) for name, value in logged.items()} == dict.fromkeys(
        ("val/loss", "val/acc", "val/f1"), "meta"
    )


def test_a_second_fit_estimates_the_head_from_its_own_embeddings(tmp_path):
    model, _ = fitted(MAKERS["QuantumHead"], tmp_path)
    first = model.head.features.amplitudes.mean.clone()
    trainer(tmp_path).fit(model, reviews(limit_train=16))
    assert not torch.equal(first, model.head.features.amplitudes.mean)
    torch.testing.assert_close(model.head.features.amplitudes.mean, model._embeddings["train"].mean(0))


class Keeper(Callback):
    """Has arrays in its state, and sees the versions of modules."""

    def on_save_checkpoint(self, trainer, module, checkpoint):
        self.version = dict(checkpoint["state_dict"]._metadata)

    def state_dict(self):
        return {"array": np.arange(3.0), "weights": torch.arange(3.0)}


def test_a_checkpoint_keeps_state_as_it_is_and_options_as_plain_numbers(tmp_path):
    keeper = Keeper()
    model = MAKERS["MLPHead"](optimizer=functools.partial(torch.optim.SGD, lr=np.float64(0.25)))
    training = trainer(tmp_path, callbacks=[keeper])
    training.fit(model, reviews())
    saved = training._checkpoint_connector.dump_checkpoint(weights_only=False)
    assert saved["state_dict"]._metadata == keeper.version
    (state,) = (state for name, state in saved["callbacks"].items() if "Keeper" in name)
    assert isinstance(state["array"], np.ndarray)
    assert type(saved["optimizer_options"][0]["lr"]) is float
    assert type(saved["optimizer_states"][0]["param_groups"][0]["initial_lr"]) is float


def test_predictions_are_free_of_what_training_adds():
    encoder = QuantumFeatureEncoder(n_qubits=4, offset=1.0, jitter=1.0)
    model = TextModel(TEXT, QuantumHead(encoder), class_names=["a", "b"], embedding_dim=15)
    assert model.predict(["a film"]) == model.predict(["a film"])


def test_the_centring_mean_is_that_of_the_training_embeddings_and_is_restored(tmp_path):
    model, path = fitted(MAKERS["QuantumHead"], tmp_path)
    mean = model.head.features.amplitudes.mean
    torch.testing.assert_close(mean, model._embeddings["train"].mean(0))
    loaded = TextModel.load_from_checkpoint(path, weights_only=True)
    assert torch.equal(loaded.head.features.amplitudes.mean, mean)
