"""A quantum circuit as a torch layer."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from hqlm.backends import QuantumBackend
from hqlm.circuits import Circuit
from hqlm.errors import CheckpointError
from hqlm.execution import Execution


class QuantumLayer(nn.Module):
    """Expectation values of a circuit with trainable weights: `f(x)_k = <0| U(w, s x)^+ P_k U(w, s x) |0>`.

    Weights start uniformly in (-pi, pi). Every forward pass measures with its own seed, derived from the seed, the
    process rank, the mode and a counter. The counter of training passes is part of the state dict, that of evaluation
    restarts at every `eval()`, so that an evaluation is repeatable.

    Args:
        circuit: circuit to run.
        backend: backend that runs it.
        execution: shots, noise, seed and gradient rule; a seed of None takes the seed of torch's generator.
        trainable_scale: multiply each input by a trainable number that starts at 1.

    Raises:
        UnsupportedExecution: if the backend cannot run the circuit with this execution.
    """

    def __init__(
        self,
        circuit: Circuit,
        backend: QuantumBackend,
        execution: Execution = Execution(),
        trainable_scale: bool = False,
    ) -> None:
        super().__init__()
        backend.check(circuit, execution)
        backend.gradient_rule(execution)
        self.circuit = circuit
        self.backend = backend
        self.execution = execution
        self.weight = nn.Parameter(torch.empty(circuit.n_weights).uniform_(-math.pi, math.pi))
        self.scale = nn.Parameter(torch.ones(circuit.n_inputs)) if trainable_scale and circuit.n_inputs else None
        self._seed = torch.initial_seed() % 2**32 if execution.seed is None else execution.seed
        self._forwards = {True: 0, False: 0}  # number of forward passes in training and in evaluation

    def forward(self, inputs: Tensor | None = None, states: Tensor | None = None) -> Tensor:
        """Return the readout `(batch, n_observables)`.

        Args:
            inputs: features `(batch, n_inputs)`; the number of columns must be that of the circuit.
            states: initial states `(batch, 2**n_qubits)`, real or complex and normalised; None for all qubits in 0.
        """
        if self.scale is not None and inputs is not None:
            inputs = inputs * self.scale
        execution = self._next_execution()
        return self.backend.expectations(self.circuit, self.weight, inputs, states, execution)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; entering evaluation restarts its counter."""
        if not mode:
            self._forwards[False] = 0
        return super().train(mode)

    def get_extra_state(self) -> Tensor:
        """Return the number of training passes so far."""
        return torch.tensor(self._forwards[True])

    def set_extra_state(self, state: Tensor) -> None:
        """Continue counting from a checkpoint.

        Raises:
            CheckpointError: for a value that is not a number.
        """
        if not isinstance(state, Tensor) or state.numel() != 1 or state.is_floating_point() or state.is_complex():
            raise CheckpointError("the counter of a quantum layer in the checkpoint is not a number: it is corrupt")
        self._forwards[True] = int(state)

    def extra_repr(self) -> str:
        """Return the sizes of the circuit and the backend."""
        circuit = self.circuit
        return (
            f"{circuit.n_qubits} qubits, {len(circuit.gates)} gates, {circuit.n_weights} weights, "
            f"{circuit.n_inputs} inputs, {len(circuit.observables)} observables, {self.backend}"
        )

    def _next_execution(self) -> Execution:
        execution = self.execution
        count = self._forwards[self.training]
        self._forwards[self.training] += 1
        if not execution.is_random:
            return execution  # creating an unused seed and Execution takes a while
        path = [self._seed, _rank(), int(self.training), count]
        seed = int(np.random.SeedSequence(path).generate_state(1)[0])
        return Execution(
            execution.shots, execution.noise, seed, execution.gradient, execution.spsa_step, execution.spsa_samples
        )


def circuits(module: nn.Module) -> dict[str, Circuit]:
    """Return the circuits of the quantum layers in a module, equal ones once, under the name of the first layer."""
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, QuantumLayer)]
    first = {layer.circuit: name for name, layer in reversed(layers)}
    return {name: layer.circuit for name, layer in layers if first[layer.circuit] == name}


def circuit_weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the trainable weights of the quantum layers in a module."""
    layers = (layer for layer in module.modules() if isinstance(layer, QuantumLayer))
    return [layer.weight for layer in layers if layer.weight.requires_grad]


def _rank() -> int:
    distributed = torch.distributed
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
