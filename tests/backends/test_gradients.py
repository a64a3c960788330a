"""Gradient rules on black boxes whose derivatives are known."""

import math

import pytest
import torch

from hqlm.backends import StatevectorBackend, gradients
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution, Noise
from tests.backends.toys import _SampledOnly

F64 = torch.float64


def measured(rule, calls=None):
    """f(a) = sum of cos(a_j): two observables, one of them doubled."""

    def evaluate(angles, states, seed):
        if calls is not None:
            calls.append((tuple(angles.shape), seed))
        value = angles.cos().sum(1, keepdim=True)
        return torch.cat((value, 2 * value), 1)

    def run(angles, columns, gate="RX", execution=Execution()):
        rotations = tuple(Gate(gate, (0, 1)[: GATES[gate].n_wires], Weight(i)) for i in range(angles.shape[1]))
        return rule(evaluate, rotations, columns, angles, None, execution)

    return run


@pytest.mark.parametrize("name", sorted(name for name, kind in GATES.items() if kind.parameterised))
def test_shift_rules_hold_for_the_frequencies_of_their_generator(name):
    # eigenvalues +-1/2 give frequency 1; those of a controlled rotation, 0 and +-1/2, give 1/2 and 1
    frequencies = (0.5, 1.0) if GATES[name].controlled else (1.0,)
    terms = gradients.shift_terms(Gate(name, (0, 1)[: GATES[name].n_wires], Weight(0)))
    for frequency in frequencies:
        for t in (0.0, 0.4, 2.5):
            slope = sum(c * math.sin(frequency * (t + s) + 0.3) for c, s in terms)
            assert slope == pytest.approx(frequency * math.cos(frequency * t + 0.3), abs=1e-12)


def test_two_terms_would_be_wrong_for_a_controlled_rotation():
    slope = sum(c * math.sin(0.5 * (0.4 + s)) for c, s in gradients.shift_terms(Gate("RX", (0,), Weight(0))))
    assert slope != pytest.approx(0.5 * math.cos(0.2), abs=1e-2)


def test_parameter_shift_evaluates_only_the_trainable_columns_and_in_one_call():
    calls = []
    angles = torch.tensor([[0.3, 0.5, 0.7], [0.1, 0.2, 0.4]], dtype=F64, requires_grad=True)
    values = measured(gradients.parameter_shift, calls)(angles, columns=(0, 2))
    (slope,) = torch.autograd.grad(values[:, 0].sum(), angles)
    expected = -angles.detach().sin() * torch.tensor([1.0, 0.0, 1.0], dtype=F64)
    torch.testing.assert_close(slope, expected)
    assert [shape for shape, _ in calls] == [(2, 3), (2 * 2 * 2, 3)]


def test_spsa_leaves_angles_alone_that_nothing_trainable_feeds():
    # with one trainable column the estimate is its central difference, whatever the others are
    angles = torch.tensor([[0.3, 0.5, 0.7]], dtype=F64, requires_grad=True)
    execution = Execution(gradient="spsa", spsa_step=0.1, spsa_samples=3)
    values = measured(gradients.spsa)(angles, columns=(1,), execution=execution)
    (slope,) = torch.autograd.grad(values[:, 0].sum(), angles)
    expected = (math.cos(0.6) - math.cos(0.4)) / 0.2
    torch.testing.assert_close(slope, torch.tensor([[0.0, expected, 0.0]], dtype=F64))


def test_forward_and_backward_are_measured_with_different_seeds():
    for rule in (gradients.parameter_shift, gradients.spsa):
        calls = []
        angles = torch.tensor([[0.3]], dtype=F64, requires_grad=True)
        measured(rule, calls)(angles, columns=(0,)).sum().backward()
        assert calls[0][1] != calls[1][1]
        assert (calls[0][1], calls[1][1]) == gradients.seeds(0)


def test_an_empty_tensor_of_weights_gets_an_empty_gradient():
    circuit = Circuit(1, (Gate("RY", (0,), 0.5),), (PauliString("Z"),))
    for rule in ("adjoint", "parameter_shift", "spsa", "surrogate"):
        weights = torch.zeros(0, dtype=F64, requires_grad=True)
        StatevectorBackend().expectations(circuit, weights, execution=Execution(gradient=rule)).sum().backward()
        assert weights.grad.shape == (0,)


@pytest.mark.parametrize(
    "execution",
    [Execution(), Execution(gradient="parameter_shift"), Execution(noise=Noise(one_qubit=0.1))],
    ids=["exact", "shifted", "noisy"],
)
@pytest.mark.parametrize("qubits_of_a_density_matrix", [1, 8])
@pytest.mark.parametrize("power", [1, 2])
def test_a_second_derivative_is_refused_even_where_the_slopes_are_constants(
    execution, qubits_of_a_density_matrix, power
):
    circuit = Circuit(2, (Gate("RY", (0,), Weight(0)),), (PauliString("ZI"),))
    weights = torch.tensor([0.4], dtype=F64, requires_grad=True)
    backend = StatevectorBackend(density_matrix_qubits=qubits_of_a_density_matrix)
    values = backend.expectations(circuit, weights, execution=execution)
    (slope,) = torch.autograd.grad((values**power).sum(), weights, create_graph=True)
    expected = -torch.sin(power * weights.detach())  # of cos, and of its square
    torch.testing.assert_close(slope.detach(), expected, atol=0.3, rtol=0.0)
    with pytest.raises(UnsupportedExecution, match="differentiable only once"):
        torch.autograd.grad((slope * weights).sum(), weights)


def test_shifting_a_shared_value_would_be_wrong_and_is_not_done():
    # <Z> of RY(2x) by two gates of one input: the slope is -2 sin 2x, two-term shifts of x itself would give 0
    circuit = Circuit(1, (Gate("RY", (0,), Input(0)), Gate("RY", (0,), Input(0))), (PauliString("Z"),))
    inputs = torch.tensor([[0.4]], dtype=F64, requires_grad=True)
    execution = Execution(gradient="parameter_shift")
    StatevectorBackend().expectations(circuit, torch.zeros(0, dtype=F64), inputs, None, execution).backward()
    assert float(inputs.grad) == pytest.approx(-2.0 * math.sin(0.8))


def test_a_rule_that_a_backend_lacks_is_refused_with_those_it_has():
    circuit = Circuit(1, (), (PauliString("Z"),))
    with pytest.raises(UnsupportedExecution, match=r"does not support gradient=spsa\. It supports: param"):
        _SampledOnly().expectations(circuit, torch.zeros(0, dtype=F64), execution=Execution(8, gradient="spsa"))
