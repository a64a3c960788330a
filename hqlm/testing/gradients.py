"""Checks of gradients: each declared rule against central differences in double precision."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution, Gradient, Noise
from hqlm.testing import density
from hqlm.testing.strategies import random_states
from hqlm.testing.suite import BackendSuite, has_exact_values, has_shots

_RULES: tuple[Gradient, ...] = ("adjoint", "parameter_shift", "spsa", "surrogate")
_STEP = 1e-5
_WEIGHTS = torch.tensor([0.4, -0.9, 1.3], dtype=torch.float64)
_INPUTS = torch.tensor([[0.3, 1.1], [-0.8, 0.5]], dtype=torch.float64)
_FACTORS = torch.tensor([[1.0, -0.5], [0.7, 1.2]], dtype=torch.float64)  # of the loss: (batch, n_observables)

# every kind of rule: one- and two-qubit rotations, controlled ones, shared and scaled parameters, a constant
_GATES = (
    Gate("RY", (0,), Input(0, 0.5)),
    Gate("RY", (1,), Weight(0)),
    Gate("RX", (0,), Weight(1, -0.5)),
    Gate("CNOT", (0, 1)),
    Gate("RY", (0,), Input(0, 2.0)),
    Gate("RZ", (1,), Input(1)),
    Gate("CRY", (1, 0), Weight(1, 1.5)),
    Gate("RXX", (0, 1), Weight(2)),
    Gate("RY", (1,), 0.6),
    Gate("CRX", (0, 1), Input(1, -1.0)),
    Gate("RY", (0,), Weight(0, 2.0)),
    Gate("RY", (1,), Weight(2, 0.5)),
)


def _circuit(backend: QuantumBackend) -> Circuit:
    """Return a circuit of the backend's gates; with RY alone every parameter but the second input is used twice."""
    gates = tuple(gate for gate in _GATES if gate.name in backend.gates)
    return Circuit(2, gates, (PauliString("ZI"), PauliString("ZZ")))


def _parameters(circuit: Circuit) -> tuple[Tensor, Tensor]:
    weights, inputs = _WEIGHTS[: circuit.n_weights], _INPUTS[:, : circuit.n_inputs]
    return weights.clone().requires_grad_(), inputs.clone().requires_grad_()


def _slopes(circuit: Circuit, noise: Noise = Noise(), step: float = _STEP) -> tuple[Tensor, Tensor]:
    """Return central differences of the loss in every weight and input, from density matrices in plain NumPy."""
    tensors = [tensor.detach() for tensor in _parameters(circuit)]
    found = []
    for place, tensor in enumerate(tensors):
        slope = torch.zeros_like(tensor)
        for index in range(tensor.numel()):
            moved = torch.zeros_like(tensor)
            moved.view(-1)[index] = step
            ends = [[*tensors[:place], tensor + sign * moved, *tensors[place + 1 :]] for sign in (1, -1)]
            up, down = (density.expectations(circuit, w, x, None, noise) for w, x in ends)
            slope.view(-1)[index] = ((up - down) * _FACTORS).sum() / (2 * step)
        found.append(slope)
    return found[0], found[1]


def _squared_scales(circuit: Circuit, *kinds: type[object]) -> float:
    angles = [gate.angle for gate in circuit.rotations if isinstance(gate.angle, Weight | Input)]
    return sum(angle.scale**2 for angle in angles if type(angle) in kinds)


def _deviation(circuit: Circuit, shots: int, kind: type[object]) -> float:
    """Return a bound on the standard deviation of a parameter-shift gradient: every occurrence adds its own."""
    return math.sqrt(_squared_scales(circuit, kind)) * float(_FACTORS.abs().sum()) * math.sqrt(0.5 / shots)


