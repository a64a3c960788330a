"""Translates circuits to PennyLane's operators once, then inserts the angles and states of each call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import product, repeat
from typing import Any, Final

import torch
from torch import Tensor

from hqlm.backends.channels import Channel, channels_after, n_channels
from hqlm.backends.matrices import pauli_matrix
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise

_NAMES: Final = {"RXX": "IsingXX", "RYY": "IsingYY", "RZZ": "IsingZZ"}  # all other gates have the same name


def rows(batched: bool, angles: Tensor, states: Tensor | None) -> list[tuple[Sequence[Any], Any]]:
    """Return angles and state of each tape: one tape for all rows if `batched`, else one per row.

    They are tensors if something is trained, else NumPy arrays, which PennyLane simulates faster.
    """
    batched = batched and (angles.shape[1] > 0 or states is not None)
    if is_trained(angles, states):
        if batched:
            return [(angles.unbind(1), states)]
        return [(row.unbind(), state) for row, state in zip(angles, _each(states), strict=False)]
    arrays = None if states is None else states.detach().numpy()
    if batched:
        return [(_columns(angles.detach(), states), arrays)]
    return list(zip(angles.detach().numpy(), _each(arrays), strict=False))


def is_trained(*tensors: Tensor | None) -> bool:
    """Return whether any of the tensors needs a gradient."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _each(states: Any) -> Iterable[Any]:
    return repeat(None) if states is None else states


def _columns(angles: Tensor, states: Tensor | None) -> list[Any]:
    """Return the angles of each rotation: one number if all rows agree, since a gate that all rows share costs less."""
    shared = (angles == angles[:1]).all(0)
    if states is None and bool(shared.all()):  # one of the angles must tell PennyLane the batch size
        shared = torch.zeros_like(shared)
    return [column[0] if same else column for column, same in zip(angles.numpy().T, shared.tolist(), strict=True)]


def operators(circuit: Circuit, noise: Noise, angles: Sequence[Tensor], state: Tensor | None) -> list[Any]:
    """Yield the operators on |0...0>; angles are scalars or one per row, the state `(2**n,)` or `(rows, 2**n)`."""
    import pennylane as qml

    columns = iter(angles)
    prepared = [] if state is None else [qml.StatePrep(state, wires=range(circuit.n_qubits))]
    return prepared + [step(next(columns)) if isinstance(step, partial) else step for step in _program(circuit, noise)]


@lru_cache(maxsize=64)
def _program(circuit: Circuit, noise: Noise) -> list[Any]:
    """Return the operators of gates and channels; a rotation is a function of its angle."""
    import pennylane as qml

    steps: list[Any] = []
    for gate in circuit.gates:
        steps.append(_operator(gate))
        steps += [_channel(channel) for channel in channels_after(gate, noise)]
    assert sum(isinstance(step, qml.operation.Channel) for step in steps) == n_channels(circuit, noise)
    return steps


def _operator(gate: Gate) -> Any:
    import pennylane as qml

    kind = getattr(qml, _NAMES.get(gate.name, gate.name.removesuffix("DG")))
    if gate.angle is not None:
        return partial(kind, wires=gate.wires)
    return qml.adjoint(kind(wires=gate.wires)) if gate.name.endswith("DG") else kind(wires=gate.wires)


def _channel(channel: Channel) -> Any:
    import pennylane as qml

    if channel.kind == "two_qubit":  # PennyLane has no named channel for it
        strings = ["".join(letters) for letters in product("IXYZ", repeat=2)]
        weights = [1.0 - channel.probability] + [channel.probability / 15.0] * 15
        kraus = [math.sqrt(w) * pauli_matrix(s).numpy() for w, s in zip(weights, strings, strict=True)]
        return qml.QubitChannel(kraus, wires=channel.wires)
    kinds = {
        "one_qubit": qml.DepolarizingChannel,
        "amplitude_damping": qml.AmplitudeDamping,
        "phase_damping": qml.PhaseDamping,
    }
    return kinds[channel.kind](channel.probability, wires=channel.wires)
