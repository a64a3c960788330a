"""The estimator keeps scikit-learn's contract, and its head is the framework's."""

import copy
import importlib.util
import pickle
import sys

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import DataLoader

import hqlm
from hqlm.algorithms.kernel_classifier import QuantumKernelClassifier
from hqlm.circuits import RingAnsatz
from hqlm.encoders import LinearFeatureEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError, MissingDependency, TrainingError
from hqlm.estimator import QuantumHeadClassifier
from hqlm.execution import Execution
from hqlm.models import HybridClassifier

IRIS = load_iris(return_X_y=True)
SMALL = {"feature_encoder": {"n_layers": 2}, "max_epochs": 2, "random_state": 0}

_WHY = {
    "check_sample_weight_equivalence_on_dense_data": (
        "steps are taken on shuffled batches of rows: a row of weight 2 stands in one batch, a repeated one in two"
    ),
}


@pytest.mark.slow
@parametrize_with_checks([QuantumHeadClassifier()], expected_failed_checks=lambda estimator: _WHY)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_several_classes_named_by_strings():
    X, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = QuantumHeadClassifier(random_state=0, max_epochs=10).fit(StandardScaler().fit_transform(X), names)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert model.score(StandardScaler().fit_transform(X), names) > 0.9
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert len(model.loss_curve_) == 10


def test_a_grid_search_over_nested_options_in_a_pipeline():
    grid = {
        "quantumheadclassifier__feature_encoder__n_layers": [1, 2],
        "quantumheadclassifier__feature_encoder__ansatz": [RingAnsatz(), RingAnsatz(connectivity=2)],
        "quantumheadclassifier__learning_rate": [0.05],
    }
    estimator = QuantumHeadClassifier(max_epochs=3, random_state=0)
    search = GridSearchCV(make_pipeline(StandardScaler(), estimator), grid, cv=2, error_score="raise").fit(*IRIS)
    best = search.best_estimator_["quantumheadclassifier"]
    assert best.get_params()["feature_encoder"] == {
        "n_layers": search.best_params_["quantumheadclassifier__feature_encoder__n_layers"],
        "ansatz": search.best_params_["quantumheadclassifier__feature_encoder__ansatz"],
    }
    assert estimator.feature_encoder is None
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert (cross_val_score(search.best_estimator_, *IRIS, cv=2) > 0.5).all()


def test_options_of_recipes_are_parameters():
    recipe = QuantumFeatureEncoder(n_qubits=4, ansatz=RingAnsatz(connectivity=2))
    estimator = QuantumHeadClassifier(feature_encoder=recipe, execution={"shots": 50})
    params = estimator.get_params()
    assert params["feature_encoder__ansatz__connectivity"] == 2
    assert params["execution__shots"] == 50
    assert "feature_encoder__n_qubits" not in estimator.get_params(deep=False)
    estimator.set_params(feature_encoder__ansatz__connectivity=3, feature_encoder__offset=1.0, execution__seed=1)
    assert estimator.feature_encoder == QuantumFeatureEncoder(4, offset=1.0, ansatz=RingAnsatz(connectivity=3))
    assert recipe.ansatz.connectivity == 2
    assert estimator.execution == {"shots": 50, "seed": 1}
    estimator.set_params(feature_encoder=LinearFeatureEncoder(), feature_encoder__n_qubits=5)
    assert estimator.feature_encoder == LinearFeatureEncoder(5)
    assert clone(estimator).get_params() == estimator.get_params()


def test_options_that_need_each_other_are_set_at_once():
    estimator = QuantumHeadClassifier()
    estimator.set_params(feature_encoder__offset=0.0, feature_encoder__norm="row")
    assert estimator.feature_encoder == {"offset": 0.0, "norm": "row"}
    with pytest.raises(ConfigError, match=r"norm=data"):
        QuantumHeadClassifier().set_params(feature_encoder__offset=0.0)


