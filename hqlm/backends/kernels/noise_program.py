"""Noisy circuits for the density-matrix kernels: gates on row and column bits, and the channels after them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqlm.backends.kernels.operations import Operation, operations_by_gate
from hqlm.backends.kernels.program import Patterns, Program, assemble
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise

_NONE = [-1, -1]


@dataclass(frozen=True)
class NoiseProgram:
    """A noisy circuit for `density.py`; lanes are rows of the batch.

    Args:
        program: gates, as operations on 2 n qubits.
        schedule: `(gates, 4)`, ranges of table rows and of channels of each gate.
        channels: `(channels, 4)`, bits that a channel acts on.
        strengths: `(channels, 5)`, its factors.
    """

    program: Program
    schedule: NDArray[np.int64]
    channels: NDArray[np.int64]
    strengths: NDArray[Any]


@lru_cache(maxsize=64)
def noise_program(circuit: Circuit, noise: Noise, dtype: type[np.floating[Any]]) -> NoiseProgram:
    """The program of a noisy circuit."""
    n = circuit.n_qubits
    doubled = replace(circuit, n_qubits=2 * n, observables=())
    patterns = Patterns(0)
    rows: list[list[int]] = []
    schedule: list[list[int]] = []
    bits: list[list[int]] = []
    strengths: list[list[float]] = []
    on_rows = operations_by_gate(doubled)
    for gate, operations in zip(circuit.gates, on_rows, strict=True):
        begin, first = len(rows), len(bits)
        for operation in [*operations, *(_on_columns(operation, n) for operation in operations)]:
            rows += patterns.rows(operation, doubled)
        for wires, factors in _channels(gate, noise):
            places = sorted(n - 1 - wire for wire in wires)
            bits.append([*places, *(n + place for place in places), *(_NONE if len(wires) == 1 else [])])
            strengths.append(factors)
        schedule.append([begin, len(rows), first, len(bits)])
    return NoiseProgram(
        assemble(doubled, rows, patterns, dtype),
        np.array(schedule, dtype=np.int64).reshape(-1, 4),
        np.array(bits, dtype=np.int64).reshape(-1, 4),
        np.array(strengths, dtype=dtype).reshape(-1, 5),
    )


def _on_columns(operation: Operation, n: int) -> Operation:
    """The complex conjugate operation, on the column bits, n below the row bits."""
    return replace(
        operation,
        flips=operation.flips >> n,
        parity=operation.parity >> n,
        controls=operation.controls >> n,
        flip_first=None if operation.flip_first is None else operation.flip_first >> n,
        sign=-operation.sign if operation.twist else operation.sign,
    )


def _channels(gate: Gate, noise: Noise) -> list[tuple[tuple[int, ...], list[float]]]:
    """Channels after a gate, in order: Pauli errors, then on each wire amplitude and phase damping."""
    if not gate.noisy:
        return []
    channels: list[tuple[tuple[int, ...], list[float]]] = []
    single = np.eye(3)  # on the elements 00, 11 and, times itself, 01 and 10
    if len(gate.wires) == 2 and noise.two_qubit:
        mixed = 16.0 * noise.two_qubit / 15.0  # the share that is replaced by the maximally mixed state
        channels.append((gate.wires, [1.0 - mixed, mixed / 4.0, 0.0, 0.0, 0.0]))
    if len(gate.wires) == 1:
        p = noise.one_qubit
        single = np.array([[1 - 2 * p / 3, 2 * p / 3, 0], [2 * p / 3, 1 - 2 * p / 3, 0], [0, 0, 1 - 4 * p / 3]])
    decay = noise.amplitude_damping
    damped = np.array([[1, decay, 0], [0, 1 - decay, 0], [0, 0, math.sqrt(1 - decay)]]) @ single
    damped[2, 2] *= math.sqrt(1 - noise.phase_damping)
    if not np.array_equal(damped, np.eye(3)):
        factors = [*damped[:2, :2].ravel().tolist(), float(damped[2, 2])]
        channels += [((wire,), factors) for wire in gate.wires]
    return channels
