"""OpenQASM 3 programs: what they declare, and what an importer by other people computes from them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqlm.backends import StatevectorBackend
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight
from hqlm.testing.strategies import circuits, random_parameters

ALL = Circuit(
    2,
    tuple(
        Gate(name, tuple(range(kind.n_wires)), Weight(i % 3, -0.5) if kind.parameterised else None)
        for i, (name, kind) in enumerate(GATES.items())
    ),
    (PauliString("ZZ"),),
)


def imported(circuit, weights, inputs):
    """The final state that Qiskit computes from the program, qubit 0 as the most significant bit."""
    from qiskit.quantum_info import Statevector
    from qiskit_qasm3_import import parse

    loaded = parse(circuit.to_openqasm())
    given = {f"w{i}": float(w) for i, w in enumerate(weights)} | {f"x{i}": float(x) for i, x in enumerate(inputs)}
    bound = loaded.assign_parameters({p: given[p.name] for p in loaded.parameters})
    return torch.from_numpy(Statevector(bound.reverse_bits()).data)


def assert_importer_agrees(circuit, seed):
    weights, inputs = random_parameters(circuit, 1, seed)
    psi = imported(circuit, weights, [] if inputs is None else inputs[0])
    ours = StatevectorBackend().states(circuit, weights, inputs)[0]
    assert abs(complex(torch.vdot(psi, ours))) == pytest.approx(1.0, abs=1e-10)  # states up to a global phase


@settings(max_examples=30)
@given(circuits(max_qubits=4, max_gates=20), st.integers(0, 99))
def test_an_independent_importer_computes_the_same_state(circuit, seed):
    assert_importer_agrees(circuit, seed)


@pytest.mark.parametrize("gate", ALL.gates, ids=lambda gate: gate.name)
def test_every_gate_means_the_same_to_an_independent_importer(gate):
    columns = [Gate(name, (wire,), 0.4 + wire) for name in ("RY", "RZ", "RX") for wire in (0, 1)]
    assert_importer_agrees(Circuit(2, (*columns, gate, *columns), ()), 1)


@pytest.mark.parametrize("angle", [0.1, -1e-9, 1e20, 3])
def test_constant_angles_keep_every_digit(angle):
    assert_importer_agrees(Circuit(1, (Gate("RX", (0,), angle), Gate("RY", (0,), Weight(0, 1e-7))), ()), 1)


def test_programs_are_openqasm_3_by_its_own_grammar():
    import openqasm3

    program = openqasm3.parse(ALL.to_openqasm())
    assert program.version == "3.0"
    inputs = [s.identifier.name for s in program.statements if isinstance(s, openqasm3.ast.IODeclaration)]
    assert inputs == ["w0", "w1", "w2"]


def test_parameters_are_inputs_in_order_and_unused_definitions_are_left_out():
    circuit = Circuit(2, (Gate("RY", (0,), Input(1)), Gate("RZZ", (0, 1), Weight(1, 2.0))), ())
    assert circuit.to_openqasm().splitlines() == [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        "input float[64] w0;",
        "input float[64] w1;",
        "input float[64] x0;",
        "input float[64] x1;",
        "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; }",
        "qubit[2] q;",
        "ry(x1) q[0];",
        "rzz(2.0 * w1) q[0], q[1];",
    ]


def test_scales_of_another_number_type_are_written_as_numbers():
    circuit = Circuit(1, (Gate("RY", (0,), Weight(0, np.float64(0.5))),), ())
    assert "ry(0.5 * w0) q[0];" in circuit.to_openqasm()
