"""The estimator keeps scikit-learn's contract, and its head is the framework's."""

import copy
import pickle

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import DataLoader

import hqlm
from hqlm.circuits import RingAnsatz
from hqlm.encoders import HashingEncoder, LinearFeatureEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError, DataError, TrainingError
from hqlm.estimator import HeadClassifier
from hqlm.execution import Execution
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
from hqlm.heads.quantum import _QuantumModule
from hqlm.kernels import AmplitudeMap, QuantumKernel, UploadMap, ZZFeatureMap, best_temperature
from hqlm.models import TextModel
from tests.registries import shipped

IRIS = load_iris(return_X_y=True)
HEAD = {"feature_encoder": {"n_layers": 2}}
SMALL = {"head": HEAD, "max_epochs": 2, "random_state": 0}

_EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"
_BATCHES = "steps are taken on shuffled batches of rows: a row of weight 2 stands in one batch, a repeated one in two"
_ONE_ROW = "a class of the check has one row, on which no probabilities can be calibrated"
_WHY = {
    "NoneType": {_EQUIVALENCE: _BATCHES},
    "LinearHead": {
        _EQUIVALENCE: _BATCHES,
        "check_class_weight_classifiers": "20 epochs of small steps do not carry a linear layer to one class alone",
    },
    "KernelHead": {_EQUIVALENCE: _ONE_ROW},
    "LogisticRegressionHead": {_EQUIVALENCE: _ONE_ROW},
    "RBFSVMHead": {_EQUIVALENCE: _ONE_ROW},
}


@pytest.mark.slow
# the check of array interfaces beside NumPy skips itself unless SciPy was told to accept them
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [HeadClassifier(), HeadClassifier(LinearHead()), HeadClassifier(KernelHead()), HeadClassifier(RBFSVMHead(1.0)),
     HeadClassifier(LogisticRegressionHead(1.0))],
    expected_failed_checks=lambda estimator: _WHY.get(type(estimator.head).__name__, {}),
)  # fmt: skip
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_several_classes_named_by_strings():
    X, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = HeadClassifier(random_state=0, max_epochs=10).fit(StandardScaler().fit_transform(X), names)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert model.score(StandardScaler().fit_transform(X), names) > 0.9
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert len(model.loss_curve_) == 10


def test_a_grid_search_over_nested_options_in_a_pipeline():
    grid = {
        "headclassifier__head__feature_encoder__n_layers": [1, 2],
        "headclassifier__head__feature_encoder__ansatz": [RingAnsatz(), RingAnsatz(connectivity=2)],
        "headclassifier__learning_rate": [0.05],
    }
    estimator = HeadClassifier(max_epochs=3, random_state=0)
    search = GridSearchCV(make_pipeline(StandardScaler(), estimator), grid, cv=2, error_score="raise").fit(*IRIS)
    best = search.best_estimator_["headclassifier"]
    assert best.get_params()["head"]["feature_encoder"] == {
        "n_layers": search.best_params_["headclassifier__head__feature_encoder__n_layers"],
        "ansatz": search.best_params_["headclassifier__head__feature_encoder__ansatz"],
    }
    assert estimator.head is None
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert (cross_val_score(search.best_estimator_, *IRIS, cv=2) > 0.5).all()


def test_options_of_recipes_are_parameters():
    recipe = QuantumHead(QuantumFeatureEncoder(n_qubits=4, ansatz=RingAnsatz(connectivity=2)))
    estimator = HeadClassifier(recipe)
    params = estimator.get_params()
    assert params["head__feature_encoder__ansatz__connectivity"] == 2
    assert params["head__execution__shots"] is None
    assert "head__readout" not in estimator.get_params(deep=False)
    estimator.set_params(head__feature_encoder__ansatz__connectivity=3, head__feature_encoder__offset=1.0)
    assert estimator.head.feature_encoder == QuantumFeatureEncoder(4, offset=1.0, ansatz=RingAnsatz(connectivity=3))
    assert recipe.feature_encoder.ansatz.connectivity == 2
    estimator.set_params(head__feature_encoder=LinearFeatureEncoder(), head__feature_encoder__n_qubits=5)
    assert estimator.head.feature_encoder == LinearFeatureEncoder(5)
    assert estimator.set_params(head__reuploading=None).head.reuploading is None
    assert estimator.set_params(head=LinearHead(), head__rank=3).head == LinearHead(3)
    assert clone(estimator).get_params() == estimator.get_params()


