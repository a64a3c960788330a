"""Checks of expectation values: signs, qubit order, batches, dtypes, initial states."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import strategies as st

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import UnsupportedExecution
from hqlm.testing import density
from hqlm.testing.strategies import all_observables, circuits, random_parameters, random_states
from hqlm.testing.suite import BackendSuite, has_exact_values, readable_letters

# a product state without symmetry, from the rotations of a backend
_PREPARATION = (("RY", 0.9), ("RZ", 0.4), ("RX", -1.3), ("H", None), ("SX", None))


def _generic_circuit(backend: QuantumBackend) -> Circuit:
    """Return a circuit with weights and inputs on both qubits, whose value differs for every row."""
    rotations = (Gate("RY", (0,), Weight(0)), Gate("RY", (1,), Input(0)), Gate("RY", (0,), Input(1, 2.0)))
    entangler = tuple(Gate(name, (1, 0)) for name in ("CNOT", "CZ") if name in backend.gates)[:1]
    return Circuit(2, (*rotations, *entangler, Gate("RY", (0,), 0.4)), (PauliString("ZI"), PauliString("IZ")))


def _some_observables(backend: QuantumBackend, *letters: str) -> tuple[PauliString, ...]:
    readable = set(readable_letters(backend))
    return tuple(PauliString(string) for string in letters if set(string) <= readable)


class ValueChecks(BackendSuite):
    """Values against closed forms, an independent density matrix and the native engine."""

    def test_ry_rotates_z_to_x(self, backend: QuantumBackend) -> None:
        """RY(t)|0> has <Z> = cos t and <X> = sin t."""
        t = torch.tensor([[0.3], [2.0], [-1.1]], dtype=torch.float64)
        circuit = Circuit(1, (Gate("RY", (0,), Input(0)),), _some_observables(backend, "Z", "X"))
        expected = torch.cat((t.cos(), t.sin()), 1)[:, : len(circuit.observables)]
        self.assert_values(backend, circuit, expected, inputs=t)

    def test_rx_rotates_z_to_minus_y(self, backend: QuantumBackend) -> None:
        """RX(t)|0> has <Z> = cos t and <Y> = -sin t."""
        t = torch.tensor([[0.3], [2.0], [-1.1]], dtype=torch.float64)
        circuit = Circuit(1, (Gate("RX", (0,), Input(0)),), _some_observables(backend, "Z", "Y"))
        expected = torch.cat((t.cos(), -t.sin()), 1)[:, : len(circuit.observables)]
        self.assert_values(backend, circuit, expected, inputs=t)

    def test_a_bell_pair_is_correlated_in_every_basis(self, backend: QuantumBackend) -> None:
        """(|00> + |11>)/sqrt(2) has <ZZ> = <XX> = 1, <YY> = -1 and <ZI> = 0."""
        values = {"ZZ": 1.0, "ZI": 0.0, "XX": 1.0, "YY": -1.0}
        observables = _some_observables(backend, *values)
        expected = torch.tensor([[values[o.letters] for o in observables]], dtype=torch.float64)
        self.assert_values(backend, Circuit(2, (Gate("H", (0,)), Gate("CNOT", (0, 1))), observables), expected)

    def test_a_ghz_state_has_parities_but_no_single_values(self, backend: QuantumBackend) -> None:
        """(|000> + |111>)/sqrt(2) has <ZZI> = <ZIZ> = <XXX> = 1 and <ZII> = 0."""
        values = {"ZZI": 1.0, "ZIZ": 1.0, "ZII": 0.0, "III": 1.0, "XXX": 1.0}
        observables = _some_observables(backend, *values)
        expected = torch.tensor([[values[o.letters] for o in observables]], dtype=torch.float64)
        gates = (Gate("H", (0,)), Gate("CNOT", (0, 1)), Gate("CNOT", (1, 2)))
        self.assert_values(backend, Circuit(3, gates, observables), expected)

    def test_qubit_0_is_the_first_letter_of_an_observable(self, backend: QuantumBackend) -> None:
        """X on qubit 0 flips only the sign of ZII."""
        name, angle = ("X", None) if "X" in backend.gates else ("RY", math.pi)
        circuit = Circuit(3, (Gate(name, (0,), angle),), tuple(PauliString.z(wire, 3) for wire in range(3)))
        self.assert_values(backend, circuit, torch.tensor([[-1.0, 1.0, 1.0]], dtype=torch.float64))

    def test_qubit_0_is_the_most_significant_bit_of_a_state(self, backend: QuantumBackend) -> None:
        """The basis state of index 4 of three qubits is |100>."""
        states = torch.eye(8, dtype=torch.float64)[[4, 1]]
        circuit = Circuit(3, (), tuple(PauliString.z(wire, 3) for wire in range(3)))
        expected = torch.tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, -1.0]], dtype=torch.float64)
        self.assert_values(backend, circuit, expected, states=states)

    @pytest.mark.parametrize("name", sorted(GATES))
    def test_every_gate_acts_as_its_matrix(self, backend: QuantumBackend, name: str) -> None:
        """All Pauli values of a generic product state after the gate, wires in falling order: no sign can hide."""
        n_wires = GATES[name].n_wires
        wires = tuple(range(n_wires))[::-1]
        before = [
            Gate(kind, (wire,), None if angle is None else angle + 0.3 * wire)
            for kind, angle in _PREPARATION
            if kind in backend.gates
            for wire in wires
        ]
        gate = Gate(name, wires, Weight(0) if GATES[name].parameterised else None)
        circuit = Circuit(n_wires, (*before, gate), all_observables(n_wires, readable_letters(backend)))
        weights = torch.full((circuit.n_weights,), 0.7, dtype=torch.float64)
        self.assert_values(backend, circuit, density.expectations(circuit, weights), weights)

    def test_random_circuits_equal_density_matrices(self, backend: QuantumBackend) -> None:
        """Shared and scaled parameters, constants and generic initial states, up to three qubits."""
        random = circuits(backend.gates, 3, letters=readable_letters(backend))

        @self.for_all(random, st.integers(0, 99), always=(_generic_circuit(backend), 0))
        def check(circuit: Circuit, seed: int) -> None:
            weights, inputs = random_parameters(circuit, seed=seed)
            states = random_states(circuit.n_qubits, seed=seed) if backend.initial_states else None
            expected = density.expectations(circuit, weights, inputs, states)
            self.assert_values(backend, circuit, expected, weights, inputs, states)

    def test_random_circuits_equal_the_native_engine(self, backend: QuantumBackend) -> None:
        """Wider circuits, up to six qubits, from |0...0>."""
        random = circuits(backend.gates, 6, 30, readable_letters(backend))

        @self.for_all(random, st.integers(0, 99), always=(_generic_circuit(backend), 0))
        def check(circuit: Circuit, seed: int) -> None:
            weights, inputs = random_parameters(circuit, seed=seed)
            expected = StatevectorBackend().expectations(circuit, weights, inputs)
            self.assert_values(backend, circuit, expected, weights, inputs)

    def test_a_batch_equals_its_rows_one_by_one(self, backend: QuantumBackend) -> None:
        """Exact values of a row do not depend on the other rows; sampled ones are compared with exact ones."""
        random = circuits(backend.gates, 4, 15, readable_letters(backend))

        @self.for_all(random, st.integers(0, 99), always=(_generic_circuit(backend), 0))
        def check(circuit: Circuit, seed: int) -> None:
            weights, inputs = random_parameters(circuit, 5, seed)
            if inputs is None:
                inputs = torch.zeros(5, 0, dtype=torch.float64)
            one = backend if has_exact_values(backend) else StatevectorBackend()
            rows = [one.expectations(circuit, weights, row[None]) for row in inputs]
            self.assert_values(backend, circuit, torch.cat(rows), weights, inputs)

    def test_without_inputs_and_states_the_batch_is_one(self, backend: QuantumBackend) -> None:
        """Weights alone give one row; no weights are a tensor of shape (0,)."""
        circuit = Circuit(2, (Gate("RY", (0,), Weight(0)),), (PauliString("ZI"), PauliString("IZ")))
        weights = torch.tensor([0.8], dtype=torch.float64)
        self.assert_values(backend, circuit, torch.tensor([[math.cos(0.8), 1.0]], dtype=torch.float64), weights)
        fixed = Circuit(2, (Gate("RY", (0,), 0.8),), circuit.observables)
        self.assert_values(backend, fixed, torch.tensor([[math.cos(0.8), 1.0]], dtype=torch.float64))

    def test_circuits_that_differ_in_a_constant_are_told_apart(self, backend: QuantumBackend) -> None:
        """A constant angle is part of a circuit: RY(0.3), then RY(-1.2), whatever is cached between calls."""
        for angle in (0.3, -1.2):
            circuit = Circuit(1, (Gate("RY", (0,), angle),), _some_observables(backend, "Z"))
            self.assert_values(backend, circuit, torch.tensor([[math.cos(angle)]], dtype=torch.float64))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_values_have_the_dtype_of_the_weights(self, backend: QuantumBackend, dtype: torch.dtype) -> None:
        """Real values in single or double precision, also when there are no weights."""
        for angle, n_weights in ((Weight(0), 1), (0.5, 0)):
            circuit = Circuit(1, (Gate("RY", (0,), angle), Gate("RY", (0,), Input(0))), (PauliString("Z"),))
            inputs = torch.tensor([[0.2], [0.4]], dtype=dtype)
            expected = torch.cos(inputs.double() + 0.5)
            for execution in self.executions(backend):
                values = backend.expectations(
                    circuit, torch.full((n_weights,), 0.5, dtype=dtype), inputs, None, execution
                )
                assert values.dtype == dtype
                bound = self.tolerance(expected, execution.shots).clamp(min=1e-4)
                assert bool(((values - expected).abs() <= bound).all())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
    def test_initial_states_may_be_real_or_complex(self, backend: QuantumBackend, dtype: torch.dtype) -> None:
        """States in the weights' precision, one per row; rejected by a backend that declares none."""
        states = random_states(2, 3, dtype=dtype).conj()  # torch conjugates lazily, in a view
        observables = all_observables(2, readable_letters(backend))
        circuit = Circuit(2, (Gate("CNOT", (0, 1)), Gate("RY", (1,), Weight(0))), observables)
        weights = torch.tensor([0.3], dtype=states.abs().dtype)
        expected = density.expectations(circuit, weights, None, states)
        for execution in self.executions(backend):
            if not {"CNOT", "RY"} <= backend.gates or not backend.initial_states:
                with pytest.raises(UnsupportedExecution):
                    backend.expectations(circuit, weights, None, states, execution)
                continue
            values = backend.expectations(circuit, weights, None, states, execution)
            assert values.dtype == weights.dtype
            bound = self.tolerance(expected, execution.shots).clamp(min=1e-5)
            assert bool(((values - expected).abs() <= bound).all())

    def test_final_states_are_shown_or_refused(self, backend: QuantumBackend) -> None:
        """`states` are complex, normalised and have the values of `expectations`; without them the call is rejected."""
        names = {"RY", "RZ", "CNOT"} & backend.gates
        gates = [Gate("RY", (0,), Input(0)), Gate("RZ", (0,), Weight(0)), Gate("CNOT", (0, 1))]
        circuit = Circuit(2, tuple(gate for gate in gates if gate.name in names), all_observables(2))
        weights, inputs = random_parameters(circuit, 3)
        if type(backend).states is QuantumBackend.states:
            with pytest.raises(UnsupportedExecution):
                backend.states(circuit, weights, inputs)
            return
        psi = backend.states(circuit, weights, inputs)
        assert psi.dtype == torch.complex128
        torch.testing.assert_close(torch.linalg.vector_norm(psi, dim=1), torch.ones(len(psi), dtype=torch.float64))
        empty = Circuit(2, (), circuit.observables)
        seen = density.expectations(empty, torch.zeros(0), None, psi)
        expected = density.expectations(circuit, weights, inputs)
        torch.testing.assert_close(seen, expected, atol=self.atol, rtol=0.0)
