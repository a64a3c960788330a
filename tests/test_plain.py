"""Numbers, strings and arrays of other libraries become Python's own."""

import functools
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from torch.optim.lr_scheduler import MultiStepLR

from hqlm import load
from hqlm.algorithms import VQE, Hamiltonian, MaxCut, PauliTerms, QuantumKernel
from hqlm.circuits import HardwareEfficientAnsatz, RepeatedUpload
from hqlm.config.slots import SLOTS
from hqlm.data import ReviewsData
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.errors import ConfigError
from hqlm.execution import Execution, Noise
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.models.recipes import to_primitives
from hqlm.plain import to_plain
from hqlm.registry import Component, field_names
from tests.registries import shipped


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("neg"), "neg"),
        (np.array(2.0), 2.0),
        (torch.tensor(2), 2),
        (Fraction(1, 4), 0.25),
        (Decimal("0.25"), 0.25),
        (np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
        (torch.tensor([1.0, 2.0]), (1.0, 2.0)),
        (pd.Series(["a", "b"]), ("a", "b")),
        (range(3), (0, 1, 2)),
        ([np.int64(1), (np.str_("x"),)], [1, ("x",)]),
        ({np.str_("a"): np.float64(1.0)}, {"a": 1.0}),
        (Counter({np.int64(3): 1}), Counter({3: 1})),
    ],
)
def test_values_of_other_libraries_become_plain(given, plain):
    found = to_plain(given)
    assert found == plain
    assert repr(found) == repr(plain)  # np.float64(0.5) == 0.5, but its repr is not


def test_what_is_plain_or_unknown_or_kept_stays():
    weight, unknown = torch.ones(2), object()
    assert to_plain(unknown) is unknown
    assert to_plain({"w": weight}, keep=torch.Tensor)["w"] is weight
    with_gradient = torch.ones((), requires_grad=True)
    assert to_plain(with_gradient) is with_gradient
    with pytest.raises(ConfigError, match="too large"):
        to_plain(Fraction(10**400))


@dataclass(frozen=True)
class _Checked(Component):
    numbers: tuple[float, ...]
    text: str = "a"

    def __post_init__(self):
        assert type(self.text) is str  # converted before it is checked


def test_fields_of_recipes_are_plain_before_they_are_checked():
    recipe = _Checked(np.array([1.0, 2.0]), np.str_("b"))
    assert repr(recipe) == "_Checked(numbers=(1.0, 2.0), text='b')"
    assert hash(recipe) == hash(_Checked((1.0, 2.0), "b"))
    assert repr(Noise(two_qubit=np.linspace(0, 0.1, 3)[1])) == repr(Noise(two_qubit=0.05))
    assert repr(Execution(shots=np.int64(8), seed=np.int64(1))) == repr(Execution(shots=8, seed=1))
    assert hash(QuantumKernel(weights=np.zeros(2))) == hash(QuantumKernel(weights=(0.0, 0.0)))
    assert repr(Hamiltonian.of({np.str_("ZZ"): np.float32(0.5)})) == repr(Hamiltonian.of({"ZZ": 0.5}))
    assert MaxCut(np.array([[0, 1], [1, 2]])).ising() == MaxCut([[0, 1], [1, 2]]).ising()


def _trained(model, folder, **data):
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(model, **data)
    trainer.save_checkpoint(folder / "model.ckpt")
    return torch.load(folder / "model.ckpt", weights_only=True)


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:The number of training batches")
def test_a_classifier_of_numpy_values_has_a_checkpoint_that_can_be_read_back(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    lr, names = np.logspace(-3, -1, 3)[1], np.unique(["positive", "negative"])
    head = QuantumHead(
        QuantumFeatureEncoder(n_qubits=np.int32(4), n_layers=1, offset=np.float32(0.5)),
        RepeatedUpload(n_blocks=np.int64(1), scale=np.float64(1.0)),
        HardwareEfficientAnsatz(rotations=np.array(["RY", "RZ"])),
        execution=Execution(noise=Noise(two_qubit=np.linspace(0, 0.1, 3)[1])),
    )
    model = TextModel(
        HashingEncoder(dim=np.int64(15)),
        head,
        optimizer=functools.partial(torch.optim.SGD, lr=lr, momentum=np.float32(0.5)),
        schedule=functools.partial(MultiStepLR, milestones=np.arange(1, 3), gamma=np.float64(0.5)),
        class_names=list(names),
    )
    data = ReviewsData(limit_train=np.int64(32), limit_val=8, limit_test=8, batch_size=np.int64(16))
    checkpoint = _trained(model, tmp_path, datamodule=data)
    assert checkpoint["hyper_parameters"]["class_names"] == ["negative", "positive"]
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["momentum"] == 0.5
    assert load(tmp_path / "model.ckpt").recipe.execution.noise == Noise(two_qubit=0.05)


def test_an_energy_of_numpy_values_has_a_checkpoint_that_can_be_read_back(tmp_path):
    model = VQE(
        PauliTerms({np.str_("ZZ"): np.float64(1.0), "XI": np.float32(0.5)}),
        n_layers=np.int64(1), spread=np.float64(0.1), steps_per_epoch=np.int64(2),
        optimizer=functools.partial(torch.optim.Adam, lr=np.float64(0.1)),
    )  # fmt: skip
    checkpoint = _trained(model, tmp_path)
    assert checkpoint["hamiltonian"] == {"ZZ": 1.0, "XI": 0.5}
    assert load(tmp_path / "model.ckpt").hamiltonian == Hamiltonian.of({"ZZ": 1.0, "XI": 0.5})


REQUIRED = {"features": 4, "path": "h.json"}
RECIPES = [
    component
    for registry in SLOTS.values()
    for name, component in registry.items()
    if issubclass(component, Component) and name in shipped(registry)
]


def _as_numpy(value):
    if isinstance(value, bool | int | float | str):
        return np.array([value])[0]
    return value


@pytest.mark.parametrize("component", RECIPES, ids=lambda component: component.__name__)
def test_every_recipe_of_numpy_values_is_stored_as_that_of_plain_ones(component, tmp_path):
    given = {name: value for name, value in REQUIRED.items() if name in component.__dataclass_fields__}
    recipe = component(**given)
    options = {name: _as_numpy(getattr(recipe, name)) for name in field_names(recipe)}
    stored = to_primitives(component(**options), "recipe")
    torch.save(stored, tmp_path / "recipe.pt")
    assert repr(torch.load(tmp_path / "recipe.pt", weights_only=True)) == repr(to_primitives(recipe, "recipe"))
