import functools

import pytest
import torch

from hqlm.backends import StatevectorBackend
from hqlm.circuits import NoEntanglementAnsatz, RingAnsatz
from hqlm.encoders import HashingEncoder
from hqlm.errors import ConfigError
from hqlm.execution import Execution, Noise
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.models.recipes import to_primitives


def test_a_component_is_its_path_and_arguments():
    expected = {"class_path": "hqlm.encoders.text.hashing.HashingEncoder", "init_args": {"dim": 8, "ngrams": 2}}
    assert to_primitives(HashingEncoder(dim=8), "text_encoder") == expected


def test_components_within_components_are_stored_too():
    stored = to_primitives(NoEntanglementAnsatz(RingAnsatz(3)), "ansatz")
    assert stored["init_args"]["base"]["init_args"] == {"connectivity": 3, "ry_column": True}


def test_a_plain_dataclass_is_its_fields():
    stored = to_primitives(Execution(shots=5, noise=Noise(readout=0.1)), "execution")
    assert stored["shots"] == 5
    assert stored["noise"]["readout"] == 0.1


def test_classes_and_partials_of_classes_are_their_paths():
    assert to_primitives(torch.optim.SGD, "optimizer") == {"class_path": "torch.optim.sgd.SGD"}
    stored = to_primitives(functools.partial(torch.optim.SGD, lr=0.5), "optimizer")
    assert stored == {"class_path": "torch.optim.sgd.SGD", "init_args": {"lr": 0.5}}


@pytest.mark.parametrize(
    "value", [lambda p: None, object(), functools.partial(torch.optim.SGD, "x"), torch.zeros(2, requires_grad=True)]
)
def test_what_no_configuration_can_hold_is_refused_by_argument(value):
    with pytest.raises(ConfigError, match="optimizer"):
        to_primitives(value, "optimizer")


def test_a_lambda_for_an_optimizer_is_refused_when_the_model_is_made():
    with pytest.raises(ConfigError, match=r"functools\.partial"):
        TextModel(HashingEncoder(), optimizer=lambda parameters: torch.optim.SGD(parameters))


def primitives_only(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and primitives_only(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(primitives_only, value))
    return value is None or isinstance(value, bool | int | float | str)


def test_hyperparameters_of_a_model_made_in_python_are_primitives():
    model = TextModel(HashingEncoder(), QuantumHead(backend=StatevectorBackend(), ablate=["main_circuit"]))
    assert primitives_only(dict(model.hparams))
    assert model.hparams["_class_path"] == "hqlm.models.text_model.TextModel"
    assert model.hparams["head"]["init_args"]["ablate"] == ["main_circuit"]
