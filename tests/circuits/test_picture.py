"""Vector drawings: every gate is there once, whatever the width, and what takes features can be told in grey."""

from xml.etree import ElementTree

import pytest
from hypothesis import given

from hqlm.circuits import Circuit, Gate, Input, PauliString, RepeatedUpload, RingAnsatz, Weight
from hqlm.circuits.gates import GATES
from hqlm.testing.strategies import circuits

SVG = "{http://www.w3.org/2000/svg}"


def read(circuit, width=960.0):
    """The drawing, its texts in order, and the number of shapes of each kind."""
    root = ElementTree.fromstring(circuit.to_svg(width))
    assert root.tag == f"{SVG}svg"
    return root, [text.text for text in root.iter(f"{SVG}text")], lambda kind: [*root.iter(f"{SVG}{kind}")]


@given(circuits(max_gates=30))
def test_wrapping_loses_no_gate_and_nothing_leaves_the_frame(circuit):
    for width in (200.0, 1e6):
        root, _, find = read(circuit, width)
        angles = sum(gate.kind.n_wires - gate.kind.controlled for gate in circuit.rotations)
        assert len(find("rect")) >= angles
        assert sum(rect.get("fill") is not None for rect in find("rect")) == sum(
            gate.kind.n_wires - gate.kind.controlled for gate in circuit.rotations if isinstance(gate.angle, Input)
        )
        right, bottom = float(root.get("width")), float(root.get("height"))
        for rect in find("rect"):
            x, y, across, down = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            assert 0 <= x < x + across <= right
            assert 0 <= y < y + down <= bottom
    narrow, wide = sorted(read(circuit, 200.0)[1]), sorted(read(circuit, 1e6)[1])
    labels = [f"{wire}:" for wire in range(circuit.n_qubits)]
    assert [text for text in narrow if text not in labels] == [text for text in wide if text not in labels]


@pytest.mark.parametrize("name", GATES)
def test_every_gate_has_its_symbol(name):
    kind = GATES[name]
    gate = Gate(name, tuple(range(kind.n_wires)), Weight(7, 0.5) if kind.parameterised else None)
    _, texts, find = read(Circuit(2, (gate,), ()))
    dots = [circle for circle in find("circle") if circle.get("fill")]
    if name in ("CNOT", "CZ", "SWAP"):
        assert texts == ["0:", "1:"]
        assert (len(dots), len(find("circle"))) == {"CNOT": (1, 2), "CZ": (2, 2), "SWAP": (0, 0)}[name]
    else:
        shown = [text for text in texts if text not in ("0:", "1:")]
        box = [name.removeprefix("C"), *(["0.5·w7"] if kind.parameterised else [])]
        assert shown == box * (kind.n_wires - kind.controlled)
        assert len(dots) == kind.controlled
    assert len(find("path")) == 2 + (kind.n_wires == 2) + (name == "CNOT") + 2 * (name == "SWAP")


def test_what_takes_features_is_shaded_and_what_is_read_is_named():
    observables = [PauliString("ZII"), PauliString("XXI")]
    circuit = RepeatedUpload(n_blocks=2).circuit(3, 1, RingAnsatz(), observables)
    root, texts, find = read(circuit)
    shaded = [rect for rect in find("rect") if rect.get("fill")]
    assert len(shaded) == sum(isinstance(gate.angle, Input) for gate in circuit.gates) == 6
    assert [text for text in texts if text.startswith("⟨")] == ["⟨XZ⟩", "⟨X⟩"]
    height = {text.text: text.get("y") for text in root.iter(f"{SVG}text")}
    assert (height["⟨XZ⟩"], height["⟨X⟩"]) == (height["0:"], height["1:"])


def test_no_gates_leave_the_wires():
    _, texts, find = read(Circuit(11, (), ()))
    assert texts == [f"{wire}:" for wire in range(11)]
    assert len(find("path")) == 11