def test_options_of_the_default_head_are_kept_as_such():
    estimator = HeadClassifier({"execution": {"shots": 50}})
    assert estimator.get_params()["head__execution__shots"] == 50
    estimator.set_params(head__execution__seed=1, head__readout=2, head__feature_encoder__ansatz__connectivity=2)
    assert estimator.head == {
        "execution": {"shots": 50, "seed": 1},
        "readout": 2,
        "feature_encoder": {"ansatz": {"connectivity": 2}},
    }
    assert clone(estimator).get_params() == estimator.get_params()


def test_options_that_need_each_other_are_set_at_once():
    estimator = HeadClassifier()
    estimator.set_params(head__feature_encoder__offset=0.0, head__feature_encoder__norm="row")
    assert estimator.head == {"feature_encoder": {"offset": 0.0, "norm": "row"}}
    with pytest.raises(ConfigError, match=r"norm=data"):
        HeadClassifier().set_params(head__feature_encoder__offset=0.0)


@pytest.mark.parametrize("n_qubits", [3, 4])
def test_default_circuits_fit_any_number_of_qubits(n_qubits):
    for encoder in ({"n_qubits": n_qubits}, LinearFeatureEncoder(n_qubits), {"n_qubits": n_qubits, "n_encoders": 2}):
        options = {"feature_encoder": encoder, "reuploading": {"n_blocks": 2}}
        module = HeadClassifier(options, max_epochs=1).fit(*IRIS).head_
        assert module.quantum.circuit.n_qubits == n_qubits
        assert module.recipe.ansatz.connectivity == n_qubits - 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rat": 1.0}, "Did you mean 'learning_rate'"),
        ({"head__feature_encoder__n_qbits": 4}, "Did you mean 'n_qubits'"),
        ({"head__featur_encoder__n_qubits": 4}, "QuantumHead has no option 'featur_encoder'"),
        ({"optimizer__lr": 4}, "no recipe 'optimizer'"),
        ({"head__feature_encoder__n_qubits__x": 4}, "no option 'x'"),
    ],
)
def test_names_that_are_no_parameters(params, message):
    with pytest.raises(ConfigError, match=message):
        HeadClassifier().set_params(**params)


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
        ({"head": {"feature_encoder": 4}}, "feature_encoder must be an instance of FeatureEncoder"),
        ({"head": "LinearHead"}, r"head must be an instance of Head, such as QuantumHead\(\)"),
        ({"head": {"backend": None}}, "backend must be an instance of QuantumBackend"),
        (
            {"head": {"ansatz": "RingAnsatz"}},
            r"must be an instance of Ansatz, such as RingAnsatz\(\), or a dict .*'RingAnsatz'",
        ),
        ({"head": {"feature_encoder": {"n_qubits": 2, "pad": "zeros"}}}, "gives 4 amplitudes"),
        ({"head": {"readout": 9}}, "the second module has only"),
        ({"head": {"readout": 1.5}}, "readout must be a whole number, 'all' or 'auto', given 1.5"),
        ({"head": {"ablate": "entanglement"}}, "ablate must be a tuple"),
        ({"batch_size": 10**20}, "batch_size must be 1 or more and below"),
        ({"head": {"feature_encoder": {"offset": np.nan}}}, "feature_encoder.offset must be 0 or more"),
        ({"head": {"feature_encoder": {"norm": "x"}}}, "feature_encoder.norm must be row or data, given 'x'"),
        ({"head": {"feature_encoder": {5: 1}}}, "has no option '5'"),
    ],
)
def test_values_that_cannot_be(params, message):
    with pytest.raises(ValueError, match=message):
        HeadClassifier(**{**SMALL, **params}).fit(*IRIS)


def test_one_class_is_named_as_it_was_given():
    with pytest.raises(ConfigError, match="y has 1 class, 'a'; a"):
        HeadClassifier(**SMALL).fit(IRIS[0], np.full(len(IRIS[0]), "a"))


def test_a_loss_that_is_not_finite_stops_the_fit():
    with pytest.raises(TrainingError, match="Lower learning_rate"):
        HeadClassifier(**SMALL | {"learning_rate": 1e30, "schedule": "constant", "head": {**HEAD, "skip": False}}).fit(
            *IRIS
        )


