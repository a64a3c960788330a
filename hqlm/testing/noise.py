"""Checks of noise: each channel, their order and readout errors, against density matrices in plain NumPy."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import strategies as st

from hqlm.backends import QuantumBackend
from hqlm.circuits import GATES, Circuit, Gate, PauliString, Weight
from hqlm.execution import Noise
from hqlm.testing import density
from hqlm.testing.strategies import all_observables, circuits, random_parameters
from hqlm.testing.suite import BackendSuite, all_channels, missing, readable_letters

CHANNELS = ("one_qubit", "two_qubit", "amplitude_damping", "phase_damping")
_WEIGHTS = torch.tensor([0.9, -0.6, 1.2], dtype=torch.float64)
_ENTANGLERS = ("CNOT", "CZ", "SWAP", "RXX", "RZZ", "CRY")
_PAIR = Noise(two_qubit=0.2, amplitude_damping=0.15, phase_damping=0.1)


def _circuit(backend: QuantumBackend) -> Circuit:
    """Return a circuit of three qubits in a generic state from the backend's gates; two qubits are read."""
    pair = next((name for name in _ENTANGLERS if name in backend.gates), "CNOT")
    gates = [
        Gate("RY", (0,), Weight(0)),
        Gate("RY", (1,), Weight(1)),
        Gate("RX", (0,), Weight(2)),
        _pair(pair, 0, 2),
        Gate("RY", (2,), 0.4),
        _pair(pair, 2, 1),
        Gate("RZ", (1,), 0.8),
        Gate("RY", (1,), 0.5),
        Gate("RY", (0,), -0.7),
    ]
    observables = tuple(PauliString(f"{o.letters}I") for o in all_observables(2, readable_letters(backend)))
    return Circuit(3, tuple(gate for gate in gates if gate.name in backend.gates), observables)


def _pair(name: str, control: int, target: int) -> Gate:
    return Gate(name, (control, target), 0.7 if GATES[name].parameterised else None)


