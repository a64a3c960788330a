"""The compiled kernels equal the plain PyTorch path and PennyLane, values and gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad

from hqlm.backends import StatevectorBackend, reference
from hqlm.backends.angles import angle_columns
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, RingAnsatz, Weight
from hqlm.execution import Execution, Noise
from tests.backends.random_circuits import (
    ALL_GATES,
    REAL_GATES,
    SEEDS,
    random_circuit,
    random_parameters,
    random_states,
)

BACKEND = StatevectorBackend()
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-10}


def reference_values(circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
    rows = [len(t) for t in (inputs, states) if t is not None]
    angles = angle_columns(circuit, weights, inputs, rows[0] if rows else 1)
    return reference.state_expectations(circuit.observables, reference.final_states(circuit, angles, states))


def slopes(values: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    mixed = (values * torch.linspace(-1, 2, values.numel(), dtype=values.dtype).view_as(values)).sum()
    return [g for g in torch.autograd.grad(mixed, leaves, allow_unused=True) if g is not None]


def leaves_of(circuit: Circuit, seed: int, batch: int, dtype: torch.dtype, kind: str) -> list[Tensor]:
    leaves = list(random_parameters(seed, circuit, batch, dtype))
    if kind != "none":
        leaves.append(
            random_states(seed, batch, circuit.n_qubits, dtype if kind == "real" else dtype.to_complex()),
        )
    return [leaf.requires_grad_() for leaf in leaves]


@given(
    seed=SEEDS,
    n_qubits=st.integers(1, 8),
    batch=st.sampled_from([1, 3, 8, 16, 19, 33]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    names=st.sampled_from([REAL_GATES, ALL_GATES]),
    kind=st.sampled_from(["none", "real", "complex"]),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_reference_path(
    seed: int, n_qubits: int, batch: int, dtype: torch.dtype, names: tuple[str, ...], kind: str
) -> None:
    circuit = random_circuit(seed, n_qubits, 30, names)
    weights, inputs, *states = leaves_of(circuit, seed, batch, dtype, kind)
    leaves = [weights, inputs, *states]
    initial = states[0] if states else None
    values = BACKEND.expectations(circuit, weights, inputs, initial)
    expected = reference_values(circuit, weights, inputs, initial)
    assert values.dtype == dtype
    assert (values - expected).abs().max() < TOLERANCE[dtype]
    for ours, theirs in zip(slopes(values, leaves), slopes(expected, leaves), strict=True):
        assert (ours - theirs).abs().max() < 20 * TOLERANCE[dtype]
    with torch.no_grad():
        assert torch.equal(BACKEND.expectations(circuit, weights, inputs, initial), values)


@pytest.mark.parametrize("name", ALL_GATES)
@pytest.mark.parametrize("n_qubits", [2, 6])
@pytest.mark.parametrize("batch", [2, 17])
def test_final_states_of_every_gate_on_all_wires(name: str, n_qubits: int, batch: int) -> None:
    pairs = [(a, b) for a in range(n_qubits) for b in range(n_qubits) if a != b]
    wires = pairs if GATES[name].n_wires == 2 else [(wire,) for wire in range(n_qubits)]
    angle = Input(0) if GATES[name].parameterised else None
    circuit = Circuit(n_qubits, tuple(Gate(name, places, angle) for places in wires), ())
    states = random_states(5, batch, n_qubits, torch.complex128)
    inputs = torch.linspace(-3, 3, batch * circuit.n_inputs, dtype=torch.float64).view(batch, circuit.n_inputs)
    weights = torch.zeros(0, dtype=torch.float64)
    final = BACKEND.states(circuit, weights, inputs, states)
    expected = reference.final_states(circuit, angle_columns(circuit, weights, inputs, batch), states)
    assert (final - expected).abs().max() < 1e-12  # global phase included


@given(seed=SEEDS, n_qubits=st.integers(1, 6), batch=st.sampled_from([1, 5, 16]))
@settings(max_examples=15, deadline=None)
def test_equals_pennylane(seed: int, n_qubits: int, batch: int) -> None:
    import pennylane as qml

    circuit = random_circuit(seed, n_qubits, 25)
    weights, inputs, states = leaves_of(circuit, seed, batch, torch.float64, "complex")

    @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface="torch", diff_method="backprop")
    def node(weights: Tensor, inputs: Tensor, states: Tensor) -> list[Tensor]:
        qml.StatePrep(states, wires=range(n_qubits))
        for gate in circuit.gates:
            apply_in_pennylane(qml, gate, weights, inputs)
        return [qml.expval(qml.pauli.string_to_pauli_word(o.letters)) for o in circuit.observables]

    values = BACKEND.expectations(circuit, weights, inputs, states)
    expected = torch.stack([v.expand(batch) for v in node(weights, inputs, states)], dim=1)
    assert (values - expected).abs().max() < 1e-9
    for ours, theirs in zip(
        slopes(values, [weights, inputs]), slopes(expected, [weights, inputs]), strict=True
    ):  # its gradient of the states goes through a normalisation
        assert (ours - theirs).abs().max() < 1e-8


def apply_in_pennylane(qml: object, gate: Gate, weights: Tensor, inputs: Tensor) -> None:
    names = {"I": "Identity", "H": "Hadamard", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ"}
    names |= {"RXX": "IsingXX", "RYY": "IsingYY", "RZZ": "IsingZZ"}
    adjoint = gate.name in ("SDG", "TDG", "SXDG")
    bare = gate.name.removesuffix("DG")
    operation = getattr(qml, names.get(bare, bare))
    if gate.angle is None:
        (qml.adjoint(operation) if adjoint else operation)(wires=gate.wires)
    elif isinstance(gate.angle, Weight):
        operation(gate.angle.scale * weights[gate.angle.index], wires=gate.wires)
    elif isinstance(gate.angle, Input):
        operation(gate.angle.scale * inputs[:, gate.angle.index], wires=gate.wires)
    else:
        operation(gate.angle, wires=gate.wires)


@pytest.mark.parametrize("n_qubits", [3, 6])
@pytest.mark.parametrize("names", [REAL_GATES, ALL_GATES])
def test_gradcheck(n_qubits: int, names: tuple[str, ...]) -> None:
    circuit = random_circuit(11, n_qubits, 20, names)
    weights, inputs, states = leaves_of(circuit, 3, 2, torch.float64, "real" if names is REAL_GATES else "complex")

    def values(weights: Tensor, inputs: Tensor, states: Tensor) -> Tensor:
        normalised = states / torch.linalg.vector_norm(states, dim=1, keepdim=True)
        return BACKEND.expectations(circuit, weights, inputs, normalised)

    def finals(weights: Tensor, inputs: Tensor, states: Tensor) -> Tensor:
        normalised = states / torch.linalg.vector_norm(states, dim=1, keepdim=True)
        return torch.view_as_real(BACKEND.states(circuit, weights, inputs, normalised))

    assert torch.autograd.gradcheck(values, (weights, inputs, states))
    assert torch.autograd.gradcheck(finals, (weights, inputs, states))


def test_backward_twice_gives_the_same() -> None:
    circuit = random_circuit(2, 5, 30)
    weights, inputs = leaves_of(circuit, 2, 4, torch.float64, "none")
    total = BACKEND.expectations(circuit, weights, inputs).sum()
    first = torch.autograd.grad(total, [weights, inputs], retain_graph=True)
    second = torch.autograd.grad(total, [weights, inputs])
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own forward mode
def test_forward_mode_derivatives_are_refused_instead_of_lost() -> None:
    circuit = random_circuit(2, 3, 10)
    weights, inputs = random_parameters(2, circuit, 2, torch.float32)
    with forward_ad.dual_level(), torch.no_grad(), pytest.raises(NotImplementedError, match="forward mode"):
        BACKEND.expectations(circuit, forward_ad.make_dual(weights, torch.ones_like(weights)), inputs)


def test_tensors_that_torch_negates_lazily() -> None:
    circuit = random_circuit(2, 3, 10, REAL_GATES)
    weights, inputs = random_parameters(2, circuit, 2, torch.float32)
    states = random_states(2, 2, 3, torch.float32)
    lazy = [torch.complex(torch.zeros_like(each), -each).conj().imag for each in (weights, inputs, states)]
    assert all(each.is_neg() for each in lazy)
    assert torch.equal(BACKEND.expectations(circuit, *lazy), BACKEND.expectations(circuit, weights, inputs, states))


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("n_qubits", [3, 9])  # with noise, one as a density matrix and one as trajectories
def test_gradients_that_torch_negates_lazily(n_qubits: int, noise: float) -> None:
    circuit, execution = random_circuit(2, n_qubits, 10), Execution(noise=Noise(one_qubit=noise))
    leaves = leaves_of(circuit, 2, 2, torch.float64, "none")
    values = BACKEND.expectations(circuit, *leaves, execution=execution)
    conjugate = torch.complex(torch.ones_like(values), values).conj()
    found = torch.autograd.grad((conjugate * 1j).real.sum(), leaves, retain_graph=True)  # the sum of the values
    expected = torch.autograd.grad(values.sum(), leaves)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("n_qubits", [4, 7])
def test_two_thousand_gates(n_qubits: int) -> None:
    circuit = random_circuit(8, n_qubits, 2000)
    weights, inputs = leaves_of(circuit, 1, 3, torch.float64, "none")
    values = BACKEND.expectations(circuit, weights, inputs)
    expected = reference_values(circuit, weights, inputs, None)
    assert (values - expected).abs().max() < 1e-10
    for ours, theirs in zip(slopes(values, [weights, inputs]), slopes(expected, [weights, inputs]), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-8)


def assert_deep_circuits_are_exact_in_single_precision(
    names: tuple[str, ...], n_qubits: int, batch: int, idle: int = 0
) -> None:
    """Cosines rounded alike 800 times would break the bound of gradients; `idle` qubits stand before others."""
    circuit = random_circuit(1, n_qubits - idle, 4000, names)
    gates = (replace(gate, wires=tuple(wire + idle for wire in gate.wires)) for gate in circuit.gates)
    circuit = Circuit(n_qubits, tuple(gates), tuple(PauliString("I" * idle + o.letters) for o in circuit.observables))
    weights, inputs = random_parameters(1, circuit, batch, torch.float32)
    leaves, exact = (
        [weights.to(t).requires_grad_(), inputs.to(t).requires_grad_()] for t in (torch.float32, torch.double)
    )
    values, expected = BACKEND.expectations(circuit, *leaves), BACKEND.expectations(circuit, *exact)
    assert (values - expected).abs().max() < 6e-6
    for ours, theirs in zip(slopes(values, leaves), slopes(expected, exact), strict=True):
        assert (ours - theirs).abs().max() < 1.2e-5 * theirs.abs().max()


@pytest.mark.parametrize(("n_qubits", "batch"), [(2, 17), (7, 1), (7, 8)])
@pytest.mark.parametrize("names", [REAL_GATES, ALL_GATES])
def test_deep_circuits_are_exact_in_single_precision(names: tuple[str, ...], n_qubits: int, batch: int) -> None:
    assert_deep_circuits_are_exact_in_single_precision(names, n_qubits, batch)


def test_small_angles_are_as_fast_as_large_ones_because_denormals_are_flushed() -> None:
    gates = tuple(Gate("RY", (wire,), Weight(0)) for wire in range(12))
    circuit = Circuit(12, gates, (PauliString("Z" * 12),))
    weights = torch.tensor([1e-4])  # the smallest amplitude is 5e-5 ** 12, far below float32
    assert BACKEND.expectations(circuit, weights).item() == pytest.approx(1.0, abs=1e-6)
    assert torch.tensor(1e-40).mul(1.0).item() > 0.0  # and torch keeps them afterwards


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_twenty_qubits(batch: int) -> None:
    gates = (*RingAnsatz(2).gates(20, 1), *(Gate("RX", (wire,), Input(0)) for wire in range(20)))
    circuit = Circuit(20, gates, (PauliString.z(0, 20), PauliString("XY" * 10)))
    weights, inputs = leaves_of(circuit, 4, batch, torch.float32, "none")
    values = BACKEND.expectations(circuit, weights, inputs)
    expected = reference_values(circuit, weights, inputs, None)
    assert (values - expected).abs().max() < 1e-4
    for ours, theirs in zip(slopes(values, [weights, inputs]), slopes(expected, [weights, inputs]), strict=True):
        assert (ours - theirs).abs().max() < 1e-4


def test_samples_follow_the_state() -> None:
    circuit = random_circuit(6, 6, 40)
    weights, inputs = random_parameters(6, circuit, 2, torch.float64)
    bits = BACKEND.sample(circuit, weights, inputs, execution=Execution(shots=20000, seed=1))
    places = 1 << torch.arange(5, -1, -1)
    for row, state in zip((bits.long() * places).sum(-1), BACKEND.states(circuit, weights, inputs), strict=True):
        counts = torch.bincount(row, minlength=64) / 20000
        assert (counts - state.abs().square()).abs().max() < 5 * math.sqrt(0.25 / 20000)


def test_many_gates_in_single_precision_stay_within_the_bound_that_is_told(caplog):
    circuit = Circuit(1, (Gate("RX", (0,), Weight(0)),) * 10_001, (PauliString("Z"),))
    weights = torch.tensor([1.234])
    with caplog.at_level("INFO"):
        values = BACKEND.expectations(circuit, weights)
        exact = BACKEND.expectations(circuit, weights.double())
    assert caplog.text.count("10,001 gates in float32") == 1
    assert "trainer.precision=64-true" in caplog.text
    assert float(exact) == pytest.approx(math.cos(10_001 * float(weights)), abs=1e-8)
    assert abs(float(values) - float(exact)) < 0.004
