"""Checks that unsupported requests, and tensors that do not fit, end in an error that says so."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hqlm.backends import QuantumBackend
from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import CircuitError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.testing.noise import CHANNELS
from hqlm.testing.suite import BackendSuite, has_exact_values, has_shots

_GATES = (Gate("RY", (0,), Weight(0)), Gate("RY", (1,), Weight(1)), Gate("RY", (1,), Input(0)))
_CIRCUIT = Circuit(2, _GATES, (PauliString("ZZ"),))
_WEIGHTS = torch.tensor([0.1, 0.2], dtype=torch.float64)
_INPUTS = torch.tensor([[0.3], [0.4]], dtype=torch.float64)
_STATES = torch.eye(4, dtype=torch.float64)[:2]
_RULES = {"adjoint", "parameter_shift", "spsa", "surrogate"}

_MISFITS: dict[str, tuple[Tensor, Tensor | None]] = {
    "too many weights": (torch.zeros(3, dtype=torch.float64), _INPUTS),
    "too few weights": (torch.zeros(0, dtype=torch.float64), _INPUTS),
    "weights of two dimensions": (_WEIGHTS[None], _INPUTS),
    "weights of integers": (torch.zeros(2, dtype=torch.int64), _INPUTS),
    "complex weights": (_WEIGHTS.to(torch.complex128), _INPUTS),
    "no inputs": (_WEIGHTS, None),
    "too many inputs": (_WEIGHTS, torch.zeros(2, 2, dtype=torch.float64)),
    "inputs of one dimension": (_WEIGHTS, _INPUTS[:, 0]),
    "an empty batch": (_WEIGHTS, _INPUTS[:0]),
    "inputs of another precision": (_WEIGHTS, _INPUTS.float()),
}
_BAD_STATES: dict[str, Tensor] = {
    "too short": _STATES[:, :2],
    "one dimension": _STATES[0],
    "other rows than the inputs": _STATES[:1],
    "not normalised": 2.0 * _STATES,
    "not a number": _STATES * float("nan"),
    "another precision": _STATES.float(),
}


class RefusalChecks(BackendSuite):
    """Every unsupported request raises an error."""

    def test_capabilities_are_known_words(self, backend: QuantumBackend) -> None:
        """Declared capabilities have known names; channels act on gates; readout errors belong to the base class."""
        assert backend.gates <= set(GATES)
        assert backend.gates, "a backend without gates runs nothing"
        assert backend.channels | backend.sampled_channels <= set(CHANNELS)
        assert not backend.channels & backend.sampled_channels, "what exact values have, samples have too"
        assert backend.gradients <= _RULES

    @pytest.mark.parametrize("misfit", sorted(_MISFITS))
    def test_parameters_that_do_not_fit_are_refused(self, backend: QuantumBackend, misfit: str) -> None:
        """Shapes and dtypes of weights and inputs."""
        weights, inputs = _MISFITS[misfit]
        for execution in self.executions(backend):
            with pytest.raises(CircuitError):
                backend.expectations(_CIRCUIT, weights, inputs, None, execution)

    def test_values_of_no_observables_are_refused(self, backend: QuantumBackend) -> None:
        """There is nothing to return."""
        for execution in self.executions(backend):
            with pytest.raises(CircuitError, match="observables"):
                backend.expectations(Circuit(2, _GATES, ()), _WEIGHTS, _INPUTS, None, execution)

    @pytest.mark.parametrize("misfit", sorted(_BAD_STATES))
    def test_states_that_do_not_fit_are_refused(self, backend: QuantumBackend, misfit: str) -> None:
        """Shapes, norms and dtypes of initial states."""
        for execution in self.executions(backend):
            with pytest.raises(CircuitError):
                backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, _BAD_STATES[misfit], execution)

    def test_states_are_refused_unless_declared(self, backend: QuantumBackend) -> None:
        """Devices start in |0...0>."""
        for execution in self.executions(backend):
            if backend.initial_states:
                values = backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, _STATES, execution)
                assert values.shape == (2, 1)
                continue
            with pytest.raises(UnsupportedExecution, match="states"):
                backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, _STATES, execution)

    def test_adjoint_with_shots_is_refused(self, backend: QuantumBackend) -> None:
        """Samples have no derivative."""
        with pytest.raises(UnsupportedExecution):
            backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, Execution(shots=8, gradient="adjoint"))

    def test_shots_and_exact_values_are_refused_unless_there(self, backend: QuantumBackend) -> None:
        """A backend that overrides only `values` or only `bits` says what to set instead."""
        ways = {None: has_exact_values(backend), 8: has_shots(backend)}
        for shots, there in ways.items():
            execution = Execution(shots=shots)
            if there:
                assert backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution).shape == (2, 1)
                continue
            with pytest.raises(UnsupportedExecution, match=r"execution\.shots"):
                backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_channels_are_refused_unless_declared(self, backend: QuantumBackend, channel: str) -> None:
        """Naming the setting to change."""
        for execution in self.executions(backend, Noise(**{channel: 0.1})):
            if channel in backend.channels_under(execution.shots):
                assert backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution).shape == (2, 1)
                continue
            with pytest.raises(UnsupportedExecution, match=channel):
                backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution)

    def test_readout_errors_are_refused_unless_declared(self, backend: QuantumBackend) -> None:
        """A device has its own; also in `sample`."""
        for execution in self.executions(backend, Noise(readout=0.1)):
            if backend.readout_errors:
                assert backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution).shape == (2, 1)
                continue
            with pytest.raises(UnsupportedExecution, match=r"execution\.noise\.readout"):
                backend.expectations(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution)
            with pytest.raises(UnsupportedExecution, match=r"execution\.noise\.readout"):
                backend.sample(_CIRCUIT, _WEIGHTS, _INPUTS, None, execution)

    def test_every_gate_outside_the_declared_ones_is_refused_by_name(self, backend: QuantumBackend) -> None:
        """Also in `sample`."""
        for name in sorted(set(GATES) - backend.gates):
            kind = GATES[name]
            gate = Gate(name, tuple(range(kind.n_wires)), 0.1 if kind.parameterised else None)
            circuit = Circuit(2, (gate,), (PauliString("ZZ"),))
            none = torch.zeros(0, dtype=torch.float64)
            for execution in self.executions(backend):
                with pytest.raises(UnsupportedExecution, match=name):
                    backend.expectations(circuit, none, None, None, execution)
            with pytest.raises(UnsupportedExecution):
                backend.sample(circuit, none)
