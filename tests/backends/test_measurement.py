"""Basis changes, grouping, readout, row splits and seeds: what the base class does around a backend."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqlm.backends import QuantumBackend, StatevectorBackend, base, measurement
from hqlm.circuits import Circuit, Gate, Input, PauliString
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.testing import density
from tests.backends.toys import _ExactOnly, _Hardware

F64 = torch.float64
NONE = torch.zeros(0, dtype=F64)
SEEN = []  # what _Recorder was given


@dataclass(frozen=True)
class _Recorder(QuantumBackend):
    """Writes down the rows and seeds it is asked for."""

    channels: ClassVar[frozenset[str]] = frozenset({"one_qubit"})

    def values(self, circuit, angles, states, noise):
        SEEN.append(len(angles))
        return angles.new_zeros(len(angles), len(circuit.observables))

    def bits(self, circuit, angles, states, noise, shots, seed):
        SEEN.append((len(angles), seed, noise.readout))
        return torch.zeros(len(angles), shots, circuit.n_qubits, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def observables(*letters):
    return tuple(PauliString(string) for string in letters)


def test_observables_that_agree_qubit_by_qubit_share_a_setting():
    circuit = Circuit(3, (), observables("ZZI", "IZX", "XII", "ZIX", "IXI", "III"))
    groups = measurement.settings(circuit)
    assert [group.places for group in groups] == [(0, 1, 3, 5), (2, 4)]
    assert groups[0].supports == ((0, 1), (1, 2), (0, 2), ())


@settings(max_examples=50)
@given(st.lists(st.text("IXYZ", min_size=3, max_size=3), min_size=1, max_size=8))
def test_every_observable_is_read_by_exactly_one_setting_that_turns_it_into_z(letters):
    circuit = Circuit(3, (Gate("RY", (0,), 0.7), Gate("RX", (1,), 0.4), Gate("CNOT", (0, 2))), observables(*letters))
    expected = density.expectations(circuit, NONE)[0]
    groups = measurement.settings(circuit)
    assert sorted(place for group in groups for place in group.places) == list(range(len(letters)))
    for group in groups:
        assert all(set(o.letters) <= {"I", "Z"} for o in group.circuit.observables)
        assert all(not gate.noisy for gate in group.circuit.gates[3:])
        torch.testing.assert_close(density.expectations(group.circuit, NONE)[0], expected[list(group.places)])


def test_means_are_parities_over_shots():
    bits = torch.tensor([[[0, 1, 1], [1, 1, 1], [0, 0, 1], [0, 1, 0]]], dtype=torch.uint8)
    means = measurement.means(bits, [(0,), (0, 1), (0, 1, 2), ()], F64)
    assert means.tolist() == [[0.5, 0.0, -0.5, 1.0]]


def test_flips_occur_with_their_probability_and_only_then():
    bits = torch.zeros(10, 1000, 2, dtype=torch.uint8)
    assert torch.equal(measurement.flip(bits, 0.0, 1), bits)
    assert torch.equal(measurement.flip(bits, 1.0, 1), bits + 1)
    assert float(measurement.flip(bits, 0.3, 1).double().mean()) == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 20000))


def test_reading_x_without_an_h_is_refused_under_shots_and_works_exactly():
    circuit = Circuit(1, (Gate("RY", (0,), 0.5),), observables("X"))
    with pytest.raises(UnsupportedExecution, match="no gate H"):
        _Hardware().expectations(circuit, NONE, execution=Execution(shots=8))
    assert float(_ExactOnly().expectations(circuit, NONE)) == pytest.approx(math.sin(0.5))


@pytest.mark.parametrize(("noise", "rows_at_a_time"), [(Noise(), 4), (Noise(one_qubit=0.1), 1)])
def test_rows_are_split_by_what_a_simulator_keeps_of_each(monkeypatch, noise, rows_at_a_time):
    # 16 amplitudes are four rows of two qubits as states, and one row as a density matrix
    monkeypatch.setattr(base, "_SPLIT", 16)
    circuit = Circuit(2, (Gate("RY", (0,), Input(0)),), observables("ZI"))
    _Recorder().expectations(circuit, NONE, torch.zeros(4, 1, dtype=F64), None, Execution(noise=noise))
    assert set(SEEN) == {rows_at_a_time}
    assert sum(SEEN) == 4


def test_splits_change_no_exact_value(monkeypatch):
    circuit = Circuit(2, (Gate("RY", (0,), Input(0)), Gate("CNOT", (0, 1))), observables("ZI", "XX"))
    inputs, states = torch.linspace(0.0, 1.0, 5, dtype=F64)[:, None], torch.eye(5, 4, dtype=F64)
    states[4, 0] = 1.0
    whole = StatevectorBackend().expectations(circuit, NONE, inputs, states)
    monkeypatch.setattr(base, "_SPLIT", 8)
    torch.testing.assert_close(StatevectorBackend().expectations(circuit, NONE, inputs, states), whole)


def test_each_split_and_setting_has_a_seed_of_its_own_and_readout_stays_at_home(monkeypatch):
    monkeypatch.setattr(base, "_SPLIT", 32)
    circuit = Circuit(2, (Gate("RY", (0,), Input(0)),), observables("ZI", "XI"))
    execution = Execution(shots=8, seed=3, noise=Noise(readout=0.1))
    _Recorder().expectations(circuit, NONE, torch.zeros(4, 1, dtype=F64), None, execution)
    assert [rows for rows, _, _ in SEEN] == [2, 2, 2, 2]  # two settings of two splits
    assert len({seed for _, seed, _ in SEEN}) == 4
    assert {readout for _, _, readout in SEEN} == {0.0}


def test_samples_of_a_wrong_shape_are_refused():
    @dataclass(frozen=True)
    class Transposed(_Recorder):
        def bits(self, circuit, angles, states, noise, shots, seed):
            return torch.zeros(len(angles), circuit.n_qubits, shots, dtype=torch.uint8)

    with pytest.raises(UnsupportedExecution, match="shape"):
        Transposed().sample(Circuit(2, (), ()), NONE, execution=Execution(shots=3))
