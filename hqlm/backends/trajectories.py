"""Pauli noise as a mixture of pure states: each trajectory is the circuit with errors sampled after its gates.

Source: Dalibard, Castin and Molmer (1992), Phys. Rev. Lett. 68, 580, for the idea. Here all errors are Pauli operators
sampled beforehand, so that trajectories with equal errors are merged and gradients by angles stay exact in each.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hqlm.backends import reference
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise

Errors = tuple[tuple[int, str, int], ...]  # (index of the gate, Pauli letter, wire), in the order they act
_LETTERS = "IXYZ"
_BLOCK = 256  # trajectories sampled at a time


@dataclass(frozen=True)
class _Site:
    """A possible error: one of the non-identity strings of `letters` on the wires, chosen uniformly."""

    gate: int
    wires: tuple[int, ...]
    letters: str
    probability: float


def draw_errors(circuit: Circuit, noise: Noise, count: int, seed: int) -> list[Errors]:
    """Sample the errors of `count` trajectories.

    After each noisy gate, a uniformly random non-identity Pauli string occurs with the probability `one_qubit` or
    `two_qubit`, then Z on each of its wires with probability (1 - sqrt(1 - phase_damping)) / 2, which is phase damping.
    """
    sites = _all_sites(circuit, noise)
    probabilities = np.array([site.probability for site in sites])
    choices = np.array([len(site.letters) ** len(site.wires) for site in sites], dtype=np.int64)
    generator = np.random.default_rng([seed, 1])  # not the stream of the measurement samples
    drawn: list[list[tuple[int, str, int]]] = [[] for _ in range(count)]
    for first in range(0, count, _BLOCK):
        rows, hits = np.nonzero(generator.random((min(_BLOCK, count - first), len(sites))) < probabilities)
        for row, hit, choice in zip(rows, hits, generator.integers(1, choices[hits]), strict=True):
            drawn[first + row] += _error(sites[hit], choice)
    return [tuple(errors) for errors in drawn]


def shares(trajectories: list[Errors]) -> dict[Errors, float]:
    """Return the distinct trajectories with the fraction of each."""
    return {errors: number / len(trajectories) for errors, number in Counter(trajectories).items()}


def _sites(number: int, gate: Gate, noise: Noise) -> list[_Site]:
    pauli = noise.one_qubit if len(gate.wires) == 1 else noise.two_qubit
    flip = (1.0 - math.sqrt(1.0 - noise.phase_damping)) / 2.0
    sites = [_Site(number, gate.wires, _LETTERS, pauli), *(_Site(number, (w,), "IZ", flip) for w in gate.wires)]
    return [site for site in sites if site.probability > 0.0]


@lru_cache(maxsize=32)
def _all_sites(circuit: Circuit, noise: Noise) -> list[_Site]:
    return [site for number, gate in enumerate(circuit.gates) if gate.noisy for site in _sites(number, gate, noise)]


def _error(site: _Site, choice: int) -> list[tuple[int, str, int]]:
    base = len(site.letters)
    letters = [site.letters[choice // base**place % base] for place in range(len(site.wires))]
    return [(site.gate, letter, wire) for letter, wire in zip(letters, site.wires, strict=True) if letter != "I"]


def expectations(circuit: Circuit, angles: Tensor, states: Tensor | None, errors: dict[Errors, float]) -> Tensor:
    """Return the mean over trajectories of their values, in plain PyTorch; `(rows, n_observables)`."""
    values = []
    for each, share in errors.items():
        noisy, noisy_angles = with_errors(circuit, angles, each)
        psi = reference.final_states(noisy, noisy_angles, states)
        values.append(share * reference.state_expectations(circuit.observables, psi))
    return torch.stack(values).sum(0)


def with_errors(circuit: Circuit, angles: Tensor, errors: Errors) -> tuple[Circuit, Tensor]:
    """Return the circuit with the errors inserted, and its angles.

    Y acts as RY(pi) = -iY: the phase is global, and real circuits stay real.
    """
    gates: list[Gate] = []
    columns: list[int] = []
    column = 0
    for number, gate in enumerate(circuit.gates):
        gates.append(gate)
        if gate.angle is not None:
            columns.append(column)
            column += 1
        for _, letter, wire in (error for error in errors if error[0] == number):
            gates.append(Gate("RY", (wire,), math.pi) if letter == "Y" else Gate(letter, (wire,)))
            columns += [angles.shape[1]] if letter == "Y" else []
    table = torch.cat((angles, angles.new_full((len(angles), 1), math.pi)), dim=1)
    return replace(circuit, gates=tuple(gates)), table[:, columns]
