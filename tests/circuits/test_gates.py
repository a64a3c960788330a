"""Gates refuse what cannot be, and their inverses and reality are those of their matrices."""

import math
import pickle

import numpy as np
import pytest
import torch

from hqlm.circuits import GATES, Gate, Input, Weight
from hqlm.errors import CircuitError
from hqlm.testing import density


def gate(name, angle=0.7):
    kind = GATES[name]
    return Gate(name, tuple(range(kind.n_wires)), angle if kind.parameterised else None)


@pytest.mark.parametrize("name", sorted(GATES))
def test_the_inverse_of_a_gate_undoes_its_matrix(name):
    forth, back = gate(name), gate(name).inverse()
    product = density.gate_matrix(back.name, back.angle) @ density.gate_matrix(forth.name, forth.angle)
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-14)
    assert back.inverse() == forth


@pytest.mark.parametrize("name", sorted(GATES))
def test_a_gate_is_real_exactly_when_its_matrix_is(name):
    assert GATES[name].real == np.isreal(density.gate_matrix(name, gate(name).angle)).all()


@pytest.mark.parametrize("name", sorted(GATES))
def test_a_gate_is_controlled_exactly_when_it_spares_the_states_of_control_zero(name):
    matrix = density.gate_matrix(name, gate(name).angle)
    spares = len(matrix) == 4 and np.allclose(matrix[:2], np.eye(4)[:2])
    assert GATES[name].controlled == spares


def test_inverting_a_parameterised_gate_turns_the_sign_of_its_scale():
    assert Gate("RY", (0,), Weight(3, 2.0)).inverse().angle == Weight(3, -2.0)
    assert Gate("RY", (0,), Input(3)).inverse().angle == Input(3, -1.0)
    assert Gate("RY", (0,), 0.5, noisy=False).inverse() == Gate("RY", (0,), -0.5, noisy=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CNOTT", (0, 1)), "Did you mean 'CNOT'"),
        (("CNOT", (0,)), "2 different wires"),
        (("CNOT", (1, 1)), "2 different wires"),
        (("X", (-1,)), "from 0 up"),
        (("X", ()), "1 different wires"),
        (("X", (1.0,)), r"a wire of gate X must be a whole number, given 1\.0"),
        (("RY", (0,)), "needs an angle"),
        (("X", (0,), 0.3), "takes no angle"),
        (("RY", (0,), math.nan), "not finite"),
        (("RY", (0,), math.inf), "not finite"),
        (("RY", (0,), "w0"), "number"),
        (("RY", (0,), Weight(-1)), "index must be a whole number from 0"),
        (("RY", (0,), Weight(0.0)), "must be a whole number from 0"),
        (("RY", (0,), Input(0, math.nan)), "the scale finite"),
        (("RY", (0,), Input(0, torch.tensor(2.0))), "the scale finite"),
    ],
)
def test_gates_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(CircuitError, match=message):
        Gate(*arguments)


def test_gates_are_values():
    one = Gate("CRX", [0, 1], Weight(0, 0.5))
    assert one.wires == (0, 1)
    assert one == Gate("CRX", (0, 1), Weight(0, 0.5))
    assert one != Gate("CRX", (0, 1), Input(0, 0.5))
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))


def test_wires_of_another_integer_type_become_integers():
    wires = Gate("CNOT", np.array([0, 1])).wires
    assert wires == (0, 1)
    assert {type(wire) for wire in wires} == {int}


def test_an_angle_of_another_number_type_becomes_a_float():
    assert type(Gate("RY", (0,), np.float32(0.5)).angle) is float
    assert Gate("RY", (0,), 1) == Gate("RY", (0,), 1.0)
