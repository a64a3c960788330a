"""Braket's simulators on this machine: state vectors, and density matrices under noise.

The engine is driven operation by operation. `LocalSimulator.run` writes and parses every row as OpenQASM: a row of 10
qubits and 80 gates took 101 ms that way and takes 3 ms this way, with the same values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hqlm.backends.channels import channels_after, n_channels
from hqlm.circuits import Circuit, PauliString
from hqlm.execution import Noise
from hqlm_braket.circuits import steps

Angles = NDArray[np.float64]

_CHANNELS: Final = {  # Braket's depolarizing probability is that of a non-identity Pauli, as ours
    "one_qubit": "Depolarizing",
    "two_qubit": "TwoQubitDepolarizing",
    "amplitude_damping": "AmplitudeDamping",
    "phase_damping": "PhaseDamping",
}


class _Rotation(NamedTuple):
    """An operation that waits for an angle: `factor` times a column of the angles."""

    kind: Any
    wires: tuple[int, ...]
    column: int
    factor: float


def values(circuit: Circuit, angles: Angles, noise: Noise, density_matrix: bool) -> NDArray[np.float64]:
    """Expectation values `(rows, n_observables)`."""
    observables = [_observable(each) for each in circuit.observables]
    found = [
        [simulation.expectation(observable) for observable in observables]
        for simulation in _simulations(circuit, angles, noise, density_matrix)
    ]
    return np.array(found)


def bits(
    circuit: Circuit, angles: Angles, noise: Noise, density_matrix: bool, shots: int, seed: int
) -> NDArray[np.uint8]:
    """Samples `(rows, shots, n_qubits)` of the simulator's exact probabilities, by a generator of our own.

    Braket draws from `numpy.random.default_rng()` and takes no seed; nothing else about its shots is lost, since all
    qubits are measured at the end.
    """
    generator = np.random.default_rng(seed)
    places = np.arange(circuit.n_qubits)[::-1]
    found = []
    for simulation in _simulations(circuit, angles, noise, density_matrix):
        probabilities = simulation.probabilities
        outcomes = generator.choice(len(probabilities), size=shots, p=probabilities / probabilities.sum())
        found.append((outcomes[:, None] >> places) & 1)
    return np.array(found, dtype=np.uint8)


def _simulations(circuit: Circuit, angles: Angles, noise: Noise, density_matrix: bool) -> Any:
    """Simulations of the rows, one after the other, each after its last operation."""
    from braket.default_simulator import DensityMatrixSimulation, StateVectorSimulation

    template = _template(circuit, noise)
    for row in angles:
        if density_matrix:
            simulation = DensityMatrixSimulation(circuit.n_qubits, shots=0)
        else:
            simulation = StateVectorSimulation(circuit.n_qubits, shots=0, batch_size=1)
        simulation.evolve(
            [
                step.kind(step.wires, step.factor * row[step.column]) if isinstance(step, _Rotation) else step
                for step in template
            ]
        )
        yield simulation


@lru_cache(maxsize=64)
def _template(circuit: Circuit, noise: Noise) -> tuple[Any, ...]:
    """Operations of the circuit and the channels that follow its gates; rotations without their angle."""
    from braket.default_simulator import KrausOperation, gate_operations, noise_operations

    found: list[Any] = []
    rotations = 0
    for gate in circuit.gates:
        for name, wires, factor in steps(gate):
            kind = gate_operations.BRAKET_GATES[name]
            found.append(kind(wires) if factor is None else _Rotation(kind, wires, rotations, factor))
        rotations += gate.angle is not None
        for channel, wires, probability in channels_after(gate, noise):
            found.append(getattr(noise_operations, _CHANNELS[channel])(wires, probability))
    n_found = sum(isinstance(step, KrausOperation) for step in found)
    assert n_found == n_channels(circuit, noise), "a channel was lost"
    return tuple(found)


@lru_cache(maxsize=256)
def _observable(observable: PauliString) -> Any:
    from braket.default_simulator import observables

    factors = [getattr(observables, f"Pauli{observable.letters[wire]}")([wire]) for wire in observable.support]
    if len(factors) > 1:
        return observables.TensorProduct(factors)
    return factors[0] if factors else observables.Identity([0])