def test_weights_that_are_not_finite_after_the_last_step_are_refused():
    settings = SMALL | {"learning_rate": 1e30, "weight_decay": 1e9, "max_epochs": 1, "batch_size": 1000}
    with pytest.raises(TrainingError, match=r"a weight is not finite after epoch 0\. Lower learning_rate"):
        HeadClassifier(**settings).fit(*IRIS)


def test_no_class_is_predicted_from_probabilities_that_are_not_finite():
    model = HeadClassifier(**SMALL).fit(*IRIS)
    with torch.no_grad():
        model.head_.linear.weight.fill_(torch.nan)
    for predicted in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(TrainingError, match=r"no finite logits for row 0.*lower learning_rate"):
            predicted(IRIS[0])


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode], ids=lambda each: each.__name__)
def test_a_fit_trains_where_gradients_are_switched_off(surroundings):
    expected = HeadClassifier(**SMALL).fit(*IRIS)
    with surroundings():
        model = HeadClassifier(**SMALL).fit(*IRIS)
        assert np.array_equal(model.predict_proba(IRIS[0]), expected.predict_proba(IRIS[0]))
    assert model.loss_curve_ == expected.loss_curve_
    assert torch.is_grad_enabled()


N = len(IRIS[1])


def kernel_estimator(**options):
    return HeadClassifier(KernelHead(), **options)


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
@pytest.mark.parametrize("make", [lambda: HeadClassifier(**SMALL), kernel_estimator], ids=["head", "kernel"])
def test_rows_that_no_estimator_takes(make, rows, message):
    if make is kernel_estimator and "too large" in message:
        message = "norm"  # float64 holds the values, and not their squares
    with pytest.raises(ValueError, match=message):
        make().fit(rows, IRIS[1])
    model = make().fit(*IRIS)
    if rows is not None and "inconsistent" not in message:
        with pytest.raises(ValueError, match="norm" if "too large" in message else message):
            model.predict(rows)


@pytest.mark.parametrize(("labels", "message"), NOT_LABELS.values(), ids=NOT_LABELS)
@pytest.mark.parametrize("make", [lambda: HeadClassifier(**SMALL), kernel_estimator], ids=["head", "kernel"])
def test_labels_that_no_estimator_takes(make, labels, message):
    with pytest.raises(ValueError, match=message):
        make().fit(IRIS[0], labels)


