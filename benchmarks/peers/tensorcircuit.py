"""TensorCircuit-NG on JAX: the whole step is one function, vectorised over the batch, differentiated and jitted."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.head import Head
from benchmarks.steps import Step
from hqlm.circuits import Circuit, Input, Weight


def build(head: Head, step: str) -> Step:
    """A step of a head: `train` or `inference`."""
    import jax
    import tensorcircuit as tc

    tc.set_backend("jax")
    states, *weights = (jax.numpy.asarray(tensor.detach().numpy()) for tensor in (head.states, *head.weights))

    def row(weights: Any, state: Any) -> Any:
        return _values(tc, head.second, weights[1], _values(tc, head.first, weights[0], None, state), None)

    def total(weights: Any) -> Any:
        values = jax.vmap(row, in_axes=(None, 0))(weights, states)
        return values.sum(), values

    run = jax.jit({"train": jax.value_and_grad(total, has_aux=True), "inference": total}[step])

    def once() -> list[torch.Tensor]:
        found = jax.block_until_ready(run(weights))
        (_, values), slopes = found if step == "train" else (found, [])
        return [torch.tensor(jax.device_get(each)) for each in (values, *slopes)]

    return once


def _values(tc: Any, circuit: Circuit, weights: Any, inputs: Any, state: Any) -> Any:
    """Values of a circuit of RY and CNOT with Z observables, for one row."""
    run = tc.Circuit(circuit.n_qubits, inputs=state)
    for gate in circuit.gates:
        if gate.angle is None:
            run.cnot(*gate.wires)
            continue
        assert isinstance(gate.angle, Weight | Input)
        angles = weights if isinstance(gate.angle, Weight) else inputs
        run.ry(*gate.wires, theta=gate.angle.scale * angles[gate.angle.index])
    places = [[wire for wire, letter in enumerate(each.letters) if letter == "Z"] for each in circuit.observables]
    return tc.backend.stack([tc.backend.real(run.expectation_ps(z=wires)) for wires in places])