class GradientChecks(BackendSuite):
    """Gradients of expectation values in weights, inputs and initial states."""

    def gradients(self, backend: QuantumBackend, circuit: Circuit, execution: Execution) -> tuple[Tensor, Tensor]:
        """Return the gradients of the loss in weights and inputs."""
        weights, inputs = _parameters(circuit)
        values = backend.expectations(circuit, weights, inputs, None, execution)
        found = torch.autograd.grad((values * _FACTORS).sum(), (weights, inputs))
        return found[0], found[1]

    def exact(self, backend: QuantumBackend, rule: Gradient) -> Execution | None:
        """Return an exact execution with a rule, or None after checking that it is rejected."""
        execution = Execution(gradient=rule)
        if has_exact_values(backend) and rule in backend.gradients:
            return execution
        circuit = _circuit(backend)
        with pytest.raises(UnsupportedExecution):
            backend.expectations(circuit, *_parameters(circuit), None, execution)
        return None

    def assert_slopes(self, found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
        """Check the equality of exact gradients."""
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=10 * self.atol, rtol=0.0)

    @pytest.mark.parametrize("rule", ["auto", "adjoint", "parameter_shift", "surrogate"])
    def test_exact_gradients_equal_central_differences(self, backend: QuantumBackend, rule: Gradient) -> None:
        """Shared weights with scales, and inputs that several gates read; an undeclared rule is rejected."""
        circuit = _circuit(backend)
        if rule == "auto" and has_exact_values(backend):
            execution: Execution | None = Execution()
        else:
            execution = self.exact(backend, rule)
        if execution is not None:
            self.assert_slopes(self.gradients(backend, circuit, execution), _slopes(circuit))

    def test_exact_gradients_of_noisy_values_equal_central_differences(self, backend: QuantumBackend) -> None:
        """Under every declared channel and readout errors, by every unbiased rule."""
        noise = Noise(**dict.fromkeys(sorted(backend.channels), 0.1), readout=0.1)
        circuit = _circuit(backend)
        unbiased: tuple[Gradient, ...] = ("adjoint", "parameter_shift")
        for rule in unbiased:
            if self.exact(backend, rule) is not None:
                execution = Execution(noise=noise, gradient=rule)
                self.assert_slopes(self.gradients(backend, circuit, execution), _slopes(circuit, noise))

    def test_spsa_of_one_angle_is_the_central_difference_of_its_step(self, backend: QuantumBackend) -> None:
        """With a single angle the random sign cancels: the estimate is deterministic."""
        if self.exact(backend, "spsa") is None:
            return
        circuit = Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),))
        weights = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
        for step in (0.1, 0.5):
            values = backend.expectations(circuit, weights, execution=Execution(gradient="spsa", spsa_step=step))
            (slope,) = torch.autograd.grad(values.sum(), weights)
            expected = (math.cos(0.7 + step) - math.cos(0.7 - step)) / (2 * step)
            assert abs(float(slope) - expected) < 10 * self.atol / step

    def test_spsa_is_right_on_average(self, backend: QuantumBackend) -> None:
        """The mean of 150 perturbations of all angles lies within five sigma of the gradient."""
        if self.exact(backend, "spsa") is None:
            return
        samples, circuit = 150, _circuit(backend)
        execution = Execution(seed=2, gradient="spsa", spsa_step=0.01, spsa_samples=samples)
        slopes = _slopes(circuit)
        sigma = float(_FACTORS.abs().sum()) * math.sqrt(_squared_scales(circuit, Weight, Input) / samples)
        for a, b in zip(self.gradients(backend, circuit, execution), slopes, strict=True):
            assert bool(((a - b).abs() < 5.0 * sigma).all())

    def test_parameter_shift_of_shots_is_right_within_five_sigma(self, backend: QuantumBackend) -> None:
        """`auto` under shots is parameter shift, and equals it sample by sample."""
        circuit = _circuit(backend)
        execution = Execution(shots=self.shots, seed=4, gradient="parameter_shift")
        if not has_shots(backend) or "parameter_shift" not in backend.gradients:
            with pytest.raises(UnsupportedExecution):
                self.gradients(backend, circuit, execution)
            return
        found = self.gradients(backend, circuit, execution)
        for a, b, kind in zip(found, _slopes(circuit), (Weight, Input), strict=True):
            assert bool(((a - b).abs() < 5.0 * _deviation(circuit, self.shots, kind)).all())
        if backend.seeded:
            again = self.gradients(backend, circuit, Execution(shots=self.shots, seed=4))
            assert torch.equal(torch.cat([a.flatten() for a in found]), torch.cat([a.flatten() for a in again]))

    def test_a_surrogate_keeps_the_value_and_takes_the_exact_gradient(self, backend: QuantumBackend) -> None:
        """The value is this backend's, shots and noise included; the gradient is that of the noise-free value."""
        circuit = _circuit(backend)
        noise = Noise(**dict.fromkeys(sorted(backend.channels), 0.1), readout=0.2 * backend.readout_errors)
        for plain in self.executions(backend, noise):
            execution = Execution(plain.shots, noise, plain.seed, gradient="surrogate")
            if "surrogate" not in backend.gradients:
                with pytest.raises(UnsupportedExecution, match="surrogate"):
                    self.gradients(backend, circuit, execution)
                continue
            self.assert_slopes(self.gradients(backend, circuit, execution), _slopes(circuit))
            weights, inputs = _parameters(circuit)
            values = backend.expectations(circuit, weights, inputs, None, execution).detach()
            expected = density.expectations(circuit, weights, inputs, None, noise)
            assert bool(((values - expected).abs() <= self.tolerance(expected, plain.shots)).all())

    @pytest.mark.parametrize("rule", _RULES)
    def test_only_what_requires_a_gradient_gets_one(self, backend: QuantumBackend, rule: Gradient) -> None:
        """Only weights, only inputs, and an empty tensor of weights."""
        circuit = _circuit(backend)
        execution = Execution(None if has_exact_values(backend) else 64, gradient=rule)
        weights, inputs = _parameters(circuit)
        if rule not in backend.gradients or (rule == "adjoint" and not has_exact_values(backend)):
            with pytest.raises(UnsupportedExecution):
                backend.expectations(circuit, weights, inputs, None, execution)
            return
        fixed = Circuit(1, (Gate("RY", (0,), 0.5),), (PauliString("Z"),))
        empty = torch.zeros(0, dtype=torch.float64, requires_grad=True)
        for run, w, x, wanted in (
            (circuit, weights, inputs.detach(), weights),
            (circuit, weights.detach(), inputs, inputs),
            (fixed, empty, None, empty),
        ):
            (slope,) = torch.autograd.grad(backend.expectations(run, w, x, None, execution).sum(), wanted)
            assert slope.shape == wanted.shape
            assert not slope.numel() or bool(slope.abs().max() > 0.0)

    def test_gradients_of_initial_states_need_adjoint(self, backend: QuantumBackend) -> None:
        """Under adjoint the gradient flows into the states; every other measured rule rejects them."""
        circuit = Circuit(2, (Gate("RY", (0,), 0.4),), (PauliString("ZZ"), PauliString("XI")))
        ends = random_states(2, 2, dtype=torch.float64)

        def states(t: Tensor) -> Tensor:
            mixed = ends + t * ends.flip(1)
            normalised: Tensor = mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True)
            return normalised

        none, t = torch.zeros(0, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        measured_rules: tuple[Gradient, ...] = ("parameter_shift", "spsa")
        for rule in measured_rules:
            measured = Execution(shots=None if has_exact_values(backend) else 64, gradient=rule)
            with pytest.raises(UnsupportedExecution):
                backend.expectations(circuit, none, None, states(t), measured)
        if not backend.initial_states or self.exact(backend, "adjoint") is None:
            return
        values = backend.expectations(circuit, none, None, states(t), Execution(gradient="adjoint"))
        (slope,) = torch.autograd.grad((values * _FACTORS).sum(), t)
        up, down = (
            StatevectorBackend().expectations(circuit, none, None, states(t.detach() + h)) for h in (_STEP, -_STEP)
        )
        expected = ((up - down) * _FACTORS).sum() / (2 * _STEP)
        torch.testing.assert_close(slope, expected, atol=10 * self.atol, rtol=0.0)
