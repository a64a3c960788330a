"""Drawings: one small circuit by heart, and what holds for all of them."""

from hypothesis import given

from hqlm.circuits import Circuit, Gate, Input, Weight
from hqlm.testing.strategies import circuits

GATES = (
    Gate("H", (0,)),
    Gate("RY", (1,), Input(0, 3.14159)),
    Gate("CNOT", (0, 2)),
    Gate("CRX", (2, 1), Weight(3)),
    Gate("SWAP", (0, 1)),
    Gate("RZ", (2,), -0.5),
    Gate("CZ", (0, 2)),
)
DRAWING = """\
0: ──────H───────●─────────────x──────●─
1: ─RY(3.14·x0)──│──RX(w3)─────x──────│─
2: ──────────────X────●─────RZ(-0.5)──●─"""


@given(circuits(max_gates=30))
def test_every_line_is_a_qubit_and_all_of_a_block_are_as_long(circuit):
    for block in circuit.draw(60).split("\n\n"):
        lines = block.split("\n")
        assert [line.split(":")[0] for line in lines] == [str(wire) for wire in range(circuit.n_qubits)]
        assert len({len(line) for line in lines}) == 1


@given(circuits(max_gates=30))
def test_wrapping_loses_no_gate(circuit):
    wide, narrow = circuit.draw(10**6), circuit.draw(40)
    assert "\n\n" not in wide
    blocks = [[_cells(line) for line in block.split("\n")] for block in narrow.split("\n\n")]
    joined = ["".join(parts) for parts in zip(*blocks, strict=True)]
    assert joined == [_cells(line) for line in wide.split("\n")]


def _cells(line):
    return line.split(": ", 1)[1]


def test_a_small_circuit_is_drawn_like_this():
    assert Circuit(3, GATES, ()).draw() == DRAWING


def test_a_circuit_without_gates_is_a_list_of_qubits():
    assert Circuit(2, (), ()).draw() == "0: \n1: "


def test_names_of_ten_qubits_and_more_are_aligned():
    lines = Circuit(11, (Gate("X", (10,)),), ()).draw().split("\n")
    assert lines[0].startswith(" 0: ")
    assert lines[10].startswith("10: ─X")