@pytest.mark.parametrize("n_qubits", [3, 4])
def test_default_circuits_fit_any_number_of_qubits(n_qubits):
    for encoder in ({"n_qubits": n_qubits}, LinearFeatureEncoder(n_qubits), {"n_qubits": n_qubits, "n_encoders": 2}):
        model = QuantumHeadClassifier(encoder, {"n_blocks": 2}, max_epochs=1).fit(*IRIS).model_
        assert model.quantum.circuit.n_qubits == n_qubits
        assert model.composition.ansatz.connectivity == n_qubits - 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rat": 1.0}, "Did you mean 'learning_rate'"),
        ({"feature_encoder__n_qbits": 4}, "Did you mean 'n_qubits'"),
        ({"optimizer__lr": 4}, "no recipe 'optimizer'"),
        ({"feature_encoder__n_qubits__x": 4}, "no option 'x'"),
    ],
)
def test_names_that_are_no_parameters(params, message):
    with pytest.raises(ConfigError, match=message):
        QuantumHeadClassifier().set_params(**params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 0}, "max_epochs must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": "x"}, "learning_rate must be a number, given 'x'"),
        ({"weight_decay": None}, "weight_decay must be a number, given None"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number, given 2\.5"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"schedule": None}, "Known: constant, cosine, linear_warmup, one_cycle"),
        ({"feature_encoder": 4}, "feature_encoder must be an instance of FeatureEncoder"),
        (
            {"ansatz": "RingAnsatz"},
            r"must be an instance of Ansatz, such as RingAnsatz\(\), a dict .*'RingAnsatz'",
        ),
        ({"feature_encoder": {"n_qubits": 2, "pad": "zeros"}}, "hold 4"),
        ({"readout": 9}, "qubits to read"),
        ({"readout": 1.5}, "readout must be a whole number, 'all' or 'auto', given 1.5"),
        ({"ablate": "entanglement"}, "ablate must be a tuple"),
        ({"batch_size": 10**20}, "batch_size must be 1 or more and below"),
        ({"feature_encoder": {"offset": np.nan}}, "feature_encoder.offset must be 0 or more"),
        ({"feature_encoder": {"norm": "x"}}, "feature_encoder.norm must be row or data, given 'x'"),
        ({"feature_encoder": {5: 1}}, "has no option '5'"),
    ],
)
def test_values_that_cannot_be(params, message):
    with pytest.raises(ValueError, match=message):
        QuantumHeadClassifier(**{**SMALL, **params}).fit(*IRIS)


def test_one_class_is_named_as_it_was_given():
    with pytest.raises(ConfigError, match="y has 1 class, 'a'; a"):
        QuantumHeadClassifier(**SMALL).fit(IRIS[0], np.full(len(IRIS[0]), "a"))


def test_a_loss_that_is_not_finite_stops_the_fit():
    with pytest.raises(TrainingError, match="Lower learning_rate"):
        QuantumHeadClassifier(**SMALL | {"learning_rate": 1e30, "schedule": "constant", "skip": False}).fit(*IRIS)


def test_weights_that_are_not_finite_after_the_last_step_are_refused():
    settings = SMALL | {"learning_rate": 1e30, "weight_decay": 1e9, "max_epochs": 1, "batch_size": 1000}
    with pytest.raises(TrainingError, match=r"a weight is not finite after epoch 0\. Lower learning_rate"):
        QuantumHeadClassifier(**settings).fit(*IRIS)


def test_no_class_is_predicted_from_probabilities_that_are_not_finite():
    model = QuantumHeadClassifier(**SMALL).fit(*IRIS)
    with torch.no_grad():
        model.model_.head.weight.fill_(torch.nan)
    for predicted in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(TrainingError, match=r"no finite logits for row 0.*lower learning_rate"):
            predicted(IRIS[0])


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode], ids=lambda each: each.__name__)
def test_a_fit_trains_where_gradients_are_switched_off(surroundings):
    expected = QuantumHeadClassifier(**SMALL).fit(*IRIS)
    with surroundings():
        model = QuantumHeadClassifier(**SMALL).fit(*IRIS)
        assert np.array_equal(model.predict_proba(IRIS[0]), expected.predict_proba(IRIS[0]))
    assert model.loss_curve_ == expected.loss_curve_
    assert torch.is_grad_enabled()


