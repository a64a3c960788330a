"""Large states cut into pieces equal whole ones, and threads change no value."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hqlm.backends import StatevectorBackend, reference
from hqlm.backends.angles import angle_columns
from hqlm.backends.kernels import engine, threads, wide
from hqlm.backends.kernels.job import Job
from tests.backends.random_circuits import (
    ALL_GATES,
    REAL_GATES,
    SEEDS,
    random_circuit,
    random_parameters,
    random_states,
)
from tests.backends.test_kernels import TOLERANCE, reference_values, slopes

CASES = {
    "seed": SEEDS,
    "names": st.sampled_from([REAL_GATES, ALL_GATES]),
    "dtype": st.sampled_from([torch.float32, torch.float64]),
}


def leaves_of(seed: int, n_qubits: int, batch: int, names: tuple[str, ...], dtype: torch.dtype) -> list[Tensor]:
    circuit = random_circuit(seed, n_qubits, 40, names)
    states = random_states(seed, batch, n_qubits, dtype if names is REAL_GATES else dtype.to_complex())
    return [leaf.requires_grad_() for leaf in (*random_parameters(seed, circuit, batch, dtype), states)]


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small states are cut too, and shared out."""
    monkeypatch.setattr(engine, "is_wide", lambda job: job.program.lane_qubits > 0 and job.program.n_qubits > 8)
    monkeypatch.setattr(wide, "_SMALL", 0)


@pytest.mark.usefixtures("pieces")
class TestPieces:
    @pytest.mark.parametrize("batch", [1, 2])
    @pytest.mark.parametrize("names", [REAL_GATES, ALL_GATES])
    @pytest.mark.parametrize("seed", range(4))
    def test_values_gradients_and_states_equal_the_reference_path(
        self, seed: int, names: tuple[str, ...], batch: int
    ) -> None:
        circuit = random_circuit(seed, 9 + seed % 3, 40, names)
        leaves = leaves_of(seed, circuit.n_qubits, batch, names, torch.float64)
        values = StatevectorBackend().expectations(circuit, *leaves)
        expected = reference_values(circuit, *leaves)
        assert (values - expected).abs().max() < TOLERANCE[torch.float64]
        for ours, theirs in zip(slopes(values, leaves), slopes(expected, leaves), strict=True):
            assert (ours - theirs).abs().max() < 20 * TOLERANCE[torch.float64]
        weights, inputs, states = leaves
        finals = StatevectorBackend().states(circuit, *leaves)
        expected = reference.final_states(circuit, angle_columns(circuit, weights, inputs, batch), states)
        assert (finals - expected).abs().max() < TOLERANCE[torch.float64]
        for ours, theirs in zip(slopes(finals.abs(), leaves), slopes(expected.abs(), leaves), strict=True):
            assert (ours - theirs).abs().max() < 1e-6


@pytest.mark.parametrize("cut", [False, True])
@given(batch=st.sampled_from([1, 3, 16, 50]), n_qubits=st.integers(2, 10), **CASES)
@settings(max_examples=15, deadline=None)
def test_number_of_threads_changes_no_value(
    cut: bool, batch: int, n_qubits: int, seed: int, names: tuple[str, ...], dtype: torch.dtype
) -> None:
    circuit = random_circuit(seed, n_qubits, 40, names)
    leaves = leaves_of(seed, n_qubits, batch, names, dtype)
    before, found = torch.get_num_threads(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "is_small", False)
        if cut:
            patch.setattr(engine, "is_wide", lambda job: job.program.lane_qubits > 0 and job.program.n_qubits > 8)
            patch.setattr(wide, "_SMALL", 0)
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            values = StatevectorBackend().expectations(circuit, *leaves)
            found.append([values, *slopes(values, leaves)])
    torch.set_num_threads(before)
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_what_is_cut() -> None:
    def cut(n_qubits: int, batch: int) -> bool:
        circuit = random_circuit(0, n_qubits, 3)
        return wide.is_wide(engine.job_of(circuit, *random_parameters(0, circuit, batch, torch.float32), None))

    assert [cut(*size) for size in ((17, 1), (18, 1), (18, 2), (20, 7), (20, 8))] == [False, True, False, True, False]


def test_two_threads_take_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    threads.share_out(lambda first, last: taken.append((first, last)), 8)
    torch.set_num_threads(before)
    assert sorted(taken) == [(piece, piece + 1) for piece in range(8)]
