"""The kernel head: its numbers against scikit-learn, what its words remove, what it refuses."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from sklearn.svm import SVC

from hqlm.backends import StatevectorBackend
from hqlm.circuits import InterleavedUpload, RingAnsatz
from hqlm.data import ReviewsData
from hqlm.encoders import HashingEncoder, LinearFeatureEncoder, QuantumFeatureEncoder, SentenceTransformerEncoder
from hqlm.errors import ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.heads import KernelHead, RBFSVMHead
from hqlm.kernels import AmplitudeMap, QuantumKernel, UploadMap, ZZFeatureMap, alignment, best_temperature
from hqlm.models import TextModel

ADAM = functools.partial(torch.optim.Adam, lr=0.05)
ROWS = {"limit_train": 40, "limit_val": 24, "limit_test": 24, "batch_size": 16}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))


def fitted(tmp_path, epochs=2, data=None, **options):
    seed_everything(0, verbose=False)
    optimizer = options.pop("optimizer", torch.optim.AdamW)
    model = TextModel(HashingEncoder(dim=15), KernelHead(**options), optimizer=optimizer, schedule="constant")
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_epochs=epochs, enable_checkpointing=False, **quiet
    )
    trainer.fit(model, data or ReviewsData(**ROWS))
    return model.eval()


def rows(model):
    """Training embeddings, their labels, validation embeddings."""
    labels = np.array(model.trainer.datamodule.labels("train"))
    return model._embeddings["train"].numpy(), labels, model._embeddings["val"].numpy()


def probabilities(model, scores):
    table = torch.from_numpy(np.stack((-scores, scores), axis=1) / 2) / model.head.temperature
    return table.softmax(1).float()


def test_it_predicts_as_scikit_learn_does_with_the_same_gram_matrix(tmp_path):
    model = fitted(tmp_path, feature_map=AmplitudeMap(0.5), C=3.0)
    train, labels, val = rows(model)
    kernel = QuantumKernel(AmplitudeMap(0.5))
    known = SVC(C=3.0, kernel="precomputed").fit(kernel(train), labels)
    scores = known.decision_function(kernel(val, train))
    torch.testing.assert_close(model(model._embeddings["val"]).softmax(1), probabilities(model, scores))
    halves = torch.from_numpy(np.stack((-scores, scores), axis=1) / 2)
    temperature = best_temperature(halves, torch.tensor(model.trainer.datamodule.labels("val")))
    assert float(model.head.temperature) == pytest.approx(temperature, rel=1e-3)
    assert model.trainer.current_epoch == 1
    assert sum(model.parameter_counts().values()) == 0


def test_without_the_quantum_part_it_is_the_rbf_kernel_of_scikit_learn(tmp_path):
    model = fitted(tmp_path, ablate=["quantum"])
    train, labels, val = rows(model)
    known = SVC().fit(train, labels)
    torch.testing.assert_close(
        model(model._embeddings["val"]).softmax(1),
        probabilities(model, known.decision_function(val)),
        atol=1e-5,
        rtol=1e-5,
    )
    assert model.circuits() == {}
    assert KernelHead(C=2.0, ablate=("quantum",)).resolved == RBFSVMHead(2.0)


@pytest.mark.parametrize("kind", ["fidelity", "projected"])
def test_alignment_rises_and_trains_encoder_and_map(tmp_path, kind):
    options = {"feature_encoder": QuantumFeatureEncoder(4, offset=1.0), "feature_map": UploadMap(), "kind": kind}
    before = fitted(tmp_path, ablate=["alignment"], align=True, optimizer=ADAM, **options)
    after = fitted(tmp_path, epochs=8, align=True, optimizer=ADAM, **options)
    found = []
    for model in (before, after):
        train, labels, _ = rows(model)
        vectors = model.head.features(torch.from_numpy(train)).detach().numpy()
        found.append(float(alignment(torch.from_numpy(model.head.kernel(vectors)), labels)))
    assert found[1] > 4.0 * found[0] > 0.0
    assert after.circuits() == {
        "features.encoders.0": after.head.features.encoders[0].circuit,
        "feature_map": UploadMap().circuit(4),
    }
    drawn, trained = dict(before.named_parameters()), dict(after.named_parameters())
    assert all(not torch.equal(drawn[name], trained[name]) for name in drawn)
    assert before.parameter_counts()["quantum"] == 0
    assert after.parameter_counts() == {
        "body": 0,
        "lora": 0,
        "quantum": sum(each.numel() for each in trained.values()),
        "classical": 0,
    }


@pytest.mark.parametrize("options", [{}, {"kind": "projected", "gamma": 0.3}], ids=str)
def test_the_machine_is_that_of_the_trained_weights(tmp_path, options):
    parts = {"feature_encoder": LinearFeatureEncoder(3), "feature_map": UploadMap(), **options}
    model = fitted(tmp_path, align=True, optimizer=ADAM, **parts)
    train, labels, val = rows(model)
    with torch.no_grad():
        train, val = (model.head.features(torch.from_numpy(each)).double().numpy() for each in (train, val))
    kernel = QuantumKernel(UploadMap(), weights=tuple(model.head.weight.tolist()), **options)
    known = SVC(kernel="precomputed").fit(kernel(train), labels)
    expected = probabilities(model, known.decision_function(kernel(val, train)))
    torch.testing.assert_close(model(model._embeddings["val"]).softmax(1), expected)


@pytest.mark.parametrize(
    ("kind", "execution"),
    [
        ("fidelity", Execution(shots=64)),
        ("fidelity", Execution(shots=64, noise=Noise(two_qubit=0.05))),
        ("projected", Execution(shots=64)),
        ("projected", Execution(noise=Noise(two_qubit=0.05))),
    ],
)
def test_shots_and_noise_move_it_and_repeat_themselves(tmp_path, kind, execution):
    options = {"feature_encoder": LinearFeatureEncoder(2), "feature_map": ZZFeatureMap(1), "kind": kind}
    exact, model = (fitted(tmp_path, **options, execution=each) for each in (Execution(), execution))
    found = model(model._embeddings["val"])
    assert torch.equal(model(model._embeddings["val"]), found)
    assert not torch.allclose(exact(exact._embeddings["val"]), found, atol=1e-4)


def test_what_is_measured_has_the_seed_of_the_execution_or_of_torch():
    torch.manual_seed(5)
    assert built().kernel.execution.seed == 5
    assert built(execution=Execution(seed=7)).kernel.execution.seed == 7


def test_shots_align_a_projected_kernel_and_no_fidelity(tmp_path):
    options = {"feature_encoder": LinearFeatureEncoder(2), "feature_map": UploadMap(), "optimizer": ADAM, "align": True}
    measured = Execution(shots=32)
    fitted(tmp_path, epochs=1, kind="projected", execution=measured, **options)
    with pytest.raises(UnsupportedExecution, match=r"exact gradient of its states.*kind=projected"):
        fitted(tmp_path, epochs=1, execution=measured, **options)


@pytest.mark.parametrize("feature_map", [AmplitudeMap(), ZZFeatureMap(1)], ids=lambda each: type(each).__name__)
def test_a_feature_encoder_is_aligned_under_a_map_without_weights(tmp_path, feature_map):
    options = {"feature_encoder": LinearFeatureEncoder(2), "feature_map": feature_map, "optimizer": ADAM, "align": True}
    model = fitted(tmp_path, epochs=1, **options)
    assert model.parameter_counts() == {"body": 0, "lora": 0, "quantum": 0, "classical": 32}
    before = fitted(tmp_path, **options, ablate=["alignment"])
    trained = dict(model.head.features.named_parameters())
    assert all(not torch.equal(value, trained[name]) for name, value in before.head.features.named_parameters())


ALIGNED = {"feature_encoder": LinearFeatureEncoder(2), "feature_map": UploadMap(), "optimizer": ADAM, "align": True}


def test_a_last_batch_of_one_row_spoils_nothing(tmp_path):
    data = ReviewsData(**{**ROWS, "limit_train": 17})  # the last batch of an epoch has one row
    assert fitted(tmp_path, 1, data, **ALIGNED).head.weight.isfinite().all()
    with pytest.raises(ConfigError, match=r"data\.batch_size to 2 or more"):
        fitted(tmp_path, 1, ReviewsData(**{**ROWS, "batch_size": 1}), **ALIGNED)


MAP = UploadMap(InterleavedUpload(n_uploads=2), RingAnsatz(2, ry_column=False))
WHOLE = {
    "feature_encoder": QuantumFeatureEncoder(4, offset=1.0),
    "feature_map": MAP,
    "align": True,
}


def built(**options):
    return KernelHead(**{**WHOLE, **options}).build(15, 2)


def gates(module):
    return module.circuit.counts()


def test_words_remove_what_they_name():
    whole = built()
    assert whole.is_trained
    assert not built(feature_map=AmplitudeMap(), ablate=["feature_encoder"]).is_trained
    assert not built(ablate=["alignment"]).is_trained
    assert sum(each.requires_grad for each in built(ablate=["feature_encoder"]).features.parameters()) == 0
    assert "CNOT" not in gates(built(ablate=["entanglement"]))
    assert gates(built(ablate=["long_range"]))["CNOT"] == gates(whole)["CNOT"] / 2
    assert gates(built(ablate=["reuploading"]))["RY"] == gates(whole)["RY"] - 4
    assert built(ablate=["offset"]).features.amplitudes.offset == 0.0
    plain = built(feature_encoder=None, feature_map=AmplitudeMap(1.0), align=False, ablate=["offset"])
    assert plain.recipe.feature_map.offset == 0.0
    pairs = {"feature_encoder": LinearFeatureEncoder(4), "feature_map": ZZFeatureMap(1), "align": False}
    counts = [gates(built(**pairs, ablate=words)).get("CNOT", 0) for words in ([], ["long_range"], ["entanglement"])]
    assert counts == [12, 6, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ablate": ["main_circuit"]}, "'main_circuit' changes nothing"),
        ({"ablate": ["quantum", "alignment"]}, "'alignment' changes nothing"),
        ({"align": False, "ablate": ["alignment"]}, "'alignment' changes nothing"),
        ({"feature_encoder": None, "feature_map": AmplitudeMap()}, "neither AmplitudeMap nor what is before it has"),
        (
            {"feature_encoder": None, "feature_map": AmplitudeMap(), "ablate": ["offset"]},
            "neither AmplitudeMap nor what is before it has",
        ),
        ({"feature_encoder": QuantumFeatureEncoder(4, n_encoders=2)}, "2 groups.*merge=concat"),
        ({"feature_encoder": None, "dim": 384}, "one qubit for each of the 384 values.*LinearFeatureEncoder"),
        ({"C": 0.0}, "C must be a number above 0"),
        ({"gamma": float("nan")}, r"head\.gamma must be a number above 0"),
    ],
)
def test_mistakes_are_told(options, message):
    given = {**WHOLE, **options}
    dim = given.pop("dim", 15)
    with pytest.raises(ConfigError, match=message):
        KernelHead(**given).build(dim, 2)


def test_what_backend_and_map_cannot_do_is_refused(tmp_path):
    with pytest.raises(UnsupportedExecution, match="50 qubits"):
        built(feature_encoder=LinearFeatureEncoder(50))
    with pytest.raises(UnsupportedExecution, match="no circuit can undo"):
        fitted(tmp_path, execution=Execution(shots=10))
    with pytest.raises(UnsupportedExecution, match=r"Set execution\.shots, or kind=projected"):
        fitted(tmp_path, execution=Execution(noise=Noise(one_qubit=0.1)))
    classes = {"class_names": ["a", "b"], "embedding_dim": 15}
    alone = TextModel(HashingEncoder(dim=15), KernelHead(**{**WHOLE, "align": False}), **classes)
    alone.configure_model()
    alone.trainer = SimpleNamespace(world_size=2, callbacks=[])
    with pytest.raises(ConfigError, match=r"trainer\.devices=1"):
        alone.initialize()
    with pytest.raises(ConfigError, match="was not fitted yet"):
        alone.predict(["a film"])
    trained = TextModel(SentenceTransformerEncoder(stage="end_to_end"), KernelHead(**WHOLE), **classes)
    trained.head = built()
    trained.trainer = SimpleNamespace(world_size=1, callbacks=[])
    with pytest.raises(ConfigError, match="stage=frozen or contrastive"):
        trained.initialize()
    assert StatevectorBackend() == built().kernel.backend
