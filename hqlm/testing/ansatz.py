"""The conformance suite of trainable circuits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from hqlm.backends import StatevectorBackend
from hqlm.circuits import Ansatz, Circuit, Gate, Input, Weight
from hqlm.errors import CircuitError
from hqlm.testing.recipes import assert_is_recipe
from hqlm.testing.strategies import random_parameters, random_states

_SIZES = tuple(product(range(1, 7), (1, 2, 3)))


def weight_indices(gates: tuple[Gate, ...]) -> list[int]:
    """Return the indices of the weights in order of first use."""
    return list(dict.fromkeys(gate.angle.index for gate in gates if isinstance(gate.angle, Weight)))


def _reading_inputs(circuit: Circuit) -> Circuit:
    """Return the circuit with inputs instead of weights, so that one batch runs it at many angles."""
    gates = [
        replace(gate, angle=Input(gate.angle.index, gate.angle.scale)) if isinstance(gate.angle, Weight) else gate
        for gate in circuit.gates
    ]
    return Circuit(circuit.n_qubits, tuple(gates), circuit.observables)


class AnsatzContract:
    """Everything an `Ansatz` promises, as tests that a plugin gets in five lines.

    ```python
    class TestMyAnsatz(AnsatzContract):
        @pytest.fixture
        def ansatz(self):
            return MyAnsatz()
    ```
    """

    @pytest.fixture
    def ansatz(self) -> Ansatz:
        """The ansatz under test; a subclass overrides this fixture."""
        raise NotImplementedError("override the fixture `ansatz` and return your ansatz")

    def circuits(self, ansatz: Ansatz) -> list[Circuit]:
        """Return the circuits of one to six qubits and one to three layers that the ansatz does not reject."""
        found, refusals = [], {}
        for n_qubits, n_layers in _SIZES:
            try:
                found.append(Circuit(n_qubits, ansatz.gates(n_qubits, n_layers), ()))
            except CircuitError as error:
                refusals[n_qubits] = str(error)
        assert {circuit.n_qubits for circuit in found} >= {4, 5, 6}, "four to six qubits must work"
        for n_qubits, message in refusals.items():
            assert str(n_qubits) in message, f"a refusal must name the {n_qubits} qubits given: {message}"
        return found

    def test_any_size_works_or_is_refused_by_name(self, ansatz: Ansatz) -> None:
        """Gates fit the qubits and read only weights; more layers never mean fewer weights."""
        for circuit in self.circuits(ansatz):
            assert circuit.n_inputs == 0
            assert circuit.gates, "a layer without gates is no layer"
        counts = [Circuit(4, ansatz.gates(4, n_layers), ()).n_weights for n_layers in (1, 2, 3)]
        assert counts == sorted(counts)
        assert counts[0] < counts[-1]

    def test_weights_are_numbered_from_zero_in_order_of_first_use(self, ansatz: Ansatz) -> None:
        """No gaps."""
        for circuit in self.circuits(ansatz):
            assert weight_indices(circuit.gates) == list(range(circuit.n_weights))

    def test_no_layers_are_no_gates(self, ansatz: Ansatz) -> None:
        """On any number of qubits, one included."""
        assert all(ansatz.gates(n_qubits, 0) == () for n_qubits in range(1, 7))

    def test_sizes_that_cannot_be_are_refused(self, ansatz: Ansatz) -> None:
        """No qubits, or a negative number of layers."""
        for n_qubits, n_layers in ((0, 1), (-1, 1), (4, -1)):
            with pytest.raises(CircuitError):
                ansatz.gates(n_qubits, n_layers)

    def test_an_ansatz_is_a_recipe(self, ansatz: Ansatz) -> None:
        """Frozen, hashable, equal to its copies; a copy gives the same gates."""
        assert_is_recipe(ansatz)
        gates = ansatz.gates(5, 2)
        assert isinstance(gates, tuple)
        assert gates == ansatz.gates(5, 2)

    def test_every_weight_moves_the_state(self, ansatz: Ansatz) -> None:
        """At generic angles, from a generic state, by more than a global phase."""
        for circuit in self.circuits(ansatz):
            weights, _ = random_parameters(circuit)
            moved = weights + torch.cat((0.0 * weights[None], 0.5 * torch.eye(len(weights), dtype=torch.float64)))
            states = random_states(circuit.n_qubits, 1).expand(len(moved), -1)
            psi = StatevectorBackend().states(_reading_inputs(circuit), weights[:0], moved, states)
            fidelities = (psi[1:] @ psi[0].conj()).abs().square()
            assert bool((fidelities < 1.0 - 1e-6).all()), f"a weight of {circuit.n_qubits} qubits does nothing"

    def test_without_entanglement_only_single_qubit_gates_remain(self, ansatz: Ansatz) -> None:
        """`ablated("entanglement")` keeps them in order and numbers the weights anew."""
        plain = ansatz.ablated("entanglement")
        assert isinstance(plain, Ansatz)
        for circuit in self.circuits(ansatz):
            gates = plain.gates(circuit.n_qubits, 2)
            kept = [gate for gate in ansatz.gates(circuit.n_qubits, 2) if len(gate.wires) == 1]
            assert [(gate.name, gate.wires) for gate in gates] == [(gate.name, gate.wires) for gate in kept]
            assert weight_indices(gates) == list(range(len(weight_indices(gates))))
        assert_is_recipe(plain)

    @pytest.mark.parametrize("word", ["entanglement", "long_range", "reuploading", "nonsense"])
    def test_an_ablated_ansatz_has_other_gates_or_is_equal(self, ansatz: Ansatz, word: str) -> None:
        """An ablation without effect leaves an equal ansatz; a second one changes nothing more."""
        ablated = ansatz.ablated(word)
        assert isinstance(ablated, Ansatz)
        assert (ablated == ansatz) == (ablated.gates(5, 2) == ansatz.gates(5, 2))
        assert ablated.ablated(word) == ablated
