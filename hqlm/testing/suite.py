"""Base class of the backend suite: the backend under test, and the comparison of its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from hqlm.backends import QuantumBackend
from hqlm.circuits import Circuit
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution, Noise


def has_exact_values(backend: QuantumBackend) -> bool:
    """Return whether the backend runs with `shots=None`."""
    assert not backend.exact or type(backend).values is not QuantumBackend.values, "exact values need `values`"
    return backend.exact


def has_shots(backend: QuantumBackend) -> bool:
    """Return whether the backend runs with a number of shots."""
    return type(backend).bits is not QuantumBackend.bits


def readable_letters(backend: QuantumBackend) -> str:
    """Return the letters of observables that the backend can read: under shots X needs an H, and Y an SDG as well."""
    if not has_shots(backend):
        return "IXYZ"
    needs = {"X": {"H"}, "Y": {"H", "SDG"}}
    return "".join(letter for letter in "IXYZ" if needs.get(letter, set()) <= backend.gates)


def all_channels(backend: QuantumBackend) -> frozenset[str]:
    """Return the noise fields that the backend supports for exact values, for samples or for both."""
    return backend.channels | backend.sampled_channels


def missing(
    backend: QuantumBackend, circuit: Circuit, states: Tensor | None, noise: Noise, shots: int | None = None
) -> bool:
    """Return whether the run needs something that the backend does not declare."""
    lacks_gates = bool({gate.name for gate in circuit.gates} - backend.gates)
    lacks_channels = bool(noise.gate_channels - backend.channels_under(shots))
    lacks_readout = noise.readout > 0.0 and not backend.readout_errors
    return lacks_gates or lacks_channels or lacks_readout or (states is not None and not backend.initial_states)


class BackendSuite:
    """Base class of the parts of `BackendContract`.

    Attributes:
        atol: largest difference of exact values in double precision.
        shots: measurements per row where sampled values are compared, within five standard deviations.
        examples: number of random circuits for each property.
    """

    atol = 1e-6
    shots = 4096
    examples = 15

    @pytest.fixture
    def backend(self) -> QuantumBackend:
        """The backend under test; a subclass overrides this fixture."""
        raise NotImplementedError("override the fixture `backend` and return your backend")

    def assert_values(
        self,
        backend: QuantumBackend,
        circuit: Circuit,
        expected: Tensor,
        weights: Tensor | None = None,
        inputs: Tensor | None = None,
        states: Tensor | None = None,
        noise: Noise = Noise(),
    ) -> None:
        """Compare exact and sampled values with `expected`; undeclared capabilities must be rejected."""
        weights = torch.zeros(0, dtype=torch.float64) if weights is None else weights
        for execution in self.executions(backend, noise):
            if missing(backend, circuit, states, noise, execution.shots):
                with pytest.raises(UnsupportedExecution):
                    backend.expectations(circuit, weights, inputs, states, execution)
                continue
            values = backend.expectations(circuit, weights, inputs, states, execution)
            assert values.shape == expected.shape
            bound = self.tolerance(expected, execution.shots)
            assert bool(((values - expected).abs() <= bound).all()), f"{values}\nis not\n{expected}\nunder {execution}"

    def executions(self, backend: QuantumBackend, noise: Noise = Noise()) -> list[Execution]:
        """Return the ways in which the backend can run: exact, sampled or both."""
        ways = [None] * has_exact_values(backend) + [self.shots] * has_shots(backend)
        assert ways, "a backend overrides `values`, `bits` or both"
        return [Execution(shots=shots, noise=noise, seed=1) for shots in ways]

    def tolerance(self, expected: Tensor, shots: int | None) -> Tensor:
        """Return the allowed difference: `atol`, or five standard deviations of a mean of `shots` values of +-1."""
        if shots is None:
            return torch.full_like(expected, self.atol)
        return 5.0 * ((1.0 - expected.square()).clamp(min=0.0) / shots).sqrt() + 5.0 / shots

    def for_all(
        self, *strategies: SearchStrategy[Any], always: tuple[Any, ...]
    ) -> Callable[[Callable[..., None]], None]:
        """Run the decorated property at once, on `always`, an example without symmetry, and on random ones."""

        def run(check: Callable[..., None]) -> None:
            settings(max_examples=self.examples, deadline=None)(example(*always)(given(*strategies)(check)))()

        return run
