"""Base class of quantum backends.

An adapter overrides `values` (exact) or `bits` (sampled) or both and declares what it supports. The base class handles
shape checks, gradients, basis changes, readout errors, batch splits and seeds for all adapters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from hqlm.backends import gradients, measurement
from hqlm.backends.angles import angle_columns, check_parameters, row_count, trainable_columns
from hqlm.circuits import GATES, Circuit
from hqlm.contracts import returns
from hqlm.errors import CircuitError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.memory import check_fits
from hqlm.notices import say_once
from hqlm.registry import Component, check_installed

_SPLIT = 2**24  # amplitudes (or bits) passed to a backend at a time; about 256 MiB in double precision


@dataclass(frozen=True)
class QuantumBackend(Component):
    """Base class of quantum backends: runs circuits for expectation values, samples and, where supported, states.

    A plugin overrides one or both of `values` and `bits`. Capabilities are class attributes or properties:

    Attributes:
        channels: noise fields that it can apply after gates, for exact values and samples.
        sampled_channels: noise fields that it supports only with shots, as a trajectory simulator does.
        gates: names of the gates that it supports.
        gradients: rules of `Execution.gradient` that it supports; with `adjoint`, torch must differentiate `values`.
        initial_states: whether a row may start from an initial state.
        readout_errors: whether `Noise.readout` may be added; a device has its own readout errors.
        seeded: whether equal seeds give equal samples (hardware does not).
        exact: whether it returns exact values; by default, whether it overrides `values`.
    """

    channels: ClassVar[frozenset[str]] = frozenset()
    sampled_channels: ClassVar[frozenset[str]] = frozenset()
    gates: ClassVar[frozenset[str]] = frozenset(GATES)
    gradients: ClassVar[frozenset[str]] = frozenset({"parameter_shift", "spsa", "surrogate"})
    initial_states: ClassVar[bool] = False
    readout_errors: ClassVar[bool] = True
    seeded: ClassVar[bool] = True

    @property
    def exact(self) -> bool:
        """Whether it runs without shots; override this where it depends on options."""
        return type(self).values is not QuantumBackend.values

    @returns("a tensor (rows, n_observables) of real numbers", lambda found, *_: _is_real(found))
    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Return exact expectation values.

        Args:
            circuit: circuit to run; cache its translation, keyed by the circuit.
            angles: `(rows, n_angles)` radians, one column for each gate of `circuit.rotations`, in order.
            states: `(rows, 2**n_qubits)`, or None for all qubits in 0.
            noise: noise after each gate that is `noisy`; `noise.readout` is always 0 here.

        Returns:
            Expectation values `(rows, n_observables)`.
        """
        raise NotImplementedError

    @returns("a tensor (rows, shots, n_qubits) of uint8", lambda found, *_, **__: _is_bits(found))
    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return measurements of every qubit in the Z basis, `(rows, shots, n_qubits)`, uint8, qubit 0 first.

        Arguments as for `values`; `seed` is any integer from 0 to 2**32 - 1.
        """
        raise NotImplementedError

    @returns("a tensor (batch, n_observables) of real numbers", lambda found, *_, **__: _is_real(found))
    def expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        inputs: Tensor | None = None,
        states: Tensor | None = None,
        execution: Execution = Execution(),
    ) -> Tensor:
        """Return expectation values of the circuit's observables, differentiable once.

        A pure function of its arguments: sampling with `execution.seed=None` means seed 0.

        Args:
            circuit: circuit to run.
            weights: `(n_weights,)`; its dtype (float32 or float64) and device are those of the result.
            inputs: `(batch, n_inputs)`, or None when the circuit reads none.
            states: `(batch, 2**n_qubits)` real or complex, normalised, qubit 0 the most significant bit; None for
                all qubits in 0. Without inputs and states the batch is 1.
            execution: shots, noise, seed and gradient rule.

        Returns:
            Expectation values `(batch, n_observables)`, real.

        Raises:
            CircuitError: if shapes or dtypes do not fit the circuit, or it has no observables.
            UnsupportedExecution: if the backend does not support the request, with an alternative.
        """
        batch = check_parameters(circuit, weights, inputs, states)
        if not circuit.observables:
            raise CircuitError("the circuit has no observables. Add some, or call `sample` or `states`")
        self.check(circuit, execution, states)
        for setting in measurement.settings(circuit) if execution.shots else ():
            self.check(setting.circuit, execution, states)  # reading X takes an H, reading Y an SDG as well
        rule = self.gradient_rule(execution)
        if rule == "surrogate":
            return self._surrogate(circuit, weights, inputs, states, execution)
        if rule == "adjoint":
            values = self._differentiable(circuit, weights, inputs, states, execution)
            return measurement.with_readout_errors(values, circuit, execution.noise_model.readout)
        angles = angle_columns(circuit, weights, inputs, batch)
        if states is not None and states.requires_grad:
            raise UnsupportedExecution(
                f"gradients of initial states need gradient=adjoint; execution.gradient={rule} does not have them"
            )
        columns = trainable_columns(circuit, weights, inputs)
        measured = gradients.parameter_shift if rule == "parameter_shift" else gradients.spsa

        def evaluate(angles: Tensor, states: Tensor | None, seed: int) -> Tensor:
            return self._evaluate(circuit, angles, states, execution, seed)

        return measured(evaluate, circuit.rotations, columns, angles, states, execution)

    @returns(
        "a complex tensor (batch, 2**n_qubits)",
        lambda found, *_, **__: isinstance(found, Tensor) and found.is_complex() and found.ndim == 2,
    )
    def states(
        self, circuit: Circuit, weights: Tensor, inputs: Tensor | None = None, states: Tensor | None = None
    ) -> Tensor:
        """Return final states `(batch, 2**n_qubits)`, complex, differentiable; arguments as for `expectations`.

        Raises:
            UnsupportedExecution: if the backend has no state vector.
        """
        raise UnsupportedExecution(f"{type(self).__name__} has no state vector. Use StatevectorBackend")

    @returns("a tensor (batch, shots, n_qubits) of uint8", lambda found, *_, **__: _is_bits(found))
    def sample(
        self,
        circuit: Circuit,
        weights: Tensor,
        inputs: Tensor | None = None,
        states: Tensor | None = None,
        execution: Execution = Execution(shots=1024),
    ) -> Tensor:
        """Return Z basis measurements `(batch, shots, n_qubits)`, uint8, without gradient, with readout errors.

        Raises:
            UnsupportedExecution: without shots, or if the backend does not support the request.
        """
        batch = check_parameters(circuit, weights, inputs, states)
        if execution.shots is None:
            raise UnsupportedExecution("sampling needs shots: set execution.shots to a number, for example 1024")
        self.check(circuit, execution, states)
        check_fits(
            batch * execution.shots * circuit.n_qubits,
            f"{execution.shots:,} measurements of {batch:,} rows of {circuit.n_qubits} qubits",
            "Lower execution.shots, or take fewer rows at a time",
        )
        with torch.no_grad():
            angles = angle_columns(circuit, weights, inputs, batch)
            parts = _shot_parts(execution, circuit.n_qubits, execution.seed or 0)
            return torch.cat([self._measure(circuit, angles, states, part, seed) for part, seed in parts], dim=1)

    def gradient_rule(self, execution: Execution) -> str:
        """Return the rule that `execution.gradient` selects on this backend.

        Raises:
            UnsupportedExecution: if the backend does not support it.
        """
        rule: str = execution.gradient
        if rule == "auto":
            exact = execution.shots is None and "adjoint" in self.gradients
            rule = "adjoint" if exact else "parameter_shift"
        if rule == "adjoint" and execution.shots is not None:
            raise UnsupportedExecution(
                "execution.gradient=adjoint needs exact values, but execution.shots is set. "
                "Use gradient=parameter_shift, spsa or surrogate, or shots=null"
            )
        if rule not in self.gradients:
            known = ", ".join(sorted(self.gradients))
            raise UnsupportedExecution(f"{type(self).__name__} does not support gradient={rule}. It supports: {known}")
        return rule

    def channels_under(self, shots: int | None) -> frozenset[str]:
        """Return the noise fields that it can apply to exact values (`shots=None`) or to samples."""
        return self.channels if shots is None else self.channels | self.sampled_channels

    @returns("nothing")
    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Reject what this backend does not support, before anything runs.

        Raises:
            MissingDependency: when its SDK is not installed.
            UnsupportedExecution: with the setting and an alternative.
        """
        check_installed(type(self))
        name = type(self).__name__
        if execution.shots is None and not self.exact:
            raise UnsupportedExecution(f"{name} has no exact values: set execution.shots, or use StatevectorBackend")
        if execution.shots is not None and type(self).bits is QuantumBackend.bits:
            raise UnsupportedExecution(f"{name} has no shots: set execution.shots=null, or use StatevectorBackend")
        missing = circuit.gate_names - self.gates
        if missing:
            raise UnsupportedExecution(
                f"{name} has no gate {', '.join(sorted(missing))}; it has {', '.join(sorted(self.gates))}. "
                "Choose another ansatz or use StatevectorBackend"
            )
        noise = execution.noise_model
        channels = self.channels_under(execution.shots)
        lacking = sorted(noise.gate_channels - channels) + ["readout"] * (
            noise.readout > 0.0 and not self.readout_errors
        )
        if lacking and set(lacking) <= self.sampled_channels:
            raise UnsupportedExecution(
                f"{name} has noise {', '.join(lacking)} with shots only: set execution.shots, for example 1024, or use "
                "StatevectorBackend"
            )
        if lacking:
            known = sorted(channels) + ["readout"] * self.readout_errors
            raise UnsupportedExecution(
                f"{name} cannot add noise {', '.join(lacking)}; it adds {', '.join(known) or 'none to its own'}. "
                f"Set execution.noise.{lacking[0]}=0 or use StatevectorBackend"
            )
        if states is not None and not self.initial_states:
            raise UnsupportedExecution(f"{name} cannot start from given states. Use StatevectorBackend")

    def _surrogate(
        self, circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, execution: Execution
    ) -> Tensor:
        from hqlm.backends.statevector import StatevectorBackend  # the engine is itself a backend

        with torch.no_grad():
            angles = angle_columns(circuit, weights, inputs, check_parameters(circuit, weights, inputs, states))
            value = self._evaluate(circuit, angles, states, execution, gradients.seeds(execution.seed or 0)[0])
        if not torch.is_grad_enabled():
            return value
        exact = StatevectorBackend().expectations(circuit, weights, inputs, states)
        return exact + (value - exact).detach()

    def _evaluate(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, execution: Execution, seed: int
    ) -> Tensor:
        if execution.shots is None:
            values = self._exact(circuit, angles, states, execution)
            return measurement.with_readout_errors(values, circuit, execution.noise_model.readout)
        result = angles.new_empty(len(angles), len(circuit.observables))
        for place, setting in enumerate(measurement.settings(circuit)):
            means = torch.zeros(len(angles), len(setting.places), dtype=torch.float64, device=angles.device)
            for part, own in _shot_parts(execution, circuit.n_qubits, _child_seed(seed, place)):
                bits = self._measure(setting.circuit, angles, states, part, own)
                share = (part.shots or 0) / execution.shots
                means += share * measurement.means(bits, setting.supports, angles.dtype).to(means)
            result[:, list(setting.places)] = means.to(result)
        return result

    def _differentiable(
        self, circuit: Circuit, weights: Tensor, inputs: Tensor | None, states: Tensor | None, execution: Execution
    ) -> Tensor:
        """Return exact values `(batch, n_observables)` without readout errors, for the rule `adjoint`."""
        angles = angle_columns(circuit, weights, inputs, row_count(inputs, states))
        return self._exact(circuit, angles, states, execution)

    def _exact(self, circuit: Circuit, angles: Tensor, states: Tensor | None, execution: Execution) -> Tensor:
        quiet = _without_readout(execution.noise_model)
        with torch.set_grad_enabled(torch.is_grad_enabled() and "adjoint" in self.gradients):
            parts = []
            for first, last in _splits(len(angles), _row_size(circuit, quiet)):
                values = self.values(circuit, angles[first:last], rows_in_turn(states, first, last), quiet)
                self._check_shape("values", values, (last - first, len(circuit.observables)))
                parts.append(values)
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).to(angles)

    def _measure(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, execution: Execution, seed: int
    ) -> Tensor:
        assert execution.shots is not None
        if not self.seeded:
            name = type(self).__name__
            say_once(f"{name} cannot be seeded: repeated measurements differ even with the same execution.seed")
        shots, noise = execution.shots, execution.noise_model
        parts = []
        for first, last in _splits(len(angles), max(_row_size(circuit, noise), shots * circuit.n_qubits)):
            bit_seed, flip_seed = _child_seed(seed, first, 0), _child_seed(seed, first, 1)
            rows = rows_in_turn(states, first, last)
            bits = self.bits(circuit, angles[first:last], rows, _without_readout(noise), shots, bit_seed)
            self._check_shape("samples (rows, shots, qubits)", bits, (last - first, shots, circuit.n_qubits))
            parts.append(measurement.flip(bits, noise.readout, flip_seed))
        return torch.cat(parts)

    def _check_shape(self, what: str, found: Tensor, expected: tuple[int, ...]) -> None:
        if tuple(found.shape) != expected:
            raise UnsupportedExecution(
                f"{type(self).__name__} returned {what} of shape {tuple(found.shape)}, expected {expected}"
            )