class NoiseChecks(BackendSuite):
    """Noise means the same on every backend; an undeclared channel must be rejected."""

    def assert_noisy(self, backend: QuantumBackend, circuit: Circuit, noise: Noise) -> None:
        """Compare a noisy run with the density matrix, which must differ from the noise-free one."""
        weights = _WEIGHTS[: circuit.n_weights]
        expected = density.expectations(circuit, weights, None, None, noise)
        seen = not torch.allclose(expected, density.expectations(circuit, weights), atol=1e-3)
        assert seen or missing(backend, circuit, None, noise, self.shots), "no noise to see"
        self.assert_values(backend, circuit, expected, weights, noise=noise)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_each_channel_equals_its_kraus_operators(self, backend: QuantumBackend, channel: str) -> None:
        """After every gate, on the qubits of that gate and no other."""
        self.assert_noisy(backend, _circuit(backend), Noise(**{channel: 0.13}))

    def test_a_depolarized_qubit_shrinks_by_four_thirds_of_the_probability(self, backend: QuantumBackend) -> None:
        """A uniformly random non-identity Pauli with probability p leaves <Z> = 1 - 4 p / 3 of |0>."""
        circuit = Circuit(1, (Gate("RY", (0,), 0.0),), (PauliString("Z"),))
        expected = torch.tensor([[1.0 - 4.0 * 0.3 / 3.0]], dtype=torch.float64)
        self.assert_values(backend, circuit, expected, noise=Noise(one_qubit=0.3))

    def test_a_damped_qubit_decays(self, backend: QuantumBackend) -> None:
        """Amplitude damping of |1> leaves <Z> = -1 + 2 p; phase damping leaves <X> = sqrt(1 - p) of |+>."""
        excited = Circuit(1, (Gate("X", (0,)),), (PauliString("Z"),))
        expected = torch.tensor([[-1.0 + 2.0 * 0.3]], dtype=torch.float64)
        self.assert_values(backend, excited, expected, noise=Noise(amplitude_damping=0.3))
        if "X" in readable_letters(backend):
            plus = Circuit(1, (Gate("H", (0,)),), (PauliString("X"),))
            expected = torch.tensor([[0.7**0.5]], dtype=torch.float64)
            self.assert_values(backend, plus, expected, noise=Noise(phase_damping=0.3))

    def test_channels_act_in_order(self, backend: QuantumBackend) -> None:
        """Pauli errors come before amplitude damping: of |0> they leave <Z> = (1 - 4 p / 3) (1 - a) + a."""
        circuit = Circuit(1, (Gate("RY", (0,), 0.0),), (PauliString("Z"),))
        expected = torch.tensor([[(1.0 - 4.0 * 0.3 / 3.0) * 0.6 + 0.4]], dtype=torch.float64)
        self.assert_values(backend, circuit, expected, noise=Noise(one_qubit=0.3, amplitude_damping=0.4))

    def test_all_declared_channels_act_together(self, backend: QuantumBackend) -> None:
        """Every declared channel with its own probability, and readout errors."""
        values = dict(zip(CHANNELS, (0.05, 0.1, 0.15, 0.2), strict=True))
        declared = {name: values[name] for name in CHANNELS if name in all_channels(backend)}
        self.assert_noisy(backend, _circuit(backend), Noise(**declared, readout=0.05))

    @pytest.mark.parametrize("name", _ENTANGLERS)
    def test_noise_follows_every_kind_of_two_qubit_gate(self, backend: QuantumBackend, name: str) -> None:
        """Once, on both of its qubits."""
        column = (Gate("RY", (0,), 0.9), Gate("RY", (1,), -0.6))
        gates = (*column, _pair(name, 1, 0), *column)
        observables = all_observables(2, readable_letters(backend))
        self.assert_noisy(backend, Circuit(2, gates, observables), _PAIR)

    def test_gates_that_undo_each_other_keep_their_noise(self, backend: QuantumBackend) -> None:
        """A compiler that drops them would drop it too."""
        there = (Gate("RY", (0,), 0.9), Gate("X", (1,)), Gate("CNOT", (0, 1)))
        gates = [each for gate in there if gate.name in backend.gates for each in (gate, gate.inverse())]
        circuit = Circuit(2, tuple(gates), all_observables(2, readable_letters(backend)))
        self.assert_noisy(backend, circuit, Noise(one_qubit=0.1, two_qubit=0.2))

    def test_noise_on_random_circuits_equals_density_matrices(self, backend: QuantumBackend) -> None:
        """All declared channels at random probabilities, any gate, identity included."""
        names, probability = sorted(all_channels(backend)), st.sampled_from((0.0, 0.02, 0.3))

        random = circuits(backend.gates, 3, 8, readable_letters(backend))

        @self.for_all(random, st.tuples(*[probability] * 5), always=(_circuit(backend), (0.02,) * 5))
        def check(circuit: Circuit, levels: tuple[float, ...]) -> None:
            noise = Noise(**dict(zip(names, levels, strict=False)), readout=levels[-1])
            weights, inputs = random_parameters(circuit)
            expected = density.expectations(circuit, weights, inputs, None, noise)
            self.assert_values(backend, circuit, expected, weights, inputs, noise=noise)

    def test_gates_marked_free_of_noise_are(self, backend: QuantumBackend) -> None:
        """`noisy=False` gates add nothing, among noisy ones too."""
        noise = Noise(**dict.fromkeys(sorted(all_channels(backend)), 0.2))
        circuit = _circuit(backend)
        quiet = replace(circuit, gates=tuple(replace(gate, noisy=False) for gate in circuit.gates))
        weights = _WEIGHTS[: circuit.n_weights]
        self.assert_values(backend, quiet, density.expectations(quiet, weights), weights, noise=noise)
        half = replace(circuit, gates=(*quiet.gates[:2], *circuit.gates[2:]))
        expected = density.expectations(half, weights, None, None, noise)
        self.assert_values(backend, half, expected, weights, noise=noise)

    def test_reading_x_and_y_adds_no_noise(self, backend: QuantumBackend) -> None:
        """The rotations into a measurement basis are noise-free: <X> of a quietly prepared |+> stays 1."""
        letter = "X" if "X" in readable_letters(backend) else "Z"
        gates = (Gate("H", (0,), noisy=False),) if letter == "X" else ()
        noise = Noise(**dict.fromkeys(sorted(all_channels(backend)), 0.5))
        expected = torch.ones(1, 1, dtype=torch.float64)
        self.assert_values(backend, Circuit(1, gates, (PauliString(letter),)), expected, noise=noise)

    def test_readout_errors_shrink_a_string_by_its_weight(self, backend: QuantumBackend) -> None:
        """(1 - 2 p)^k for a Pauli string on k qubits, exact and sampled; every backend has them."""
        circuit = Circuit(3, (), tuple(PauliString(letters) for letters in ("III", "IZI", "ZIZ", "ZZZ")))
        expected = torch.tensor([[0.8**k for k in range(4)]], dtype=torch.float64)
        self.assert_values(backend, circuit, expected, noise=Noise(readout=0.1))