@pytest.mark.parametrize(("weights", "message"), NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_weights_of_rows_that_cannot_be(weights, message):
    with pytest.raises(ValueError, match=message):
        HeadClassifier(**SMALL).fit(*IRIS, sample_weight=weights)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("make", [HeadClassifier, kernel_estimator], ids=["head", "kernel"])
def test_weights_of_classes_that_cannot_be(make, weight):
    with pytest.raises(ConfigError, match="class_weight must be finite numbers of 0 or more"):
        make(class_weight={1: weight}).fit(*IRIS)


def test_prediction_before_a_fit():
    with pytest.raises(NotFittedError):
        HeadClassifier().predict(IRIS[0])


def test_equal_seeds_mean_equal_models_and_the_generator_of_torch_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (
        HeadClassifier(**SMALL | {"random_state": seed}).fit(*IRIS).predict_proba(IRIS[0]) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fitted_model_pickles_and_copies():
    model = HeadClassifier(**SMALL).fit(*IRIS)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(twin.predict_proba(IRIS[0]), model.predict_proba(IRIS[0]))


def test_rows_without_weight_are_as_good_as_absent():
    X, y = IRIS
    weights = (np.arange(len(y)) % 3 > 0).astype(float)
    weighted = HeadClassifier(**SMALL).fit(X, y, sample_weight=weights)
    reduced = HeadClassifier(**SMALL).fit(X[weights > 0], y[weights > 0])
    assert np.array_equal(weighted.predict_proba(X), reduced.predict_proba(X))
    with pytest.raises(ValueError, match="weight"):
        HeadClassifier(**SMALL).fit(X, y, sample_weight=np.zeros(len(y)))


def test_losses_are_those_of_scikit_learn():
    """Of a model that hardly moves: its weighted mean over all rows, however they fall into batches."""
    X, y = IRIS
    weights = np.linspace(0.0, 7.0, len(y))
    settings = SMALL | {"learning_rate": 1e-12, "batch_size": 64}
    model = HeadClassifier(**settings).fit(X, y, sample_weight=weights)
    expected = log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert model.loss_curve_ == pytest.approx([expected, expected], rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decisions_probabilities_and_labels_agree(n_classes):
    X, y = (rows[IRIS[1] < n_classes] for rows in IRIS)
    model = HeadClassifier(**SMALL).fit(X, y + 5)
    decisions, table = model.decision_function(X), model.predict_proba(X)
    logits = np.stack((np.zeros_like(decisions), decisions), axis=1) if n_classes == 2 else decisions
    np.testing.assert_allclose(table, softmax(logits, axis=1))
    assert np.array_equal(model.predict(X), table.argmax(1) + 5)


def test_every_row_is_taken_once_an_epoch_in_another_order_each_time(monkeypatch):
    seen, forward = [], _QuantumModule.forward
    monkeypatch.setattr(_QuantumModule, "forward", lambda self, rows: seen.append(rows) or forward(self, rows))
    rows = np.arange(40.0)[:, None]
    HeadClassifier(**SMALL, batch_size=16).fit(rows, np.arange(40) % 2)
    first, second = torch.cat(seen).view(2, 40).tolist()
    assert sorted(first) == sorted(second) == rows[:, 0].tolist()
    assert rows[:, 0].tolist() != first != second


def test_what_is_left_out_of_the_head_is_left_out():
    whole = HeadClassifier(**SMALL | {"head": {**HEAD, "readout": 2}}).fit(*IRIS).head_
    assert whole.linear.in_features == 2 + 5  # qubits read, and features
    options = {**HEAD, "skip": False, "ablate": ("entanglement",), "readout": 2}
    head = HeadClassifier(**SMALL | {"head": options}).fit(*IRIS).head_
    assert head.linear.in_features == 2
    assert not {"CNOT", "CZ"} & head.quantum.circuit.gate_names


def test_balanced_classes_lift_the_rare_one():
    X, y = make_classification(400, 8, weights=[0.95], class_sep=0.5, random_state=0)
    plain, balanced = (
        HeadClassifier(**SMALL | {"class_weight": weight}).fit(X, y).predict(X).mean() for weight in (None, "balanced")
    )
    assert balanced > plain + 0.1


def test_shots_of_a_prediction_repeat_themselves():
    X, y = IRIS
    exact = HeadClassifier(**SMALL | {"head": {**HEAD, "skip": False}}).fit(X, y)
    shots = clone(exact).set_params(head__execution=Execution(shots=20, gradient="surrogate")).fit(X, y)
    first = shots.predict_proba(X)
    assert np.array_equal(first, shots.predict_proba(X))
    assert not np.allclose(first, exact.predict_proba(X))


def test_a_progress_bar_when_asked(capfd):
    HeadClassifier(**SMALL).fit(*IRIS)
    assert capfd.readouterr() == ("", "")
    HeadClassifier(**SMALL, verbose=True).fit(*IRIS)
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
    model = HeadClassifier(**settings).fit(X, y)
    untrained = HeadClassifier(**settings)
    untrained.classes_, untrained.n_features_in_ = model.classes_, 4
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(int(np.random.RandomState(0).randint(2**31 - 1)))
        module = TextModel(HashingEncoder(), untrained._recipe(), class_names=["0", "1", "2"], embedding_dim=4)
        module.configure_model()
    rows = torch.tensor(X, dtype=torch.float32)
    module.setup = lambda stage: module._embeddings.update(train=rows) or module._targets.update(train=torch.tensor(y))
    module._optimizer = lambda groups: torch.optim.AdamW(groups, lr=0.02)
    trainer = Trainer(
        max_epochs=5, limit_val_batches=0, accelerator="cpu", default_root_dir=tmp_path, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(_FixedRows(torch.tensor(y)), batch_size=None))
    expected = dict(module.head.named_parameters())
    assert set(expected) == {name for name, _ in model.head_.named_parameters()}
    for name, value in model.head_.named_parameters():
        torch.testing.assert_close(value.float(), expected[name], rtol=1e-4, atol=1e-5)


def test_it_is_a_public_name():
    assert hqlm.HeadClassifier is HeadClassifier


OTHERS = {
    "LinearHead": LinearHead(),
    "MLPHead": MLPHead((16,)),
    "MatchedHead": MatchedHead(100),
    "KernelHead": KernelHead(feature_map=UploadMap(), align=True),
    "LogisticRegressionHead": LogisticRegressionHead(),
    "RBFSVMHead": RBFSVMHead(),
}


def test_every_registered_head_is_an_estimator_here():
    assert {"QuantumHead", *OTHERS} == shipped(HEADS)


@pytest.mark.parametrize("head", OTHERS.values(), ids=OTHERS)
def test_every_head_learns_and_pickles(head):
    X, y = StandardScaler().fit_transform(IRIS[0]), np.array(["a", "b", "c"])[IRIS[1]]
    model = HeadClassifier(head, max_epochs=10, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.8
    table = model.predict_proba(X)
    np.testing.assert_allclose(table.sum(1), 1.0)
    assert log_loss(y, table) < 0.6
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), table)
    assert (len(model.loss_curve_) == 10) == model.head_.is_trained


@pytest.mark.parametrize("head", [RBFSVMHead(2.0), KernelHead(C=2.0), LogisticRegressionHead(2.0)])
def test_solved_heads_weigh_rows_as_scikit_learn_does(head):
    X, y = (rows[IRIS[1] < 2] for rows in IRIS)
    weights = np.linspace(0.0, 7.0, len(y))
    kernel = QuantumKernel()
    known = {
        RBFSVMHead: SVC(C=2.0),
        KernelHead: SVC(C=2.0, kernel=kernel),
        LogisticRegressionHead: LogisticRegression(C=2.0, max_iter=5000),
    }[type(head)].fit(X[weights > 0], y[weights > 0], weights[weights > 0].astype(np.float32))
    model = HeadClassifier(head).fit(X, y, sample_weight=weights)
    scores = model.decision_function(X) * float(model.head_.temperature)
    np.testing.assert_allclose(scores, known.decision_function(X), atol=2e-3)


def test_a_loss_of_its_own_weighs_no_rows():
    model = HeadClassifier(KernelHead(feature_map=UploadMap(), align=True), class_weight={0: 2.0}, max_epochs=1)
    with pytest.raises(ConfigError, match="KernelHead has its own loss, which does not weight rows"):
        model.fit(*IRIS)


def test_a_grid_search_over_options_of_a_kernel():
    grid = {"head__gamma": [0.1, 10.0], "head__feature_map__n_layers": [1, 2], "head__C": [10.0]}
    head = KernelHead(feature_map=ZZFeatureMap(), kind="projected")
    search = GridSearchCV(HeadClassifier(head), grid, cv=2, error_score="raise").fit(*IRIS)
    best = search.best_estimator_.head
    assert best.gamma == search.best_params_["head__gamma"]
    assert best.feature_map == ZZFeatureMap(search.best_params_["head__feature_map__n_layers"])
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert head == KernelHead(feature_map=ZZFeatureMap(), kind="projected")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_a_kernel_are_calibrated_on_rows_it_was_not_solved_on(n_classes):
    points, labels = make_blobs(400, centers=n_classes, cluster_std=3.0, random_state=0)
    points = StandardScaler().fit_transform(points)
    model = HeadClassifier(KernelHead()).fit(points[:200], labels[:200])
    table = model.predict_proba(points[200:])
    assert np.array_equal(table.argmax(1), model.predict(points[200:]))
    scores = model.head_.scores(torch.from_numpy(points[200:]))
    best = best_temperature(scores, torch.from_numpy(labels[200:]))
    assert log_loss(labels[200:], table) < log_loss(labels[200:], (scores / best).softmax(1)) + 0.01


def test_probabilities_and_choices_take_two_rows_of_each_class():
    X, y = IRIS[0][[0, 1, 60, 61, 120]], ["a", "a", "b", "b", "c"]
    model = HeadClassifier(KernelHead()).fit(X, y)
    assert set(model.predict(X)) <= {"a", "b", "c"}
    with pytest.raises(DataError, match="two or more training rows of each class"):
        model.predict_proba(X)
    with pytest.raises(DataError, match="choosing C needs two or more training rows of each class"):
        HeadClassifier(RBFSVMHead()).fit(X, y)
    assert HeadClassifier(KernelHead(feature_map=AmplitudeMap(0.5))).fit(X, y).head_.recipe.feature_map.offset == 0.5
