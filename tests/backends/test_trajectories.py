"""Trajectories: equal to circuits with errors put in, unbiased against density matrices, seeded."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqlm.backends import StatevectorBackend, trajectories
from hqlm.backends.angles import angle_columns, as_inputs
from hqlm.backends.kernels import trajectory_engine
from hqlm.circuits import Circuit, Gate, PauliString
from hqlm.errors import ConfigError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from tests.backends.random_circuits import (
    ALL_GATES,
    REAL_GATES,
    SEEDS,
    random_circuit,
    random_parameters,
    random_states,
)

EXACT = StatevectorBackend()
FEW = StatevectorBackend(trajectories=16, density_matrix_qubits=1)


@given(
    seed=SEEDS,
    n_qubits=st.integers(2, 7),
    batch=st.sampled_from([1, 9, 17]),
    names=st.sampled_from([REAL_GATES, ALL_GATES]),
    phase_damping=st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=30, deadline=None)
def test_kernels_equal_circuits_with_errors_put_in(
    seed: int, n_qubits: int, batch: int, names: tuple[str, ...], phase_damping: float
) -> None:
    circuit = random_circuit(seed, n_qubits, 20, names)
    weights, inputs = random_parameters(seed, circuit, batch, torch.float64)
    states = random_states(seed, batch, n_qubits, torch.float64).requires_grad_()
    angles = angle_columns(circuit, weights, inputs, batch).requires_grad_()
    noise = Noise(one_qubit=0.1, two_qubit=0.3, phase_damping=phase_damping)
    errors = trajectories.shares(trajectories.draw_errors(circuit, noise, 6, seed))
    values = trajectory_engine.expectations(*as_inputs(circuit, angles), states, errors)
    expected = trajectories.expectations(circuit, angles, states, errors)
    assert (values - expected).abs().max() < 1e-10
    weight = torch.linspace(-1, 1, values.numel()).view_as(values)
    for ours, theirs in zip(
        torch.autograd.grad((values * weight).sum(), [angles, states]),
        torch.autograd.grad((expected * weight).sum(), [angles, states]),
        strict=True,
    ):
        assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize(
    "noise", [Noise(one_qubit=0.05, two_qubit=0.1), Noise(phase_damping=0.4), Noise(0.02, 0.05, phase_damping=0.2)]
)
def test_unbiased_against_the_density_matrix(noise: Noise) -> None:
    circuit = random_circuit(4, 4, 20)
    weights, inputs = random_parameters(4, circuit, 3, torch.float64)
    weights.requires_grad_()

    def value_and_slope(backend: StatevectorBackend, seed: int) -> torch.Tensor:
        values = backend.expectations(circuit, weights, inputs, execution=Execution(noise=noise, seed=seed))
        (slope,) = torch.autograd.grad(values.sum(), weights)
        return torch.cat((values.detach().flatten(), slope))

    exact = value_and_slope(EXACT, 0)
    estimates = torch.stack([value_and_slope(FEW, seed) for seed in range(100)])
    deviation = estimates.std(0) / math.sqrt(len(estimates))
    assert deviation.max() > 0.0
    assert ((estimates.mean(0) - exact).abs() < 5 * deviation + 1e-9).all()


def test_every_shot_has_its_own_errors() -> None:
    circuit = Circuit(2, tuple(Gate("I", (0,)) for _ in range(10)), (PauliString("ZI"),))
    weights = torch.zeros(0)
    execution = Execution(shots=8000, noise=Noise(one_qubit=0.05))
    noisy = FEW.sample(circuit, weights, execution=execution)[0, :, 0].double().mean()
    exact = (1 - EXACT.expectations(circuit, weights, execution=replace(execution, shots=None)).item()) / 2
    assert 0.1 < exact < 0.4
    assert abs(noisy - exact) < 5 * math.sqrt(exact * (1 - exact) / 8000)


def test_seeds_and_number_of_trajectories_matter() -> None:
    circuit = random_circuit(3, 5, 30)
    weights, inputs = random_parameters(3, circuit, 4, torch.float32)

    def values(seed: int | None, backend: StatevectorBackend = FEW) -> torch.Tensor:
        execution = Execution(noise=Noise(two_qubit=0.2), seed=seed)
        return backend.expectations(circuit, weights, inputs, execution=execution)

    assert torch.equal(values(1), values(1))
    assert torch.equal(values(None), values(0))
    assert not torch.equal(values(1), values(2))
    assert not torch.equal(values(1), values(1, replace(FEW, trajectories=17)))


@pytest.mark.parametrize("rule", ["parameter_shift", "adjoint"])
def test_both_gradients_agree_because_errors_are_the_same(rule: str) -> None:
    circuit = random_circuit(9, 3, 15, REAL_GATES)
    weights, inputs = random_parameters(9, circuit, 2, torch.float64)
    states = random_states(9, 2, 3, torch.float64)
    weights.requires_grad_()
    noise = Noise(one_qubit=0.05, two_qubit=0.1, readout=0.1)
    slopes = [
        torch.autograd.grad(FEW.expectations(circuit, weights, inputs, states, execution).sum(), weights)[0]
        for execution in (Execution(noise=noise, seed=3), Execution(noise=noise, seed=3, gradient=rule))
    ]
    assert torch.allclose(*slopes, atol=1e-9)


def test_amplitude_damping_beyond_density_matrices_is_refused() -> None:
    circuit = random_circuit(1, 2, 5)
    weights, inputs = random_parameters(1, circuit, 1, torch.float32)
    execution = Execution(noise=Noise(amplitude_damping=0.1))
    assert EXACT.expectations(circuit, weights, inputs, execution=execution).isfinite().all()
    with pytest.raises(UnsupportedExecution, match="density_matrix_qubits=2"):
        FEW.expectations(circuit, weights, inputs, execution=execution)
    with pytest.raises(UnsupportedExecution, match="amplitude_damping"):
        FEW.sample(circuit, weights, inputs, execution=replace(execution, shots=5))


def test_a_backend_needs_a_trajectory() -> None:
    with pytest.raises(ConfigError, match="trajectories"):
        StatevectorBackend(trajectories=0)


def test_no_error_follows_a_change_of_basis() -> None:
    circuit = Circuit(1, (Gate("H", (0,)), Gate("H", (0,), noisy=False)), ())
    drawn = trajectories.draw_errors(circuit, Noise(one_qubit=1.0, phase_damping=1.0), 8, seed=0)
    assert {gate for errors in drawn for gate, _, _ in errors} == {0}
