"""The hybrid head as a classifier of scikit-learn, for embeddings from anywhere.

This is the one module that cannot be imported without scikit-learn: its class derives from scikit-learn's base.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Ansatz, RepeatedUpload, Reuploading, RingAnsatz
from hqlm.encoders import FeatureEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError, MissingDependency, TrainingError
from hqlm.estimator_parts import RecipeParameters, check_class_weights, encode_labels, make_recipe
from hqlm.execution import Execution
from hqlm.models import HybridClassifier, Schedule
from hqlm.models.composition import Ablation
from hqlm.models.schedules import check_schedule, scheduler_config

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as err:
    raise MissingDependency(f"QuantumHeadClassifier needs scikit-learn ({err}): pip install 'hqlm[study]'") from err

_RING: Final = RingAnsatz(connectivity=4, ry_column=False)  # fewer where the circuit has fewer qubits
_LARGEST: Final = 2**31  # above all numbers of rows and epochs
_ROWS: Final = 4096  # that are predicted at a time, to bound memory
_LEAST_QUBITS: Final = 5  # that the ring has all of its strides
_RECIPES: Final[dict[str, Any]] = {
    "feature_encoder": QuantumFeatureEncoder(n_layers=16, center=True, offset=2.0, norm="data", ansatz=_RING),
    "reuploading": RepeatedUpload(n_blocks=1, n_main_layers=1),
    "ansatz": _RING,
    "backend": StatevectorBackend(),
    "execution": Execution(),
}
_SLOTS: Final[dict[str, type]] = {
    "feature_encoder": FeatureEncoder,
    "reuploading": Reuploading,
    "ansatz": Ansatz,
    "backend": QuantumBackend,
    "execution": Execution,
}
_NUMBERS: Final[dict[str, type]] = {
    "learning_rate": Real,
    "weight_decay": Real,
    "max_epochs": Integral,
    "batch_size": Integral,
}
_KINDS: Final[dict[type, str]] = {Real: "a number", Integral: "a whole number"}


class QuantumHeadClassifier(RecipeParameters, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The head of `HybridClassifier` on vectors: feature encoder, re-uploading circuit, linear layer.

    Each of the five recipes is a component, or the options in which it differs from the default one, as a dict; None is
    that default. `set_params(feature_encoder__n_layers=4)` and a grid over `feature_encoder__n_layers` set one option.
    By default vectors are centred and scaled as a whole and enter 2**Q amplitudes beside an offset, with as few
    qubits Q as hold them (5 or more).

    Training minimises the cross-entropy with AdamW, in a plain loop in float32: within a grid search, a notebook or
    another program a Lightning Trainer would take over Ctrl-C, logging and the layout of processes. Prediction is in
    float64, so that a row is given the same probabilities whatever rows are beside it.

    Args:
        feature_encoder: first module, from a vector to features.
        reuploading: how features enter the circuit of the second module, and its depth.
        ansatz: trainable circuit of the second module.
        backend: quantum SDK or engine that runs the second module.
        execution: shots, noise, seed and gradient rule of the second module.
        readout: measured qubits of the second module: a number (the first ones), `all`, or `auto`.
        skip: let the linear layer read the features beside the readout.
        ablate: modules to remove, as `model.ablate`.
        learning_rate: of AdamW; the highest one of the schedule.
        weight_decay: of AdamW.
        schedule: learning-rate schedule, per step.
        max_epochs: passes over the training rows.
        batch_size: rows of a step.
        class_weight: weight of each class as a dict, or `balanced`.
        random_state: seed of initial values, order and shots: a number, a `numpy.random.RandomState`, or None for
            other ones in every fit. The generator of torch is left as it was.
        verbose: show a progress bar over the epochs.

    Attributes:
        classes_: labels of the classes `(n_classes,)`, sorted.
        n_features_in_: values of a vector.
        feature_names_in_: names of its values, where they were given.
        model_: the trained `HybridClassifier`, in float64; `model_.parameter_counts()` are its parameters.
        loss_curve_: mean training loss of each epoch.
    """

    recipes: ClassVar[Mapping[str, Any]] = _RECIPES

    def __init__(
        self,
        feature_encoder: Any = None,
        reuploading: Any = None,
        ansatz: Any = None,
        backend: Any = None,
        execution: Any = None,
        *,
        readout: int | Literal["all", "auto"] = "all",
        skip: bool = True,
        ablate: tuple[Ablation, ...] = (),
        learning_rate: float = 0.02,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        max_epochs: int = 20,
        batch_size: int = 32,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.feature_encoder = feature_encoder
        self.reuploading = reuploading
        self.ansatz = ansatz
        self.backend = backend
        self.execution = execution
        self.readout = readout
        self.skip = skip
        self.ablate = ablate
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    @torch.inference_mode(False)  # wherever it is called, it trains
    @torch.enable_grad()
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on vectors `(rows, dim)` and their labels `(rows,)`; rows of weight 0 are left out.

        Raises:
            ValueError: for anything scikit-learn refuses as training data.
            ConfigError: for parameters that do not fit each other or the data.
            TrainingError: when the loss or a weight is not finite.
        """
        self._check_settings()
        vectors, y = validate_data(self, X, y, dtype=np.float32)
        self.classes_, numbers = encode_labels(y)
        weights = _check_sample_weight(sample_weight, vectors, dtype=np.float32, ensure_non_negative=True, copy=True)
        weights *= compute_sample_weight(self.class_weight, y)
        check_class_weights(weights, self.class_weight)
        kept = weights > 0.0
        if not kept.any():
            raise ConfigError("sample_weight and class_weight make every weight 0. Give some rows a non-zero one")
        rows = (
            torch.tensor(vectors[kept]),
            torch.tensor(numbers[kept]),
            torch.tensor(weights[kept] / weights[kept].mean()),
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            model = self._model()
            model.fit_head(rows[0])
            self.loss_curve_ = list(self._epochs(model, *rows))
        self.model_ = model.double().eval()
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logits `(rows, n_classes)`; of two classes the difference, second minus first, `(rows,)`."""
        logits = self._logits(X).numpy()
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class `(rows, n_classes)`, in the order of `classes_`."""
        return self._logits(X).softmax(1).numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the most probable class of each vector `(rows,)`."""
        numbers = self._logits(X).argmax(1).numpy()
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def _logits(self, X: ArrayLike) -> Tensor:
        check_is_fitted(self)
        rows = torch.tensor(validate_data(self, X, dtype=np.float64, reset=False))
        with torch.no_grad():
            model = self.model_.eval()  # entering evaluation restarts the seeds of shots
            logits = torch.cat([model(part) for part in torch.split(rows, _ROWS)])
        bad = (~logits.isfinite().all(1)).nonzero()
        if len(bad):
            raise TrainingError(
                f"the model has no finite logits for row {int(bad[0])}: its weights or that vector are too large. Fit "
                "it with a lower learning_rate, or scale the vectors"
            )
        return logits

    def _check_settings(self) -> None:
        for name, kind in _NUMBERS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(f"{name} must be {_KINDS[kind]}, given {value!r}")
        for name, least in {"max_epochs": 1, "batch_size": 1, "weight_decay": 0.0}.items():
            if not least <= getattr(self, name) < _LARGEST:
                raise ConfigError(f"{name} must be {least} or more and below 2^31, given {getattr(self, name)}")
        if not 0.0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be above 0, given {self.learning_rate}")
        check_schedule(self.schedule)
        if not isinstance(self.readout, Integral) and self.readout not in ("all", "auto"):
            raise ConfigError(f"readout must be a whole number, 'all' or 'auto', given {self.readout!r}")
        if isinstance(self.ablate, str) or not isinstance(self.ablate, Sequence):
            raise ConfigError(f"ablate must be a tuple of names of modules, given {self.ablate!r}")

    def _model(self) -> HybridClassifier:
        auto = max(_LEAST_QUBITS, self.n_features_in_.bit_length())  # as few as hold the values and the offset
        given = self.feature_encoder if isinstance(self.feature_encoder, Mapping) else {}
        n_qubits = given.get("n_qubits", auto)
        features = self._recipe("feature_encoder", n_qubits=n_qubits, ansatz=_ring(n_qubits))
        model = HybridClassifier(
            feature_encoder=features,
            ansatz=self._recipe("ansatz", connectivity=_ring(features.n_features // features.n_groups).connectivity),
            **{name: self._recipe(name) for name in ("reuploading", "backend", "execution")},
            readout=self.readout,
            skip=self.skip,
            ablate=self.ablate,
            class_names=[str(label) for label in self.classes_],
            embedding_dim=self.n_features_in_,
        )
        model.configure_model()
        return model

    def _recipe(self, name: str, **sized: Any) -> Any:
        return make_recipe(name, getattr(self, name), dataclasses.replace(_RECIPES[name], **sized), _SLOTS[name])

    def _epochs(self, model: HybridClassifier, rows: Tensor, numbers: Tensor, weights: Tensor) -> Iterator[float]:
        """Train; yields the mean loss of each epoch."""
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = self.max_epochs * math.ceil(len(rows) / self.batch_size)
        scheduled = scheduler_config(self.schedule, optimizer, steps)
        advance = scheduled["lr_scheduler"]["scheduler"].step if isinstance(scheduled, dict) else lambda: None
        for epoch in tqdm(range(self.max_epochs), desc="epochs", unit="epoch", disable=not self.verbose):
            total = 0.0
            for batch in torch.split(torch.randperm(len(rows)), self.batch_size):
                surprise = cross_entropy(model(rows[batch]), numbers[batch], reduction="none")
                loss = (surprise * weights[batch]).mean()
                if not math.isfinite(loss.item()):
                    raise TrainingError(f"the training loss is {loss.item()} in epoch {epoch}. Lower learning_rate")
                total += loss.item() * len(batch)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                advance()
            if not all(bool(parameter.isfinite().all()) for parameter in trained):
                raise TrainingError(f"a weight is not finite after epoch {epoch}. Lower learning_rate")
            yield total / len(rows)


def _ring(n_qubits: int) -> RingAnsatz:
    return dataclasses.replace(_RING, connectivity=max(1, min(_RING.connectivity, n_qubits - 1)))
