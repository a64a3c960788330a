"""Gates of hardware, against closed forms and against Qiskit's own reading of the compiled circuit."""

import math

import pytest

from hqlm.circuits import Circuit, Gate, PauliString, RepeatedUpload, RingAnsatz, Weight
from hqlm.cost import SUPERCONDUCTING, TRAPPED_ION, Device, compiled, counted
from hqlm.cost import gates as gates_module
from hqlm.cost.gates import gate_seconds
from hqlm.errors import MissingDependency

ONE, TWO = 1e-4, 1e-3
DEVICE = Device(ONE, TWO, 0.0, 1.0)


def head(n_qubits, connectivity=2):
    ansatz = RingAnsatz(connectivity=connectivity, ry_column=False)
    return RepeatedUpload(n_blocks=2, n_main_layers=1).circuit(n_qubits, 1, ansatz, [PauliString.z(0, n_qubits)])


def test_gates_as_written_follow_the_closed_form_of_the_ring():
    counts = counted(head(6))
    # three layers of Q C blocks of a CNOT and an RY, and two uploads of Q rotations
    assert (counts.two_qubit, counts.one_qubit) == (3 * 6 * 2, 3 * 6 * 2 + 2 * 6)
    assert counts.depth == head(6).depth


def test_trapped_ions_take_one_native_gate_for_a_cnot_and_two_pulses_for_a_rotation():
    bell = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("CNOT", (0, 1))), (PauliString("ZZ"),))
    found = compiled(bell, TRAPPED_ION)
    assert found.two_qubit == 1
    lone = Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),))
    assert compiled(lone, TRAPPED_ION).one_qubit == 2  # rz sx rz sx rz, of which rz is free
    assert compiled(head(6), TRAPPED_ION).two_qubit == counted(head(6)).two_qubit


def test_a_grid_costs_swaps_and_all_to_all_does_not():
    chain = Circuit(4, tuple(Gate("CNOT", (a, b)) for a, b in ((0, 1), (1, 3), (3, 2), (2, 0))), (PauliString("ZIII"),))
    assert compiled(chain, SUPERCONDUCTING).two_qubit == 4  # a square is a part of the grid
    assert compiled(head(9, connectivity=4), SUPERCONDUCTING).two_qubit > counted(head(9, connectivity=4)).two_qubit


def test_gates_in_series_add_up_and_side_by_side_they_overlap():
    pair = Circuit(2, (Gate("SX", (0,)), Gate("SX", (1,)), Gate("CZ", (0, 1)), Gate("SX", (0,))), (PauliString("ZZ"),))
    assert gate_seconds(pair, SUPERCONDUCTING, DEVICE) == pytest.approx(ONE + TWO + ONE)
    ions = compiled(pair, TRAPPED_ION)
    assert gate_seconds(pair, TRAPPED_ION, DEVICE) == pytest.approx(ions.one_qubit * ONE + ions.two_qubit * TWO)
    assert ions.depth <= ions.one_qubit + ions.two_qubit


def test_what_is_counted_is_what_qiskit_reads_from_the_same_circuit():
    qiskit = pytest.importorskip("qiskit")
    circuit, hardware = head(9), SUPERCONDUCTING
    side = math.ceil(math.sqrt(9))
    program = gates_module.translated(circuit, gates_module.Noise())
    angles = gates_module.np.random.default_rng(0).uniform(-math.pi, math.pi, (1, len(circuit.rotations)))
    native = qiskit.transpile(
        program.circuit.assign_parameters(program.parameters(angles)[0]), basis_gates=list(hardware.gates),
        coupling_map=qiskit.transpiler.CouplingMap.from_grid(side, side), optimization_level=1, seed_transpiler=0,
    )  # fmt: skip
    found = compiled(circuit, hardware)
    assert found.two_qubit == native.num_nonlocal_gates()
    assert found.one_qubit + found.two_qubit == native.size(lambda step: step.operation.name != "rz")
    assert found.depth == native.depth(lambda step: step.operation.name != "rz")


def test_without_qiskit_the_extra_is_named(monkeypatch):
    gates_module._program.cache_clear()
    monkeypatch.setattr(gates_module, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"hqlm\[qiskit\]"):
        compiled(head(3), TRAPPED_ION)
