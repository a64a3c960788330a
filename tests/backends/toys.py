"""Small backends that can do less than the native engine, for tests of what the base class does for them."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from hqlm.backends import QuantumBackend, StatevectorBackend


@dataclass(frozen=True)
class _ExactOnly(QuantumBackend):
    """A black box of exact values without states, channels, shots or most gates."""

    gates: ClassVar[frozenset[str]] = frozenset({"RY", "RX", "CNOT", "CRY"})

    def values(self, circuit, angles, states, noise):
        return StatevectorBackend().values(circuit, angles, states, noise)


@dataclass(frozen=True)
class _SampledOnly(QuantumBackend):
    """A device: shots alone, started in |0...0>, noise-free."""

    gradients: ClassVar[frozenset[str]] = frozenset({"parameter_shift", "surrogate"})

    def bits(self, circuit, angles, states, noise, shots, seed):
        return StatevectorBackend().bits(circuit, angles, states, noise, shots, seed)


@dataclass(frozen=True)
class _Hardware(_SampledOnly):
    """A device with three gates and no H, whose samples cannot be repeated, with noise of its own kind."""

    gates: ClassVar[frozenset[str]] = frozenset({"RY", "RZ", "CZ"})
    channels: ClassVar[frozenset[str]] = frozenset({"one_qubit", "phase_damping"})
    seeded: ClassVar[bool] = False

    def bits(self, circuit, angles, states, noise, shots, seed):
        fresh = int(torch.randint(2**31, ()))
        return super().bits(circuit, angles, states, noise, shots, fresh)


@dataclass(frozen=True)
class _Trajectories(_SampledOnly):
    """A simulator with exact noise-free values, and Pauli errors that it draws for every shot."""

    sampled_channels: ClassVar[frozenset[str]] = frozenset({"one_qubit", "two_qubit"})

    def values(self, circuit, angles, states, noise):
        return StatevectorBackend().values(circuit, angles, states, noise)
