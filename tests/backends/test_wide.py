"""Large states cut into pieces equal whole ones, and threads change no value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hqlm.backends import StatevectorBackend, reference
from hqlm.backends.angles import angle_columns
from hqlm.backends.kernels import engine, threads, wide
from hqlm.backends.kernels.job import Job
from hqlm.circuits import GATES, Circuit, Gate, PauliString
from tests.backends.random_circuits import (
    ALL_GATES,
    REAL_GATES,
    SEEDS,
    every_pair,
    random_circuit,
    random_parameters,
    random_states,
)
from tests.backends.test_kernels import (
    TOLERANCE,
    assert_deep_circuits_are_exact_in_single_precision,
    reference_values,
    slopes,
)

CASES = {
    "seed": SEEDS,
    "names": st.sampled_from([REAL_GATES, ALL_GATES]),
}


def leaves_of(seed: int, n_qubits: int, batch: int, names: tuple[str, ...], dtype: torch.dtype) -> list[Tensor]:
    circuit = random_circuit(seed, n_qubits, 40, names)
    states = random_states(seed, batch, n_qubits, dtype if names is REAL_GATES else dtype.to_complex())
    return [leaf.requires_grad_() for leaf in (*random_parameters(seed, circuit, batch, dtype), states)]


@contextmanager
def pieces() -> Iterator[None]:
    """Small states are cut too, and shared out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "is_wide", lambda job: job.program.table.lane_qubits > 0 and job.program.n_qubits > 8)
        patch.setattr(wide, "_SMALL", 0)
        yield


@contextmanager
def number_of_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@given(batch=st.integers(1, 2), n_qubits=st.integers(9, 11), number=st.integers(1, 3), **CASES)
@settings(max_examples=60, deadline=None)
def test_values_gradients_and_states_of_pieces_equal_the_reference_path(
    batch: int, n_qubits: int, number: int, seed: int, names: tuple[str, ...]
) -> None:
    circuit = random_circuit(seed, n_qubits, 40, names)
    leaves = weights, inputs, states = leaves_of(seed, n_qubits, batch, names, torch.float64)
    with pieces(), number_of_threads(number):
        values, finals = (
            StatevectorBackend().expectations(circuit, *leaves),
            StatevectorBackend().states(circuit, *leaves),
        )
        found = slopes(values, leaves), slopes(finals.abs(), leaves)
    expected = reference_values(circuit, *leaves)
    assert (values - expected).abs().max() < TOLERANCE[torch.float64]
    for ours, theirs in zip(found[0], slopes(expected, leaves), strict=True):
        assert (ours - theirs).abs().max() < 20 * TOLERANCE[torch.float64]
    expected = reference.final_states(circuit, angle_columns(circuit, weights, inputs, batch), states)
    assert (finals - expected).abs().max() < TOLERANCE[torch.float64]
    for ours, theirs in zip(found[1], slopes(expected.abs(), leaves), strict=True):
        assert (ours - theirs).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("n_qubits", "wires", "cut"),
    [(4, (0, 3), False), (6, (0, 1), False), (6, (1, 4), False), (6, (4, 5), False), (9, (0, 1), True)],
)
def test_every_gate_after_every_gate(n_qubits: int, wires: tuple[int, ...], cut: bool) -> None:
    """Lanes are rows up to four qubits; beyond, the last four qubits are lanes, and the first ones number pieces."""
    circuit = every_pair(n_qubits, wires)
    _, inputs = random_parameters(1, circuit, 1, torch.float64)
    leaves = [inputs.requires_grad_(), random_states(1, 1, n_qubits, torch.complex128).requires_grad_()]
    weights = torch.zeros(0, dtype=torch.float64)
    with pieces() if cut else nullcontext():
        values = StatevectorBackend().expectations(circuit, weights, *leaves)
        found = values, *slopes(values, leaves)
    expected = reference_values(circuit, weights, *leaves)
    for ours, theirs in zip(found, (expected, *slopes(expected, leaves)), strict=True):
        assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("idle", [0, 3])
def test_deep_circuits_of_pieces_are_exact_in_single_precision(idle: int) -> None:
    """Where the first three qubits are idle, nothing ever mixes the pieces."""
    with pieces(), number_of_threads(2):
        assert_deep_circuits_are_exact_in_single_precision(ALL_GATES, 9, 1, idle)


@pytest.mark.parametrize("second", ["RXX", "RYY", "SWAP", "CNOT"])
def test_a_gate_whose_pairs_lie_in_two_pieces(second: str) -> None:
    """Eighteen qubits, of which all but two are left alone, have the values of two qubits."""

    def values(n_qubits: int, first: str) -> Tensor:
        def gate(name: str) -> Gate:
            return Gate(name, tuple(range(GATES[name].n_wires)), 0.7 if GATES[name].parameterised else None)

        gates = Gate("RY", (0,), 0.4), Gate("RY", (1,), 1.1), gate(first), gate(second)
        observables = tuple(PauliString(letters.ljust(n_qubits, "I")) for letters in ("ZI", "IZ", "XY", "ZZ"))
        return StatevectorBackend().expectations(Circuit(n_qubits, gates, observables), torch.zeros(0).double())

    for first in GATES:
        assert (values(18, first) - values(2, first)).abs().max() < TOLERANCE[torch.float64]


@pytest.mark.parametrize("cut", [False, True])
@given(
    batch=st.sampled_from([1, 3, 16, 50]),
    n_qubits=st.integers(2, 10),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    **CASES,
)
@settings(max_examples=20, deadline=None)
def test_number_of_threads_changes_no_value(
    cut: bool, batch: int, n_qubits: int, seed: int, names: tuple[str, ...], dtype: torch.dtype
) -> None:
    circuit = random_circuit(seed, n_qubits, 40, names)
    leaves = leaves_of(seed, n_qubits, batch, names, dtype)
    found = []
    with pytest.MonkeyPatch.context() as patch, pieces() if cut else nullcontext():
        patch.setattr(Job, "is_small", False)
        for number in (1, 2, 5):
            with number_of_threads(number):
                values = StatevectorBackend().expectations(circuit, *leaves)
                found.append([values, *slopes(values, leaves)])
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_what_is_cut() -> None:
    def cut(n_qubits: int, batch: int) -> bool:
        circuit = random_circuit(0, n_qubits, 3)
        return wide.is_wide(engine.job_of(circuit, *random_parameters(0, circuit, batch, torch.float32), None))

    assert [cut(*size) for size in ((17, 1), (18, 1), (18, 2), (20, 7), (20, 8))] == [False, True, False, True, False]


def test_two_threads_take_pieces() -> None:
    taken = []
    with number_of_threads(2):
        threads.share_out(lambda first, last: taken.append((first, last)), 8)
    assert sorted(taken) == [(piece, piece + 1) for piece in range(8)]
