"""Aer's EstimatorV2 as one would use it by hand: one PUB for the values, one for all shifted rows, exact.

It has no initial state for each row, so it runs the second module only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.head import Head
from benchmarks.steps import Step
from hqlm.circuits import Circuit, Input, Weight


def build(head: Head, step: str) -> Step:
    """A step of a head: `second`."""
    from qiskit_aer.primitives import EstimatorV2

    assert step == "second"
    fast = {"runtime_parameter_bind_enable": True, "max_parallel_threads": torch.get_num_threads()}
    estimator = EstimatorV2(options={"backend_options": fast})
    program, observables = _program(head.second)
    weights, features = head.weights[1].detach().double().numpy(), head.features.detach().double().numpy()

    def values(angles: np.ndarray) -> np.ndarray:
        job = estimator.run([(program, observables, angles)], precision=0.0)
        found: np.ndarray = job.result()[0].data.evs  # (n_observables, rows)
        return found

    def once() -> list[Tensor]:
        angles = _angles(head.second, weights, features)  # (rows, n_angles)
        rows, count = angles.shape
        shifts = math.pi / 2 * np.eye(count)[:, None, :]
        shifted = np.concatenate([angles + shifts, angles - shifts]).reshape(-1, count)
        up, down = values(shifted).sum(0).reshape(2, count, rows)
        slopes = (up - down) / 2.0  # (n_angles, rows)
        of_weights, of_features = np.zeros_like(weights), np.zeros_like(features)
        for gate, slope in zip(head.second.rotations, slopes, strict=True):
            if isinstance(gate.angle, Weight):
                of_weights[gate.angle.index] += gate.angle.scale * slope.sum()
            elif isinstance(gate.angle, Input):
                of_features[:, gate.angle.index] += gate.angle.scale * slope
        return [torch.from_numpy(found).float() for found in (values(angles).T, of_weights, of_features)]

    return once


def _program(circuit: Circuit) -> tuple[Any, list[Any]]:
    """A circuit of RY and CNOT with a parameter for each rotation, and its observables as a column."""
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    program, angles = QuantumCircuit(circuit.n_qubits), iter(ParameterVector("a", len(circuit.rotations)))
    for gate in circuit.gates:
        if gate.angle is None:
            program.cx(*gate.wires)
        else:
            program.ry(next(angles), *gate.wires)
    return program, [[SparsePauliOp(each.letters[::-1])] for each in circuit.observables]  # its qubit 0 stands last


def _angles(circuit: Circuit, weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    columns = []
    for gate in circuit.rotations:
        assert isinstance(gate.angle, Weight | Input)
        source = weights[None] if isinstance(gate.angle, Weight) else features
        columns.append(np.broadcast_to(gate.angle.scale * source[:, gate.angle.index], len(features)))
    return np.stack(columns, axis=1)
