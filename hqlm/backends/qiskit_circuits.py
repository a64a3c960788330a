"""Translates circuits to Qiskit: gates, channels after them, initial states, and the measured bits.

Wire w is Qiskit's qubit n - 1 - w, because Qiskit's first qubit is the least significant bit. So amplitudes, Pauli
strings and measured bits, which Qiskit writes from its last qubit to its first, are already in our order.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hqlm.backends.channels import channels_after, n_channels
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise

_NAMES: Final = {"I": "id", "CNOT": "cx"}  # all other gates have the same name, in lower case


class Program(NamedTuple):
    """A Qiskit circuit, and the mapping from angles to its parameters.

    Args:
        circuit: a `QuantumCircuit`.
        columns: column of the angles that each parameter is taken from, in Qiskit's order of parameters.
        factors: factor of that angle.
    """

    circuit: Any
    columns: NDArray[np.intp]
    factors: NDArray[np.float64]

    def parameters(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of the parameters, `(rows, n_parameters)`, for angles `(rows, n_angles)` in radians."""
        return angles[:, self.columns] * self.factors

    def pubs(self, angles: NDArray[np.float64]) -> list[Any]:
        """Return the PUBs of a sampler: one circuit with all parameters; without any, one circuit per row."""
        if not len(self.columns):
            return [(self.circuit,)] * len(angles)
        return [(self.circuit, self.parameters(angles))]


@lru_cache(maxsize=64)
def translated(circuit: Circuit, noise: Noise) -> Program:
    """Translate the gates and the channels after them, without a measurement."""
    from qiskit.circuit import ParameterVector, QuantumCircuit

    steps = [(gate, _steps(gate)) for gate in circuit.gates]
    factors = [factor for _, parts in steps for _, _, factor in parts if factor is not None]
    program, parameters = QuantumCircuit(circuit.n_qubits), iter(ParameterVector("angle", len(factors)))
    columns, rotations = [], 0
    for gate, parts in steps:
        for name, wires, factor in parts:
            angle = () if factor is None else (next(parameters),)
            columns += [rotations] * len(angle)
            getattr(program, name)(*angle, *_qubits(wires, circuit))
        rotations += gate.angle is not None
        for kind, wires, probability in channels_after(gate, noise):
            program.append(_channel(kind, len(wires), probability), _qubits(wires, circuit))
    assert program.count_ops().get("quantum_channel", 0) == n_channels(circuit, noise), "a channel was lost"
    return Program(program, np.array(columns, dtype=np.intp), np.array(factors))


def _qubits(wires: tuple[int, ...], circuit: Circuit) -> list[int]:
    return [circuit.n_qubits - 1 - wire for wire in wires]


def _steps(gate: Gate) -> list[tuple[str, tuple[int, ...], float | None]]:
    """Return Qiskit's gates by name, with their wires and, for rotations, the factor of the angle.

    A controlled rotation becomes R(t/2) C R(-t/2) C, with R on the target and C a CZ or a CX, whichever flips its sign:
    Aer's density matrices do not support it, and its parameter arrays skip those that its state vectors support.
    """
    name = _NAMES.get(gate.name, gate.name.lower())
    if gate.angle is None:
        return [(name, gate.wires, None)]
    if not gate.kind.controlled:
        return [(name, gate.wires, 1.0)]
    flip = ("cx" if gate.name == "CRZ" else "cz", gate.wires, None)
    target = gate.wires[1:]
    return [(name[1:], target, 0.5), flip, (name[1:], target, -0.5), flip]


@lru_cache(maxsize=64)
def _channel(kind: str, n_wires: int, probability: float) -> Any:
    from qiskit_aer import noise

    if kind == "amplitude_damping":
        error = noise.amplitude_damping_error(probability)
    elif kind == "phase_damping":
        error = noise.phase_damping_error(probability)
    else:  # Qiskit's parameter is the weight of the maximally mixed state, not the probability of an error
        error = noise.depolarizing_error(probability * 4**n_wires / (4**n_wires - 1), n_wires)
    return error.to_instruction()


def started(circuit: Any, state: NDArray[np.complex128]) -> Any:
    """Return an Aer circuit that starts from a state."""
    from qiskit_aer.library import SetStatevector

    exact = state / math.sqrt(np.vdot(state, state).real)  # single precision is not normalised enough for Aer
    whole = circuit.copy_empty_like()
    whole.append(SetStatevector(exact), whole.qubits)
    return whole.compose(circuit, copy=False)


def unpacked(register: Any) -> NDArray[np.uint8]:
    """Return the bits `(rows, shots, n_qubits)` of a `BitArray`, qubit 0 first."""
    bits = np.unpackbits(register.array, axis=-1)[..., -register.num_bits :]
    return bits.reshape(-1, *bits.shape[-2:])