N = len(IRIS[1])
ESTIMATORS = {"head": lambda: QuantumHeadClassifier(**SMALL), "kernel": QuantumKernelClassifier}
NOT_ROWS = {
    "NaN": (np.where(IRIS[0] > 5.0, np.nan, IRIS[0]), "NaN"),
    "infinite": (np.where(IRIS[0] > 5.0, np.inf, IRIS[0]), "infinity"),
    "beyond float32": (IRIS[0] * 1e300, "infinity or a value too large"),
    "words": (np.full((N, 4), "a"), "could not convert string to float"),
    "one dimension": (IRIS[0][:, 0], "Expected 2D array"),
    "three dimensions": (IRIS[0][None], "dim 3"),
    "no rows": (IRIS[0][:0], "0 sample"),
    "no values": (IRIS[0][:, :0], "0 feature"),
    "nothing": (None, "Expected 2D array"),
    "fewer rows": (IRIS[0][:5], "inconsistent numbers of samples"),
    "complex": (IRIS[0] + 1j, "Complex data not supported"),
}
NOT_LABELS = {
    "NaN": (np.where(IRIS[1] > 1, np.nan, IRIS[1]), "NaN"),
    "numbers in between": (IRIS[1] + 0.5, "Unknown label type: continuous"),
    "one class": (IRIS[1] * 0, "y has 1 class, '0'"),
    "two columns": (np.stack([IRIS[1]] * 2, 1), "1d array"),
    "no rows": (IRIS[1][:0], "inconsistent numbers of samples"),
    "nothing": (None, "requires y to be passed"),
    "missing words": (np.array(["a", None] * (N // 2), dtype=object), "several types|NaN|label"),
}
NOT_WEIGHTS = {
    "NaN": (np.full(N, np.nan), "NaN"),
    "negative": (np.full(N, -1.0), "Negative values"),
    "infinite": (np.full(N, np.inf), "infinity"),
    "words": (["a"] * N, "could not convert string to float"),
    "fewer": (np.ones(3), r"shape == \(3,\), expected"),
    "two columns": (np.ones((N, 2)), "1D array"),
    "zero": (np.zeros(N), "non-zero"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of what is refused a line later
@pytest.mark.parametrize(("rows", "message"), NOT_ROWS.values(), ids=NOT_ROWS)
@pytest.mark.parametrize(
    "make", [lambda: QuantumHeadClassifier(**SMALL), QuantumKernelClassifier], ids=["head", "kernel"]
)
def test_rows_that_no_estimator_takes(make, rows, message):
    if make is QuantumKernelClassifier and "too large" in message:
        message = "norm"  # float64 holds the values, and not their squares
    with pytest.raises(ValueError, match=message):
        make().fit(rows, IRIS[1])
    model = make().fit(*IRIS)
    if rows is not None and "inconsistent" not in message:
        with pytest.raises(ValueError, match="norm" if "too large" in message else message):
            model.predict(rows)


@pytest.mark.parametrize(("labels", "message"), NOT_LABELS.values(), ids=NOT_LABELS)
@pytest.mark.parametrize(
    "make", [lambda: QuantumHeadClassifier(**SMALL), QuantumKernelClassifier], ids=["head", "kernel"]
)
def test_labels_that_no_estimator_takes(make, labels, message):
    with pytest.raises(ValueError, match=message):
        make().fit(IRIS[0], labels)


@pytest.mark.parametrize(("weights", "message"), NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_weights_of_rows_that_cannot_be(weights, message):
    with pytest.raises(ValueError, match=message):
        QuantumHeadClassifier(**SMALL).fit(*IRIS, sample_weight=weights)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("make", [QuantumHeadClassifier, QuantumKernelClassifier], ids=["head", "kernel"])
def test_weights_of_classes_that_cannot_be(make, weight):
    with pytest.raises(ConfigError, match="class_weight must be finite numbers of 0 or more"):
        make(class_weight={1: weight}).fit(*IRIS)


def test_prediction_before_a_fit():
    with pytest.raises(NotFittedError):
        QuantumHeadClassifier().predict(IRIS[0])


def test_equal_seeds_mean_equal_models_and_the_generator_of_torch_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (
        QuantumHeadClassifier(**SMALL | {"random_state": seed}).fit(*IRIS).predict_proba(IRIS[0]) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fitted_model_pickles_and_copies():
    model = QuantumHeadClassifier(**SMALL).fit(*IRIS)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(twin.predict_proba(IRIS[0]), model.predict_proba(IRIS[0]))


def test_rows_without_weight_are_as_good_as_absent():
    X, y = IRIS
    weights = (np.arange(len(y)) % 3 > 0).astype(float)
    weighted = QuantumHeadClassifier(**SMALL).fit(X, y, sample_weight=weights)
    reduced = QuantumHeadClassifier(**SMALL).fit(X[weights > 0], y[weights > 0])
    assert np.array_equal(weighted.predict_proba(X), reduced.predict_proba(X))
    with pytest.raises(ValueError, match="weight"):
        QuantumHeadClassifier(**SMALL).fit(X, y, sample_weight=np.zeros(len(y)))


def test_losses_are_those_of_scikit_learn():
    """Of a model that hardly moves: its weighted mean over all rows, however they fall into batches."""
    X, y = IRIS
    weights = np.linspace(0.0, 7.0, len(y))
    settings = SMALL | {"learning_rate": 1e-12, "batch_size": 64}
    model = QuantumHeadClassifier(**settings).fit(X, y, sample_weight=weights)
    expected = log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert model.loss_curve_ == pytest.approx([expected, expected], rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decisions_probabilities_and_labels_agree(n_classes):
    X, y = (rows[IRIS[1] < n_classes] for rows in IRIS)
    model = QuantumHeadClassifier(**SMALL).fit(X, y + 5)
    decisions, table = model.decision_function(X), model.predict_proba(X)
    logits = np.stack((np.zeros_like(decisions), decisions), axis=1) if n_classes == 2 else decisions
    np.testing.assert_allclose(table, softmax(logits, axis=1))
    assert np.array_equal(model.predict(X), table.argmax(1) + 5)


def test_every_row_is_taken_once_an_epoch_in_another_order_each_time(monkeypatch):
    seen, forward = [], HybridClassifier.forward
    monkeypatch.setattr(HybridClassifier, "forward", lambda self, rows: seen.append(rows) or forward(self, rows))
    rows = np.arange(40.0)[:, None]
    QuantumHeadClassifier(**SMALL, batch_size=16).fit(rows, np.arange(40) % 2)
    first, second = torch.cat(seen).view(2, 40).tolist()
    assert sorted(first) == sorted(second) == rows[:, 0].tolist()
    assert rows[:, 0].tolist() != first != second


def test_what_is_left_out_of_the_head_is_left_out():
    whole = QuantumHeadClassifier(**SMALL, readout=2).fit(*IRIS).model_
    assert whole.head.in_features == 2 + 5  # qubits read, and features
    head = QuantumHeadClassifier(**SMALL, skip=False, ablate=("entanglement",), readout=2).fit(*IRIS).model_
    assert head.head.in_features == 2
    assert not {"CNOT", "CZ"} & head.quantum.circuit.gate_names


def test_balanced_classes_lift_the_rare_one():
    X, y = make_classification(400, 8, weights=[0.95], class_sep=0.5, random_state=0)
    plain, balanced = (
        QuantumHeadClassifier(**SMALL | {"class_weight": weight}).fit(X, y).predict(X).mean()
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.1


def test_shots_of_a_prediction_repeat_themselves():
    X, y = IRIS
    exact = QuantumHeadClassifier(**SMALL, skip=False).fit(X, y)
    shots = clone(exact).set_params(execution=Execution(shots=20, gradient="surrogate")).fit(X, y)
    first = shots.predict_proba(X)
    assert np.array_equal(first, shots.predict_proba(X))
    assert not np.allclose(first, exact.predict_proba(X))


def test_a_progress_bar_when_asked(capfd):
    QuantumHeadClassifier(**SMALL).fit(*IRIS)
    assert capfd.readouterr() == ("", "")
    QuantumHeadClassifier(**SMALL, verbose=True).fit(*IRIS)
    assert "epochs" in capfd.readouterr().err


class _FixedRows(torch.utils.data.Dataset):
    """All rows as one batch, as the LightningModule takes them."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __len__(self):
        return 1

    def __getitem__(self, place):
        return torch.arange(len(self.numbers)), [], self.numbers


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_it_trains_as_the_lightning_module_does(tmp_path):
    """With all rows in one batch there is no order left, and both come to the same weights."""
    X, y = IRIS
    settings = SMALL | {"batch_size": len(y), "max_epochs": 5}
    model = QuantumHeadClassifier(**settings).fit(X, y)
    untrained = QuantumHeadClassifier(**settings)
    untrained.classes_, untrained.n_features_in_ = model.classes_, 4
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(int(np.random.RandomState(0).randint(2**31 - 1)))
        module = untrained._model()
    rows = torch.tensor(X, dtype=torch.float32)
    module.setup = lambda stage: module._embeddings.update(train=rows)
    module._optimizer = lambda groups: torch.optim.AdamW(groups, lr=0.02)
    trainer = Trainer(
        max_epochs=5, limit_val_batches=0, accelerator="cpu", default_root_dir=tmp_path, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(_FixedRows(torch.tensor(y)), batch_size=None))
    expected = dict(module.named_parameters())
    assert set(expected) == {name for name, _ in model.model_.named_parameters()}
    for name, value in model.model_.named_parameters():
        torch.testing.assert_close(value.float(), expected[name], rtol=1e-4, atol=1e-5)


def test_it_is_a_public_name_that_says_what_it_lacks(monkeypatch):
    assert hqlm.QuantumHeadClassifier is QuantumHeadClassifier
    spec = importlib.util.spec_from_file_location("estimator_again", hqlm.estimator.__file__)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(MissingDependency, match=r"pip install 'hqlm\[study\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
