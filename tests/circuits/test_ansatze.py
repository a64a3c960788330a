"""Every registered ansatz keeps the contract; the gates of each are those of its paper."""

import numpy as np
import pytest
import torch

from hqlm.backends import StatevectorBackend
from hqlm.circuits import (
    ANSATZE,
    BrickWallAnsatz,
    Circuit,
    Gate,
    HardwareEfficientAnsatz,
    NoEntanglementAnsatz,
    PauliString,
    RingAnsatz,
    StronglyEntanglingAnsatz,
    UCCSDAnsatz,
    Weight,
    pauli_rotation,
)
from hqlm.errors import CircuitError
from hqlm.testing import AnsatzContract


class TestRegisteredAnsatze(AnsatzContract):
    @pytest.fixture(params=sorted(ANSATZE))
    def ansatz(self, request):
        return ANSATZE[request.param]()


@pytest.mark.parametrize(
    "variant",
    [
        RingAnsatz(connectivity=3, ry_column=False),
        NoEntanglementAnsatz(RingAnsatz(connectivity=2)),
        HardwareEfficientAnsatz(rotations=("RY",), entangler="CZ"),
        UCCSDAnsatz(n_electrons=3),
    ],
    ids=repr,
)
class TestVariants(AnsatzContract):
    @pytest.fixture
    def ansatz(self, variant):
        return variant


def names_and_wires(gates):
    return [(gate.name, *gate.wires) for gate in gates]


def test_a_ring_is_cnot_then_ry_on_its_target_for_every_qubit_and_stride():
    # the paper: stride c = 1..C, q = 0..Q-1, control q, target (q + c) mod Q
    gates = RingAnsatz(connectivity=2).gates(3, 1)
    assert names_and_wires(gates) == [
        ("CNOT", 0, 1), ("RY", 1), ("CNOT", 1, 2), ("RY", 2), ("CNOT", 2, 0), ("RY", 0),
        ("CNOT", 0, 2), ("RY", 2), ("CNOT", 1, 0), ("RY", 0), ("CNOT", 2, 1), ("RY", 1),
    ]  # fmt: skip
    assert [gate.angle for gate in gates if gate.name == "RY"] == [Weight(i) for i in range(6)]


@pytest.mark.parametrize(("n_qubits", "connectivity"), [(2, 1), (4, 1), (4, 3), (10, 2)])
def test_a_ring_layer_has_qubits_times_connectivity_weights(n_qubits, connectivity):
    ansatz = RingAnsatz(connectivity, ry_column=False)
    for n_layers in range(4):
        circuit = Circuit(n_qubits, ansatz.gates(n_qubits, n_layers), ())
        assert circuit.n_weights == n_qubits * connectivity * n_layers
        assert circuit.counts().get("CNOT", 0) == n_qubits * connectivity * n_layers


def test_the_ry_column_stands_once_after_the_first_of_two_or_more_layers():
    with_column, without = RingAnsatz(), RingAnsatz(ry_column=False)
    assert with_column.gates(4, 1) == without.gates(4, 1)
    for n_layers in (2, 3):
        gates = with_column.gates(4, n_layers)
        first = len(without.gates(4, 1))
        assert names_and_wires(gates[first : first + 4]) == [("RY", wire) for wire in range(4)]
        rest = gates[:first] + gates[first + 4 :]
        assert names_and_wires(rest) == names_and_wires(without.gates(4, n_layers))
        assert Circuit(4, gates, ()).n_weights == 4 * n_layers + 4


def test_a_ring_is_real():
    assert Circuit(5, RingAnsatz(connectivity=3).gates(5, 3), ()).is_real


@pytest.mark.parametrize(("n_qubits", "connectivity"), [(1, 1), (3, 3), (2, 5)])
def test_a_ring_whose_stride_comes_back_to_its_qubit_is_refused(n_qubits, connectivity):
    with pytest.raises(CircuitError, match=f"connectivity {connectivity} .* given {n_qubits}"):
        RingAnsatz(connectivity).gates(n_qubits, 1)


def test_a_ring_without_strides_is_refused():
    with pytest.raises(CircuitError, match="connectivity must be 1 or more"):
        RingAnsatz(connectivity=0)


def test_long_range_ablation_keeps_stride_one():
    assert RingAnsatz(3, ry_column=False).ablated("long_range") == RingAnsatz(1, ry_column=False)
    assert RingAnsatz(1).ablated("long_range") == RingAnsatz(1)
    ablated_twice = RingAnsatz(3).ablated("entanglement").ablated("long_range")
    assert ablated_twice == NoEntanglementAnsatz(RingAnsatz(1))


