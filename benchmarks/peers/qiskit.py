"""Qiskit Machine Learning's TorchConnector around an EstimatorQNN: exact values, parameter-shift gradients.

It has no initial state for each row, so it runs the second module only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.head import Head
from benchmarks.steps import Step
from hqlm.circuits import Circuit, Input, Weight


def build(head: Head, step: str) -> Step:
    """A step of a head: `second`."""
    assert step == "second"
    weights, inputs = head.weights[1].detach().numpy(), head.features
    connector = _connector(head.second, weights)

    def once() -> list[Tensor]:
        values = connector(inputs)
        return [values.detach(), *torch.autograd.grad(values.sum(), [*connector.parameters(), inputs])]

    return once


def _connector(circuit: Circuit, weights: object) -> torch.nn.Module:
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.primitives import StatevectorEstimator
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    weight, feature = ParameterVector("w", circuit.n_weights), ParameterVector("x", circuit.n_inputs)
    program = QuantumCircuit(circuit.n_qubits)
    for gate in circuit.gates:
        if gate.angle is None:
            program.cx(*gate.wires)
            continue
        assert isinstance(gate.angle, Weight | Input)
        angles = weight if isinstance(gate.angle, Weight) else feature
        program.ry(gate.angle.scale * angles[gate.angle.index], *gate.wires)
    network = EstimatorQNN(
        circuit=program,
        estimator=StatevectorEstimator(),
        observables=[SparsePauliOp(each.letters[::-1]) for each in circuit.observables],  # its qubit 0 stands last
        input_params=list(feature),
        weight_params=list(weight),
        input_gradients=True,
        default_precision=0.0,
    )
    connector: torch.nn.Module = TorchConnector(network, initial_weights=weights)
    return connector
