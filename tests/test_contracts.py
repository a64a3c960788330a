"""What components from elsewhere return or raise is reported by class and method, with what the contract asks for."""

import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch

from hqlm.algorithms.problems import Problem
from hqlm.backends import QuantumBackend
from hqlm.circuits import Ansatz, Circuit, Gate, PauliString, RepeatedUpload, Reuploading, RingAnsatz, Weight
from hqlm.contracts import Contracted, returns
from hqlm.data import HqlmDataModule
from hqlm.data.text import TextDataModule
from hqlm.encoders import FeatureEncoder, FeatureModule, QuantumFeatureEncoder, TextEncoder, TextModule
from hqlm.errors import CircuitError, ComponentError
from hqlm.execution import Execution
from hqlm.studies.designs import Design

WRONG = [None, [], 3, "text", np.zeros(3), [None], torch.zeros(2, 3, 4)]


def made(slot, **members):
    """A concrete component of a slot with the members given; what is missing is left abstract-free by a stub."""
    stubs = dict.fromkeys(slot.__abstractmethods__, lambda self, *args: None)
    return dataclass(frozen=True)(type("Odd", (slot,), {"__module__": __name__, **stubs, **members}))()


@pytest.mark.parametrize("value", WRONG[:1] + WRONG[2:])
def test_an_ansatz_must_return_gates(value):
    ansatz = made(Ansatz, gates=lambda self, n_qubits, n_layers: value)
    for use in (
        lambda: RepeatedUpload().circuit(4, 1, ansatz, [PauliString("ZIII")]),
        lambda: QuantumFeatureEncoder(n_qubits=4, ansatz=ansatz).circuit,
    ):
        with pytest.raises(ComponentError, match=r"Odd\.gates returned .*It must return a tuple of Gate"):
            use()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0), BaseException("base"), StopIteration()])
def test_whatever_a_method_raises_is_named_with_its_place(error):
    def gates(self, n_qubits, n_layers):
        raise error

    with pytest.raises(ComponentError, match=rf"Odd\.gates raised {type(error).__name__}.*test_contracts\.py, line"):
        made(Ansatz, gates=gates).gates(2, 1)


@pytest.mark.parametrize("error", [CircuitError("stated"), KeyboardInterrupt()])
def test_mistakes_of_the_user_and_interruptions_pass(error):
    def gates(self, n_qubits, n_layers):
        raise error

    with pytest.raises(type(error)):
        made(Ansatz, gates=gates).gates(2, 1)


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    ("slot", "method", "arguments"),
    [
        (Reuploading, "circuit", (4, 1, RingAnsatz(), [PauliString("ZIII")])),
        (FeatureEncoder, "build", (4,)),
        (TextEncoder, "build", ()),
        (Problem, "hamiltonian", ()),
        (Design, "settings", ([],)),
        (Ansatz, "ablated", ("entanglement",)),
    ],
)
def test_recipes_must_return_what_their_slot_asks_for(slot, method, arguments, value):
    component = made(slot, **{method: lambda self, *args: value})
    with pytest.raises(ComponentError, match=rf"Odd\.{method} returned .* It must return "):
        getattr(component, method)(*arguments)


@pytest.mark.parametrize("value", [v for v in WRONG if v is not None])
@pytest.mark.parametrize(("method", "execution"), [("values", Execution()), ("bits", Execution(shots=4))])
def test_backends_must_return_tensors(method, execution, value):
    circuit = Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),))
    backend = made(QuantumBackend, **{method: lambda self, *args: value})
    if method == "values" and isinstance(value, torch.Tensor):
        value = value.long()
    with pytest.raises(ComponentError, match=rf"Odd\.{method} returned .* It must return a tensor \(rows"):
        backend.expectations(circuit, torch.zeros(1), execution=execution)


class _Features(FeatureModule):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, embeddings):
        return self.value


