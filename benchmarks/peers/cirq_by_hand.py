"""Cirq's state vectors as its documentation uses them: symbols, and a sweep over the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.head import Head
from benchmarks.steps import Step, Values, torch_step
from hqlm.backends.angles import angle_columns
from hqlm.circuits import Circuit


def build(head: Head, step: str) -> Step:
    """A step of a head: `inference`."""
    assert step == "inference"
    return torch_step(_values, head, step)


def _values(circuit: Circuit) -> Values:
    import cirq
    import sympy

    qubits = cirq.LineQubit.range(circuit.n_qubits)
    symbols = iter(sympy.symbols(f"a:{len(circuit.rotations)}"))
    operations = [
        getattr(cirq, gate.name)(*(qubits[wire] for wire in gate.wires))
        if gate.angle is None
        else getattr(cirq, gate.name.lower())(next(symbols))(qubits[gate.wires[0]])
        for gate in circuit.gates
    ]
    program, simulator = cirq.Circuit(operations), cirq.Simulator(dtype=np.complex128)
    observables: list[Any] = [cirq.DensePauliString(each.letters).on(*qubits) for each in circuit.observables]

    def values(weights: Tensor, inputs: Tensor | None, states: Tensor | None) -> Tensor:
        batch = next(len(rows) for rows in (inputs, states) if rows is not None)
        angles = angle_columns(circuit, weights, inputs, batch).tolist()
        rows = [cirq.ParamResolver({f"a{k}": angle for k, angle in enumerate(row)}) for row in angles]
        if states is None:
            found = simulator.simulate_expectation_values_sweep(program, observables, rows)
        else:
            initial = states.numpy().astype(np.complex128)
            initial /= np.linalg.norm(initial, axis=1, keepdims=True)
            found = [
                simulator.simulate_expectation_values(program, observables, row, initial_state=state)
                for row, state in zip(rows, initial, strict=True)
            ]
        return torch.from_numpy(np.real(found)).to(weights)

    return values
