"""The density-matrix kernels equal the plain PyTorch path, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqlm.backends import reference
from hqlm.backends.angles import angle_columns, as_inputs
from hqlm.backends.kernels.density_engine import final_density_matrices
from hqlm.circuits import Circuit, Gate
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
    circuit = random_circuit(seed, n_qubits, 20, names)
    angles = angle_columns(circuit, *random_parameters(seed, circuit, batch, torch.float64), batch).requires_grad_()
    states = None
    if kind != "none":
        dtype = torch.float64 if kind == "real" else torch.complex128
        states = random_states(seed, batch, n_qubits, dtype).requires_grad_()
    leaves = [angles] if states is None else [angles, states]
    ours = final_density_matrices(*as_inputs(circuit, angles), states, noise)
    theirs = reference.final_density_matrices(circuit, angles, states, noise)
    assert (ours - theirs).abs().max() < 1e-10
    weight = torch.linspace(-1, 1, theirs.numel(), dtype=torch.float64).view_as(theirs) * (1.0 + 0.0 * theirs.detach())
    for one, other in zip(
        torch.autograd.grad((ours * weight).abs().square().sum(), leaves),
        torch.autograd.grad((theirs * weight).abs().square().sum(), leaves),
        strict=True,
    ):
        assert (one - other).abs().max() < 1e-9


@pytest.mark.parametrize("noisy", [True, False])
def test_gates_that_are_not_noisy_have_no_channels(noisy: bool) -> None:
    circuit = Circuit(1, (Gate("X", (0,), noisy=noisy),), ())
    rho = final_density_matrices(circuit, torch.zeros(0), None, None, ALL_CHANNELS)
    assert (rho[0, 1, 1] < 1.0) == noisy
    assert torch.einsum("kii->k", rho).item() == pytest.approx(1.0)