def test_strongly_entangling_layers_change_their_stride():
    # Schuld et al. (2018): general rotations, then CNOT at stride r, r going from 1 to Q - 1 and over again
    gates = StronglyEntanglingAnsatz().gates(3, 3)
    strides = [(gate.wires[1] - gate.wires[0]) % 3 for gate in gates if gate.name == "CNOT"]
    assert strides == [1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert names_and_wires(gates[:6]) == [
        ("RZ", 0), ("RY", 0), ("RZ", 0), ("RZ", 1), ("RY", 1), ("RZ", 1),
    ]  # fmt: skip


def test_long_range_ablation_keeps_stride_one_in_all_layers():
    gates = StronglyEntanglingAnsatz().ablated("long_range").gates(4, 3)
    assert [gate.wires for gate in gates if gate.name == "CNOT"] == [(0, 1), (1, 2), (2, 3), (3, 0)] * 3


def test_strongly_entangling_layers_are_those_of_pennylane():
    import pennylane as qml

    theirs = qml.StronglyEntanglingLayers(np.full((3, 4, 3), 0.1), wires=range(4)).decomposition()
    pairs = [tuple(gate.wires) for gate in theirs if gate.name == "CNOT"]
    assert [gate.wires for gate in StronglyEntanglingAnsatz().gates(4, 3) if gate.name == "CNOT"] == pairs


def test_a_hardware_efficient_layer_is_rotations_then_a_chain():
    gates = HardwareEfficientAnsatz().gates(3, 1)
    assert names_and_wires(gates) == [
        ("RY", 0), ("RZ", 0), ("RY", 1), ("RZ", 1), ("RY", 2), ("RZ", 2), ("CNOT", 0, 1), ("CNOT", 1, 2),
    ]  # fmt: skip


def test_a_brick_wall_layer_alternates_its_pairs():
    assert names_and_wires(BrickWallAnsatz().gates(4, 1)) == [
        ("RY", 0), ("RY", 1), ("RY", 2), ("RY", 3), ("CZ", 0, 1), ("CZ", 2, 3),
        ("RY", 0), ("RY", 1), ("RY", 2), ("RY", 3), ("CZ", 1, 2),
    ]  # fmt: skip


def test_dropping_entanglers_renumbers_weights_that_belonged_to_them():
    class Coupled(HardwareEfficientAnsatz):
        def gates(self, n_qubits, n_layers):
            return (Gate("CRY", (0, 1), Weight(0)), Gate("RY", (0,), Weight(1)), Gate("RX", (1,), Weight(1, 2.0)))

    assert NoEntanglementAnsatz(Coupled()).gates(2, 1) == (
        Gate("RY", (0,), Weight(0)),
        Gate("RX", (1,), Weight(0, 2.0)),
    )


@pytest.mark.parametrize("letters", ["X", "ZIY", "XYZ", "YXIY"])
def test_a_pauli_rotation_is_the_matrix_exponential(letters):
    import pennylane as qml

    gates = pauli_rotation(PauliString(letters), 0.7)
    circuit = Circuit(len(letters), gates, ())
    unitary = StatevectorBackend().states(
        circuit, torch.zeros(0, dtype=torch.float64), states=torch.eye(2 ** len(letters), dtype=torch.float64)
    )
    expected = qml.PauliRot.compute_matrix(0.7, letters)
    np.testing.assert_allclose(unitary.numpy().T, expected, atol=1e-12)


def test_a_rotation_about_the_identity_is_nothing():
    assert pauli_rotation(PauliString("II"), 0.7) == ()


@pytest.mark.parametrize(("n_electrons", "n_qubits"), [(2, 4), (3, 6), (4, 8)])
def test_uccsd_is_the_circuit_of_pennylane(n_electrons, n_qubits):
    import pennylane as qml

    gates = UCCSDAnsatz(n_electrons).gates(n_qubits, 1)
    singles, doubles = qml.qchem.excitations(n_electrons, n_qubits)
    circuit = Circuit(n_qubits, (*(Gate("X", (wire,)) for wire in range(n_electrons)), *gates), ())
    assert circuit.n_weights == len(singles) + len(doubles)
    weights = torch.linspace(-0.9, 1.1, circuit.n_weights, dtype=torch.float64)

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def node():
        qml.BasisState(np.array([1] * n_electrons + [0] * (n_qubits - n_electrons)), wires=range(n_qubits))
        doubled = iter(2.0 * weights.numpy())  # PennyLane's excitations turn by half their weight
        for s, r, q, p in doubles:
            wires = {"wires1": range(s, r + 1), "wires2": range(q, p + 1)}
            qml.FermionicDoubleExcitation(next(doubled), **wires)
        for r, p in singles:
            qml.FermionicSingleExcitation(next(doubled), wires=range(r, p + 1))
        return qml.state()

    np.testing.assert_allclose(StatevectorBackend().states(circuit, weights)[0].numpy(), node(), atol=1e-12)


@pytest.mark.parametrize(("n_electrons", "n_qubits"), [(2, 2), (1, 2), (5, 3)])
def test_uccsd_without_anywhere_to_go_is_refused(n_electrons, n_qubits):
    with pytest.raises(CircuitError, match=f"{n_electrons} electrons on {n_qubits} spin orbitals"):
        UCCSDAnsatz(n_electrons).gates(n_qubits, 1)


def test_uccsd_without_electrons_is_refused():
    with pytest.raises(CircuitError, match="n_electrons must be 1 or more"):
        UCCSDAnsatz(0)
