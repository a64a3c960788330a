"""Any head as a scikit-learn classifier, for embeddings from any source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import assert_all_finite, check_random_state, compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from hqlm.circuits import RepeatedUpload, RingAnsatz
from hqlm.encoders import FeatureEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError, DataError, TrainingError
from hqlm.estimator_parts import RecipeParameters, check_class_weights, encode_labels, make_recipe
from hqlm.heads import Head, HeadModule, QuantumHead
from hqlm.heads.solved import SolvedModule
from hqlm.models import Schedule
from hqlm.models.schedules import check_schedule, scheduler_config

_RING: Final = RingAnsatz(connectivity=4, ry_column=False)  # lower connectivity if the circuit has fewer qubits
_HEAD: Final = QuantumHead(
    QuantumFeatureEncoder(n_layers=16, center=True, offset=2.0, norm="data", ansatz=_RING),
    RepeatedUpload(n_blocks=1, n_main_layers=1),
    _RING,
    readout="all",
    skip=True,
)
_LARGEST: Final = 2**31  # upper bound of numbers of rows and epochs
_ROWS: Final = 4096  # rows predicted at a time, to bound memory
_LEAST_QUBITS: Final = 5  # so that the ring has all of its strides
_FOLDS: Final = 5  # folds of the cross-validation that chooses C and calibrates probabilities
_NUMBERS: Final[dict[str, type]] = {
    "learning_rate": Real,
    "weight_decay": Real,
    "max_epochs": Integral,
    "batch_size": Integral,
}
_KINDS: Final[dict[type, str]] = {Real: "a number", Integral: "a whole number"}


class HeadClassifier(RecipeParameters, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A head of hqlm as an estimator on vectors, with scikit-learn's full interface.

    `head` is any head, such as `KernelHead()`, or a dict of options that differ from those of the default head, in
    which recipes may again be such dicts. None is the default: a quantum head in which vectors are centred and scaled
    as a whole and enter 2**Q amplitudes beside an offset, with as few qubits Q as possible (5 or more), and whose
    linear layer also reads the features. `set_params(head__feature_encoder__n_layers=4)` and a grid over
    `head__feature_encoder__n_layers` set one option.

    Training minimises the loss of the head, by default the cross-entropy, with AdamW, in a plain loop in float32: in
    a grid search, a notebook or another program a Lightning Trainer would take over Ctrl-C, logging and the layout of
    processes. A head that is solved in one step is solved on all rows; cross-validation chooses C, if there are
    several values, and the temperature of its probabilities. Prediction is in float64, so that the probabilities of a
    row do not depend on the rows beside it.

    Args:
        head: head to train.
        learning_rate: learning rate of AdamW, the highest of the schedule.
        weight_decay: weight decay of AdamW.
        schedule: learning-rate schedule, per step.
        max_epochs: number of passes over the training rows.
        batch_size: rows per step.
        class_weight: weight of each class as a dict, or `balanced`.
        random_state: seed of initial values, order and shots: a number, a `numpy.random.RandomState`, or None for
            a different one in every fit. The state of torch's generator is not changed.
        verbose: show a progress bar over the epochs.

    Attributes:
        classes_: labels of the classes `(n_classes,)`, sorted.
        n_features_in_: length of a vector.
        feature_names_in_: names of its values, if they were given.
        head_: the trained head, in float64; `head_.parameter_counts()` are its parameters.
        loss_curve_: mean training loss of each epoch; empty for a head that is not trained in steps.
    """

    recipes: ClassVar[Mapping[str, Any]] = {"head": _HEAD}
    classes_: NDArray[Any]
    head_: HeadModule
    loss_curve_: list[float]

    def __init__(
        self,
        head: Head | Mapping[str, Any] | None = None,
        *,
        learning_rate: float = 0.02,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        max_epochs: int = 20,
        batch_size: int = 32,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.head = head
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    @torch.inference_mode(False)  # it trains wherever it is called
    @torch.enable_grad()
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on vectors `(rows, dim)` and their labels `(rows,)`; rows of weight 0 are ignored.

        Raises:
            ValueError: for training data that scikit-learn rejects.
            ConfigError: for parameters that do not fit each other or the data.
            TrainingError: if the loss or a weight is not finite.
        """
        self._check_settings()
        vectors, y = validate_data(self, X, y, dtype=np.float64)
        self.classes_, numbers = encode_labels(y)
        weights = _check_sample_weight(sample_weight, vectors, dtype=np.float32, ensure_non_negative=True, copy=True)
        weights *= compute_sample_weight(self.class_weight, y)
        check_class_weights(weights, self.class_weight)
        kept = weights > 0.0
        if not kept.any():
            raise ConfigError("sample_weight and class_weight make every weight 0. Give some rows a non-zero one")
        vectors, numbers, weights = vectors[kept], numbers[kept], weights[kept]
        are_equal = bool((weights == weights[0]).all())
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            head = self._recipe()
            module = head.build(self.n_features_in_, len(self.classes_))
            if not are_equal and module.is_trained and type(module).loss is not HeadModule.loss:
                raise ConfigError(
                    f"{type(head).__name__} has its own loss, which does not weight rows. Leave sample_weight and "
                    "class_weight out"
                )
            if module.is_trained:
                assert_all_finite(vectors.astype(np.float32), input_name="X")
            rows = torch.tensor(vectors, dtype=torch.float32)
            module.fit(rows, torch.tensor(numbers))
            relative = torch.tensor(weights / weights.mean())
            self.loss_curve_ = list(self._epochs(module, rows, torch.tensor(numbers), relative))
        self.head_ = module.double().eval()
        if isinstance(self.head_, SolvedModule):
            self._solve(self.head_, torch.tensor(vectors), numbers, None if are_equal else torch.tensor(weights))
        else:
            self._is_calibrated = True
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return logits `(rows, n_classes)`; for two classes the difference, second minus first, `(rows,)`."""
        logits = self._logits(X).numpy()
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class `(rows, n_classes)`, in the order of `classes_`.

        Raises:
            DataError: for a head that is solved in one step if a class has a single training row, so that none is left
                for calibration.
        """
        logits = self._logits(X)
        if not self._is_calibrated:
            raise DataError("probabilities need two or more training rows of each class. Use predict, or add rows")
        return logits.softmax(1).numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of the most probable class of each vector `(rows,)`."""
        numbers = self._logits(X).argmax(1).numpy()
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def _logits(self, X: ArrayLike) -> Tensor:
        check_is_fitted(self)
        rows = torch.tensor(validate_data(self, X, dtype=np.float64, reset=False))
        with torch.no_grad():
            head = self.head_.eval()  # entering evaluation restarts the seeds of shots
            logits = torch.cat([head(part) for part in torch.split(rows, _ROWS)])
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

    def _recipe(self) -> Head:
        """Return the head; the default head gets its sizes from these vectors."""
        default, given = _HEAD, self.head
        if given is None or isinstance(given, Mapping):
            options = (given or {}).get("feature_encoder")
            auto = max(_LEAST_QUBITS, self.n_features_in_.bit_length())  # enough for the values and the offset
            n_qubits = options.get("n_qubits", auto) if isinstance(options, Mapping) else auto
            encoder = dataclasses.replace(_HEAD.feature_encoder, n_qubits=n_qubits, ansatz=_ring(n_qubits))  # type: ignore[call-arg]
            encoder = make_recipe("head.feature_encoder", options, encoder, FeatureEncoder)
            ring = _ring(encoder.n_features // encoder.n_groups)
            default = dataclasses.replace(_HEAD, feature_encoder=encoder, ansatz=ring)
            given = {**(given or {}), "feature_encoder": encoder}
        head: Head = make_recipe("head", given, default, Head)
        return head

    def _epochs(self, module: HeadModule, rows: Tensor, numbers: Tensor, weights: Tensor) -> Iterator[float]:
        """Train; yield the mean loss of each epoch."""
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        if not module.is_trained:
            return
        optimizer = torch.optim.AdamW(trained, lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = self.max_epochs * math.ceil(len(rows) / self.batch_size)
        scheduled = scheduler_config(self.schedule, optimizer, steps)
        advance = scheduled["lr_scheduler"]["scheduler"].step if isinstance(scheduled, dict) else lambda: None
        for epoch in tqdm(range(self.max_epochs), desc="epochs", unit="epoch", disable=not self.verbose):
            total = 0.0
            for batch in torch.split(torch.randperm(len(rows)), self.batch_size):

                def criterion(outputs: Tensor, targets: Tensor, weights: Tensor = weights[batch]) -> Tensor:
                    return (cross_entropy(outputs, targets, reduction="none") * weights).mean()

                loss = module.loss(rows[batch], numbers[batch], criterion)
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

    def _solve(self, module: SolvedModule, vectors: Tensor, numbers: NDArray[np.int64], weights: Tensor | None) -> None:
        """Solve on all rows, with the C that predicts best in a cross-validation, whose scores calibrate the head."""
        targets = torch.tensor(numbers)
        folds = min(_FOLDS, int(np.bincount(numbers).min()))
        self._is_calibrated = folds >= 2
        if folds < 2 and len(module.strengths) > 1:
            raise DataError("choosing C needs two or more training rows of each class. Give one C, or add rows")
        best, chosen, scores = -1, module.strengths[0], torch.zeros(0)
        for strength in module.strengths if self._is_calibrated else ():
            held_out = torch.empty(len(vectors), len(self.classes_), dtype=torch.float64)
            for kept, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(vectors, numbers):
                module.settle((vectors[kept], targets[kept]), strength, None if weights is None else weights[kept])
                held_out[held] = module.scores(vectors[held])
            right = int((held_out.argmax(1) == targets).sum())
            if right > best:
                best, chosen, scores = right, strength, held_out
        module.settle((vectors, targets), chosen, weights)
        if self._is_calibrated:
            module.calibrate(scores, targets)


def _ring(n_qubits: int) -> RingAnsatz:
    return dataclasses.replace(_RING, connectivity=max(1, min(_RING.connectivity, n_qubits - 1)))
