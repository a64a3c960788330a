"""The circuits that are timed: the quantum head of Kim et al. (2025), arXiv:2504.08732."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hqlm.circuits import Circuit, PauliString, RepeatedUpload, RingAnsatz


@dataclass(frozen=True)
class Size:
    """How large a head is: `layers` ansatz layers in the first module and as many main layers in the second."""

    n_qubits: int
    batch: int = 32
    layers: int = 2


@dataclass(frozen=True)
class Head:
    """Two circuits, the second reading the values of the first, with all they need.

    Args:
        first: amplitude-encoded module; Z of every qubit.
        second: re-uploading module; Z of qubit 0.
        states: `(batch, 2**n_qubits)`, real.
        features: `(batch, n_qubits)`, requiring gradients, for the second module alone.
        weights: of the first and the second circuit, requiring gradients.
    """

    first: Circuit
    second: Circuit
    states: Tensor
    features: Tensor
    weights: tuple[Tensor, Tensor]

    @property
    def n_gates(self) -> int:
        """Gates of both circuits."""
        return len(self.first.gates) + len(self.second.gates)


def paper_head(size: Size, seed: int = 0) -> Head:
    """The paper's head with C=2 and N=2, M=R=2 unless the size says otherwise, in float32, without the RY column."""
    n_qubits = size.n_qubits
    ansatz = RingAnsatz(connectivity=2, ry_column=False)
    every = tuple(PauliString.z(wire, n_qubits) for wire in range(n_qubits))
    first = Circuit(n_qubits, ansatz.gates(n_qubits, size.layers), every)
    upload = RepeatedUpload(n_blocks=2, n_main_layers=size.layers, scale=1.0)
    second = upload.circuit(n_qubits, 1, ansatz, every[:1])
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(size.batch, 2**n_qubits, generator=generator)
    states = states / torch.linalg.vector_norm(states, dim=1, keepdim=True)
    features = torch.randn(size.batch, n_qubits, generator=generator)
    weights = tuple(torch.randn(circuit.n_weights, generator=generator) for circuit in (first, second))
    return Head(
        first, second, states, features.requires_grad_(), (weights[0].requires_grad_(), weights[1].requires_grad_())
    )
