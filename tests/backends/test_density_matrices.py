"""The density-matrix kernels equal the plain PyTorch path, values and gradients."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqlm.backends import reference
from hqlm.backends.angles import angle_columns
from hqlm.backends.kernels import density_engine
from hqlm.circuits import Circuit, Gate, PauliString
from hqlm.execution import Noise
from tests.backends.random_circuits import (
    ALL_GATES,
    REAL_GATES,
    SEEDS,
    random_circuit,
    random_parameters,
    random_states,
)

ALL_CHANNELS = Noise(one_qubit=0.05, two_qubit=0.1, amplitude_damping=0.07, phase_damping=0.2)


@given(
    seed=SEEDS,
    n_qubits=st.integers(1, 4),
    batch=st.sampled_from([1, 17]),
    names=st.sampled_from([REAL_GATES, ALL_GATES]),
    kind=st.sampled_from(["none", "real", "complex"]),
    noise=st.sampled_from([Noise(two_qubit=0.3), Noise(one_qubit=0.1), Noise(amplitude_damping=1.0), ALL_CHANNELS]),
)
@settings(max_examples=40, deadline=None)
def test_equal_the_reference_path(
    seed: int, n_qubits: int, batch: int, names: tuple[str, ...], kind: str, noise: Noise
) -> None:
    every = tuple(PauliString("".join(letters)) for letters in product("IXYZ", repeat=n_qubits))
    circuit = replace(random_circuit(seed, n_qubits, 20, names), observables=every)
    leaves = list(random_parameters(seed, circuit, batch, torch.float64))
    if kind != "none":
        leaves.append(random_states(seed, batch, n_qubits, torch.float64 if kind == "real" else torch.complex128))
    weights, inputs, *rest = (leaf.requires_grad_() for leaf in leaves)
    states = rest[0] if rest else None
    ours = density_engine.expectations(circuit, weights, inputs, states, noise)
    rho = reference.final_density_matrices(circuit, angle_columns(circuit, weights, inputs, batch), states, noise)
    theirs = reference.density_expectations(circuit.observables, rho)
    assert (ours - theirs).abs().max() < 1e-10
    weight = torch.linspace(-1, 1, theirs.numel(), dtype=torch.float64).view_as(theirs)
    for one, other in zip(
        torch.autograd.grad((ours * weight).sum(), leaves, allow_unused=True),
        torch.autograd.grad((theirs * weight).sum(), leaves, allow_unused=True),
        strict=True,
    ):
        assert one is None or (one - (0.0 if other is None else other)).abs().max() < 1e-9


@pytest.mark.parametrize("noisy", [True, False])
def test_gates_that_are_not_noisy_have_no_channels(noisy: bool) -> None:
    circuit = Circuit(1, (Gate("X", (0,), noisy=noisy),), (PauliString("Z"), PauliString("I")))
    polarisation, trace = density_engine.expectations(circuit, torch.zeros(0), None, None, ALL_CHANNELS)[0].tolist()
    assert (polarisation > -1.0) == noisy
    assert trace == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["none", "complex"])
def test_probabilities_are_the_diagonal(kind: str) -> None:
    circuit = random_circuit(3, 4, 20, ALL_GATES)
    weights, inputs = random_parameters(3, circuit, 5, torch.float64)
    states = random_states(3, 5, 4, torch.complex128) if kind == "complex" else None
    ours = density_engine.probabilities(circuit, weights, inputs, states, ALL_CHANNELS)
    rho = reference.final_density_matrices(circuit, angle_columns(circuit, weights, inputs, 5), states, ALL_CHANNELS)
    assert (ours - rho.diagonal(dim1=1, dim2=2).real).abs().max() < 1e-10