@pytest.mark.parametrize("value", [*WRONG, torch.zeros(2, 4), torch.zeros(3), torch.zeros(3, 4, dtype=torch.long)])
def test_features_must_be_a_table_of_numbers(value):
    with pytest.raises(ComponentError, match=r"_Features\.forward returned .* It must return a tensor \(batch, n_fea"):
        _Features(value)(torch.zeros(3, 8))
    assert _Features(torch.zeros(3, 4))(torch.zeros(3, 8)).shape == (3, 4)


class _Texts(TextModule):
    def __init__(self, **values):
        super().__init__()
        self.given = {"dim": 4, "content_key": "abc", "forward": torch.zeros(2, 4), "lengths": [1, 1], **values}

    @property
    def dim(self):
        return self.given["dim"]

    @property
    def content_key(self):
        return self.given["content_key"]

    def lengths(self, texts):
        return self.given["lengths"]

    def forward(self, texts):
        return self.given["forward"]


def _use(module, name):
    member = getattr(module, name)
    return member(["a", "b"]) if callable(member) else member


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("forward", value) for value in [*WRONG, torch.zeros(2, 3), torch.zeros(2, 4, dtype=torch.float64)]),
        *(("lengths", value) for value in [None, [1], ["a", "b"], 3, np.ones(2)]),
        *(("dim", value) for value in [None, 0, "4", 4.0, np.array([4])]),
        *(("content_key", value) for value in [None, "", "../../x", b"abc", 3]),
    ],
)
def test_text_encoders_must_return_embeddings_and_a_key(name, value):
    module = _Texts(**{name: value})
    with pytest.raises(ComponentError, match=rf"_Texts\.{name} returned .* It must return "):
        _use(module, name)
    assert _Texts()(["a", "b"]).shape == (2, 4)


@pytest.mark.parametrize("value", WRONG)
def test_data_must_be_read_as_a_table(value):
    data = type("OddData", (TextDataModule,), {"__module__": __name__, "read": lambda self, split: value})()
    with pytest.raises(ComponentError, match=r"OddData\.read returned .* It must return a Table"):
        data.setup("fit")


def test_texts_and_labels_of_a_data_module_are_lists():
    names = dict.fromkeys(HqlmDataModule.__abstractmethods__, lambda self, split: ("a", 1))
    data = type("OddData", (HqlmDataModule,), {"__module__": __name__, **names})()
    for method in ("texts", "labels"):
        with pytest.raises(ComponentError, match=rf"OddData\.{method} returned a tuple of 2 items of type int, str"):
            getattr(data, method)("train")


class _Slot(Contracted):
    @property
    @returns("a text", lambda found, self: isinstance(found, str))
    def title(self):
        return "a"


def test_cached_properties_are_checked_and_kept():
    class Lazy(_Slot):
        @cached_property
        def title(self):
            return [] if self.wrong else "b"

    lazy = Lazy()
    lazy.wrong = True
    with pytest.raises(ComponentError, match=r"Lazy\.title returned a list of 0 items"):
        _ = lazy.title
    lazy.wrong = False
    assert lazy.title is lazy.title == "b"


def test_classes_of_hqlm_are_not_wrapped():
    assert not hasattr(RingAnsatz.gates, "__wrapped__")
    assert hasattr(_Texts.forward, "__wrapped__")
    assert sys.modules[RingAnsatz.__module__].__name__.startswith("hqlm.")


def test_arguments_may_be_given_by_name():
    ansatz = made(Ansatz, gates=lambda self, n_qubits, n_layers: RingAnsatz().gates(n_qubits, n_layers))
    assert ansatz.gates(n_layers=1, n_qubits=2) == RingAnsatz().gates(2, 1)
    scheme = RepeatedUpload()
    uploads = made(Reuploading, circuit=lambda self, *args, **kwargs: scheme.circuit(*args, **kwargs))
    assert uploads.circuit(4, 1, RingAnsatz(), [PauliString("ZIII")]).n_qubits == 4


def test_a_fault_of_a_check_is_not_blamed_on_the_component():
    class Slot(Contracted):
        @returns("a number", lambda found, self: 1 / found > 0)
        def number(self):
            return 1

    odd = type("Odd", (Slot,), {"__module__": __name__, "number": lambda self: 0})
    with pytest.raises(ZeroDivisionError):
        odd().number()
