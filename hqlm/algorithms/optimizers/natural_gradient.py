"""Steepest descent in the metric of states instead of that of angles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from hqlm.algorithms.optimizers.base import CircuitOptimizer
from hqlm.backends import StatevectorBackend
from hqlm.backends.angles import angle_columns, as_inputs
from hqlm.circuits import Circuit, Weight
from hqlm.errors import ConfigError


class QuantumNaturalGradient(CircuitOptimizer):
    """`w <- w - lr (g + damping)^-1 grad E`, with the Fubini-Study metric g of the noise-free state.

    The gradient is measured with the execution; g comes from states of the native engine, whatever the backend.

    Source: Stokes et al. (2020), Quantum natural gradient, arXiv:1909.02108.

    Args:
        params: weights of one circuit.
        lr: learning rate.
        metric: `full`, or `block_diagonal` over weights whose gates can act at the same time.
        damping: constant added to the diagonal, since g is singular if weights are redundant.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.05,
        metric: Literal["full", "block_diagonal"] = "full",
        damping: float = 1e-3,
    ) -> None:
        if not (0.0 < lr < math.inf and 0.0 <= damping < math.inf):
            raise ConfigError(
                f"QuantumNaturalGradient: lr must be above 0 and damping 0 or more, given {lr} and {damping}"
            )
        super().__init__(params, {"lr": lr, "damping": damping})
        self.metric = metric
        self._circuit: Circuit | None = None
        self._blocks: Tensor | None = None

    def attach(self, circuit: Circuit) -> None:
        """Compute which weights share a block."""
        self._circuit = circuit
        if self.metric == "block_diagonal":
            layers = torch.tensor(weight_layers(circuit))
            self._blocks = layers[:, None] == layers[None, :]

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor:  # type: ignore[override]
        """Take one step; return the energy before it."""
        assert closure is not None
        assert self._circuit is not None
        with torch.enable_grad():
            energy = closure()
        weights, group = self.weights, self.param_groups[0]
        assert weights.grad is not None
        metric = metric_tensor(self._circuit, weights)
        if self._blocks is not None:
            metric = metric * self._blocks.to(metric)
        damped = metric + group["damping"] * torch.eye(len(metric)).to(metric)
        weights -= group["lr"] * torch.linalg.lstsq(damped, weights.grad[:, None]).solution[:, 0]
        return energy


@torch.no_grad()
def metric_tensor(circuit: Circuit, weights: Tensor) -> Tensor:
    """Return the Fubini-Study metric `g_ij = Re(<d_i|d_j> - <d_i|psi><psi|d_j>)`, `(n_weights, n_weights)`.

    The derivative of a gate is a quarter of the difference of its values at angles shifted by pi and -pi, also for
    controlled rotations, so that all derivatives are one batch of states.

    Args:
        circuit: circuit without inputs.
        weights: `(n_weights,)`, radians.
    """
    gates = [(column, gate.angle) for column, gate in enumerate(circuit.rotations) if isinstance(gate.angle, Weight)]
    columns = torch.tensor([column for column, _ in gates], device=weights.device)
    angles = angle_columns(circuit, weights, None, 1).repeat(2 * len(gates) + 1, 1)
    rows = torch.arange(len(gates), device=weights.device)
    angles[rows, columns] += torch.pi
    angles[rows + len(gates), columns] -= torch.pi
    psi = StatevectorBackend().states(*as_inputs(circuit, angles))
    moved = (psi[: len(gates)] - psi[len(gates) : -1]) / 4.0
    scales = torch.tensor([angle.scale for _, angle in gates]).to(psi)
    places = torch.tensor([angle.index for _, angle in gates], device=weights.device)
    slopes = psi.new_zeros(len(weights), psi.shape[1]).index_add_(0, places, moved * scales[:, None])
    along = slopes @ psi[-1].conj()
    metric: Tensor = (slopes.conj() @ slopes.T - torch.outer(along.conj(), along)).real
    return metric


def weight_layers(circuit: Circuit) -> list[int]:
    """Return a layer number for each weight; weights whose gates can act at the same time have equal numbers.

    A rotation is one layer after the last one that it depends on, also through gates in between. A weight belongs to
    the layer of its first gate.
    """
    layers = [0] * circuit.n_qubits  # layer of the last weight that each qubit depends on
    found: dict[int, int] = {}
    for gate in circuit.gates:
        layer = max(layers[wire] for wire in gate.wires)
        if isinstance(gate.angle, Weight):
            layer += 1
            found.setdefault(gate.angle.index, layer)
        for wire in gate.wires:
            layers[wire] = layer
    return [found.get(index, 0) for index in range(circuit.n_weights)]
