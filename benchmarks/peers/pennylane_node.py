"""A circuit of the paper's head as a PennyLane QNode."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.steps import Values
from hqlm.backends.matrices import pauli_matrix
from hqlm.circuits import Circuit, Input, Weight
from hqlm.execution import Noise


def node(circuit: Circuit, device: str, diff_method: str, noise: Noise = Noise()) -> Values:
    """Values of a circuit whose gates and observables PennyLane knows by the same names."""
    import pennylane as qml

    two_qubit = _depolarizing(noise.two_qubit)

    @qml.qnode(qml.device(device, wires=circuit.n_qubits), interface="torch", diff_method=diff_method)  # type: ignore[untyped-decorator]
    def run(weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Any:
        if states is not None:
            qml.StatePrep(states, wires=range(circuit.n_qubits))
        for gate in circuit.gates:
            operation = getattr(qml, gate.name)
            if isinstance(gate.angle, Weight):
                operation(gate.angle.scale * weights[gate.angle.index], wires=gate.wires)
            elif isinstance(gate.angle, Input):
                assert inputs is not None
                operation(gate.angle.scale * inputs[:, gate.angle.index], wires=gate.wires)
            else:
                operation(wires=gate.wires)
            if len(gate.wires) == 1 and noise.one_qubit:
                qml.DepolarizingChannel(noise.one_qubit, wires=gate.wires)
            elif len(gate.wires) == 2 and noise.two_qubit:
                qml.QubitChannel(two_qubit, wires=gate.wires)
        return [qml.expval(qml.pauli.string_to_pauli_word(each.letters)) for each in circuit.observables]

    def values(weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
        return torch.stack(list(run(weights, inputs, states)), dim=1)

    return values


def _depolarizing(probability: float) -> list[np.ndarray]:
    """The 16 Kraus operators of a uniformly random non-identity Pauli pair, which PennyLane has no channel for."""
    pairs = ["".join(letters) for letters in product("IXYZ", repeat=2)]
    weights = [1.0 - probability] + [probability / 15.0] * 15
    return [math.sqrt(weight) * pauli_matrix(pair).numpy() for weight, pair in zip(weights, pairs, strict=True)]
