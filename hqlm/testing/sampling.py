"""Checks of shots: joint samples, their standard deviation, readout errors and seeds."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from hqlm.backends import QuantumBackend
from hqlm.circuits import Circuit, Gate, Input, PauliString
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.testing.suite import BackendSuite, has_shots, missing

_NO_WEIGHTS = torch.zeros(0, dtype=torch.float64)


def _make_flip(backend: QuantumBackend, wire: int) -> Gate:
    return Gate("X", (wire,)) if "X" in backend.gates else Gate("RY", (wire,), math.pi)


def _global_generators() -> tuple[list[int], str]:
    return torch.get_rng_state().tolist(), repr(random.getstate()) + repr(np.random.get_state(legacy=False))


class SamplingChecks(BackendSuite):
    """Samples and estimates from them; a backend without shots must reject them."""

    def sample(
        self, backend: QuantumBackend, circuit: Circuit, inputs: Tensor | None = None, **settings: object
    ) -> Tensor | None:
        """Return samples of the circuit, or None after checking that the backend rejects them."""
        execution = Execution(**{"shots": 64, "seed": 1, **settings})  # type: ignore[arg-type]
        if not has_shots(backend) or missing(backend, circuit, None, execution.noise_model):
            with pytest.raises(UnsupportedExecution):
                backend.sample(circuit, _NO_WEIGHTS, inputs, None, execution)
            return None
        return backend.sample(circuit, _NO_WEIGHTS, inputs, None, execution)

    def test_samples_are_bits_of_every_qubit_in_order(self, backend: QuantumBackend) -> None:
        """X on qubits 0 and 3 of four gives the bits 1001 in every shot: `(batch, shots, n_qubits)`, uint8."""
        circuit = Circuit(4, (_make_flip(backend, 0), _make_flip(backend, 3)), ())
        bits = self.sample(backend, circuit, torch.zeros(3, 0, dtype=torch.float64), shots=7)
        if bits is not None:
            assert bits.dtype == torch.uint8
            assert bits.tolist() == [[[1, 0, 0, 1]] * 7] * 3

    def test_samples_are_joint(self, backend: QuantumBackend) -> None:
        """All qubits of a GHZ state agree in each shot, and both outcomes occur."""
        circuit = Circuit(3, (Gate("H", (0,)), Gate("CNOT", (0, 1)), Gate("CNOT", (1, 2))), ())
        bits = self.sample(backend, circuit)
        if bits is not None:
            assert torch.equal(bits.amin(-1), bits.amax(-1))
            assert 0.0 < float(bits.double().mean()) < 1.0

    def test_samples_carry_no_gradient(self, backend: QuantumBackend) -> None:
        """Bits are data, whatever requires a gradient."""
        circuit = Circuit(1, (Gate("RY", (0,), Input(0)),), ())
        bits = self.sample(backend, circuit, torch.ones(2, 1, dtype=torch.float64, requires_grad=True))
        assert bits is None or not bits.requires_grad

    def test_sampling_without_shots_is_refused(self, backend: QuantumBackend) -> None:
        """Exact samples do not exist."""
        with pytest.raises(UnsupportedExecution, match="shots"):
            backend.sample(Circuit(1, (), ()), _NO_WEIGHTS, None, None, Execution())

    @pytest.mark.parametrize("shots", [16, 256])
    def test_estimates_spread_as_one_over_the_root_of_the_shots(self, backend: QuantumBackend, shots: int) -> None:
        """The standard deviation over 200 rows is sin t / sqrt(shots) within five sigma, the mean is cos t."""
        rows, t = 200, 1.0
        circuit = Circuit(1, (Gate("RY", (0,), Input(0)),), (PauliString("Z"),))
        inputs = torch.full((rows, 1), t, dtype=torch.float64)
        execution = Execution(shots=shots, seed=3)
        if not has_shots(backend):
            with pytest.raises(UnsupportedExecution, match="shots"):
                backend.expectations(circuit, _NO_WEIGHTS, inputs, None, execution)
            return
        values = backend.expectations(circuit, _NO_WEIGHTS, inputs, None, execution)
        sigma = math.sin(t) / math.sqrt(shots)
        assert abs(float(values.std()) / sigma - 1.0) < 5.0 / math.sqrt(2 * rows)
        assert abs(float(values.mean()) - math.cos(t)) < 5.0 * sigma / math.sqrt(rows)

    def test_estimates_are_means_of_whole_shots(self, backend: QuantumBackend) -> None:
        """With 8 shots every value is a multiple of 1/4 apart from -1: nothing exact leaks in."""
        circuit = Circuit(1, (Gate("RY", (0,), 1.0),), (PauliString("Z"),))
        few = Execution(shots=8, seed=1)
        if not has_shots(backend):
            with pytest.raises(UnsupportedExecution, match="shots"):
                backend.expectations(circuit, _NO_WEIGHTS, None, None, few)
            return
        inputs = torch.zeros(9, 0, dtype=torch.float64)
        values = 4.0 * backend.expectations(circuit, _NO_WEIGHTS, inputs, None, few)
        torch.testing.assert_close(values, values.round())

    def test_readout_errors_flip_measured_bits(self, backend: QuantumBackend) -> None:
        """With probability 1 every bit is flipped, with 0.2 a fifth of them."""
        circuit = Circuit(2, (_make_flip(backend, 1),), ())
        bits = self.sample(backend, circuit, noise=Noise(readout=1.0))
        assert bits is None or bits.tolist() == [[[1, 0]] * 64]
        some = self.sample(backend, Circuit(2, (), ()), shots=self.shots, noise=Noise(readout=0.2))
        if some is not None:
            sigma = math.sqrt(0.2 * 0.8 / (2 * self.shots))
            assert abs(float(some.double().mean()) - 0.2) < 5.0 * sigma

    def test_equal_seeds_give_equal_samples_and_others_do_not(self, backend: QuantumBackend) -> None:
        """A seed of None is 0. Hardware (`seeded = False`) is exempt from equality."""
        circuit = Circuit(3, tuple(Gate("RY", (wire,), 1.5) for wire in range(3)), (PauliString("ZZI"),))
        first, again, other, zero, none = (self.sample(backend, circuit, seed=seed) for seed in (5, 5, 6, 0, None))
        if first is None or again is None or other is None or zero is None or none is None:
            return
        assert not torch.equal(first, other)
        if backend.seeded:
            assert torch.equal(first, again)
            assert torch.equal(zero, none)
            executions = [Execution(shots=64, seed=seed) for seed in (5, 5, 0, None)]
            a, b, c, d = (backend.expectations(circuit, _NO_WEIGHTS, None, None, e) for e in executions)
            assert torch.equal(a, b)
            assert torch.equal(c, d)

    def test_rows_of_one_call_are_independent(self, backend: QuantumBackend) -> None:
        """Equal rows get different samples."""
        circuit = Circuit(3, tuple(Gate("RY", (wire,), 1.5) for wire in range(3)), ())
        bits = self.sample(backend, circuit, torch.zeros(2, 0, dtype=torch.float64))
        assert bits is None or not torch.equal(bits[0], bits[1])

    def test_no_global_generator_is_read_or_moved(self, backend: QuantumBackend) -> None:
        """Seeded sampling leaves the generators of torch and NumPy alone and does not depend on them."""
        circuit = Circuit(2, (Gate("RY", (0,), 1.5), Gate("RY", (1,), 1.0)), (PauliString("ZZ"),))
        execution = self.executions(backend)[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            before = _global_generators()
            first = backend.expectations(circuit, _NO_WEIGHTS, execution=execution)
            after = _global_generators()
            torch.manual_seed(2)
            second = backend.expectations(circuit, _NO_WEIGHTS, execution=execution)
        if backend.seeded:
            assert before == after
            assert torch.equal(first, second)