def _is_real(found: Any) -> bool:
    return isinstance(found, Tensor) and found.is_floating_point() and found.ndim > 0


def _is_bits(found: Any) -> bool:
    return isinstance(found, Tensor) and found.dtype == torch.uint8


@lru_cache(maxsize=64)
def _without_readout(noise: Noise) -> Noise:
    return Noise(noise.one_qubit, noise.two_qubit, noise.amplitude_damping, noise.phase_damping)


def _row_size(circuit: Circuit, noise: Noise) -> int:
    """Return how many numbers a simulator stores per row: a state, or a density matrix if channels act."""
    return int(4**circuit.n_qubits if noise.gate_channels else 2**circuit.n_qubits)


def _shot_parts(execution: Execution, n_qubits: int, seed: int) -> Iterator[tuple[Execution, int]]:
    """Yield executions with parts of the shots, so that the bits of a row fit the workspace, and their seeds."""
    shots, step = execution.shots or 0, max(1, _SPLIT // n_qubits)
    if shots <= step:
        yield execution, seed
        return
    for first in range(0, shots, step):
        yield replace(execution, shots=min(step, shots - first)), _child_seed(seed, first, 2)


def _splits(rows: int, size: int) -> list[tuple[int, int]]:
    """Return ranges of rows of `size` amplitudes or bits each; they depend on nothing else, so seeds are stable."""
    step = max(1, _SPLIT // size)
    return [(first, min(first + step, rows)) for first in range(0, rows, step)]


def rows_in_turn(states: Tensor | None, first: int, last: int) -> Tensor | None:
    """Return the states of a range of rows, reused cyclically when there are more rows than states."""
    if states is None:
        return None
    if (first, last) != (0, len(states)):
        states = states[torch.arange(first, last, device=states.device) % len(states)]
    return states.resolve_conj()  # NumPy cannot read tensors that torch conjugates lazily


def _child_seed(seed: int, *path: int) -> int:
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])
